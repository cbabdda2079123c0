"""Read and write .bit files: a header as Xilinx tools write it, then the configuration data.

For the twin, the data is a fabric image: a magic word and a shared library. It has no sync word, so
a real device does not accept it as a configuration.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.core.errors import InputError
from tasks.hardware.part import parse_part

if TYPE_CHECKING:  # the replays read this module without pydantic
    from tasks.core.records.base import Target

IMAGE_MAGIC = b"OVERLAYFLOW-TWIN"
IMAGE_ABI = 1

_PREAMBLE = bytes.fromhex("00090ff00ff00ff00ff0000001")
_TOOL = "overlayflow"
# Fixed, so the same design gives the same file.
_DATE, _TIME = "1970/01/01", "00:00:00"
_FIELDS = {ord("a"): "design", ord("b"): "part", ord("c"): "date", ord("d"): "time"}
_DATA = ord("e")
_SYNC_WORD = bytes.fromhex("aa995566")
_HEAD = 4096  # the sync word is within this many bytes of configuration data


@dataclass(frozen=True)
class BitFile:
    """The content of a .bit file.

    Attributes:
        design: name of the design, user ID and version of the tool.
        part: the part as the header names it, e.g. `7z020clg400`.
        date: date of the build.
        time: time of the build.
        data: the configuration data.
    """

    design: str
    part: str
    date: str
    time: str
    data: bytes


def fabric_image(library: bytes) -> bytes:
    """Return the configuration data of a .bit for the twin, made from a shared library's bytes."""
    image = IMAGE_MAGIC + struct.pack("<II", IMAGE_ABI, 0) + library
    # The configuration port takes 32-bit words; pynq rejects other lengths.
    return image + bytes(-len(image) % 4)


def write_bit(out: Path, data: bytes, *, design: str, part: str) -> Path:
    """Write a .bit file.

    Args:
        out: the file.
        data: the configuration data.
        design: name of the top module.
        part: the full part name, e.g. `xc7z020clg400-1`.
    """
    texts = (f"{design};UserID=0XFFFFFFFF;Version={_TOOL}", parse_part(part).in_bit, _DATE, _TIME)
    header = bytearray(_PREAMBLE)
    for key, text in zip(_FIELDS, texts, strict=True):
        value = text.encode("ascii") + b"\0"
        header += struct.pack(">BH", key, len(value)) + value
    header += struct.pack(">BI", _DATA, len(data))
    out.write_bytes(bytes(header) + data)
    return out


def read_bit(path: Path) -> BitFile:
    """Read a .bit file.

    Raises:
        InputError: it is not a .bit file.
    """
    content = path.read_bytes()
    try:
        return _parse(content)
    except (struct.error, IndexError, KeyError, UnicodeDecodeError, ValueError) as error:
        raise InputError(
            f"not a .bit file: {error}", where=str(path), remedy="build or copy the file again"
        ) from error


def target(bit: Path) -> "Target":
    """Return what a .bit can be loaded on: the twin, if it holds a fabric image, or hardware.

    Raises:
        InputError: neither, because it is truncated or not a bitstream.
    """
    data = read_bit(bit).data
    if data.startswith(IMAGE_MAGIC):
        return "twin"
    if _SYNC_WORD in data[:_HEAD]:
        return "hardware"
    raise InputError(
        "no configuration data found", where=str(bit), remedy="build or copy the file again"
    )


def _parse(content: bytes) -> BitFile:
    if not content.startswith(_PREAMBLE):
        raise ValueError("the preamble is missing")
    offset, texts = len(_PREAMBLE), {}
    while content[offset] != _DATA:
        key, length = struct.unpack_from(">BH", content, offset)
        offset += 3
        texts[_FIELDS[key]] = content[offset : offset + length].rstrip(b"\0").decode("ascii")
        offset += length
    (length,) = struct.unpack_from(">I", content, offset + 1)
    data = content[offset + 5 :]
    if len(data) != length:
        raise ValueError(f"the header announces {length} bytes of data, the file has {len(data)}")
    return BitFile(data=data, **{name: texts[name] for name in _FIELDS.values()})
