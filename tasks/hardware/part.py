"""Part names as Xilinx tools write them."""

import re
from dataclasses import dataclass

from tasks.core.errors import UnsupportedModelError

_SERIES_7 = re.compile(r"xc(?P<device>7[a-z]+\d+[a-z]?)(?P<package>[a-z]{3}\d+)(?P<speed>-\w+)")
_ULTRASCALE = re.compile(r"(?P<device>xc\w+)-(?P<package>\w+)(?P<speed>-\w+)(-\w)?")


@dataclass(frozen=True)
class PartName:
    """The components of a part name.

    Attributes:
        device: e.g. `7z020`, `xczu9eg`.
        package: e.g. `clg400`, `ffvb1156`.
        speed_grade: e.g. `-1`.
        in_bit: the part's name in the header of a .bit file.
    """

    device: str
    package: str
    speed_grade: str
    in_bit: str


def parse_part(part: str) -> PartName:
    """Split a full part name, e.g. `xc7z020clg400-1` or `xczu9eg-ffvb1156-2-e`.

    Raises:
        UnsupportedModelError: it is not the name of a supported part.
    """
    if match := _SERIES_7.fullmatch(part):
        device, package, speed = match["device"], match["package"], match["speed"]
        return PartName(device, package, speed, in_bit=device + package)
    if match := _ULTRASCALE.fullmatch(part):
        return PartName(match["device"], match["package"], match["speed"], in_bit=part)
    raise UnsupportedModelError(
        f"{part!r} is not a part of the 7 series or UltraScale+",
        where="part",
        remedy="give the full name, such as xc7z020clg400-1",
    )
