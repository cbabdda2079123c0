"""Reads bitstream headers and .hwh files with pynq's own parsers."""

from pathlib import Path
from typing import Any

from pynq.pl_server.embedded_device import (
    DEFAULT_XCLBIN,
    BitfileHandler,
    CacheMetadataError,
    parse_bit_header,
)

from .fabric import FabricError


class _TwinBitfile(BitfileHandler):  # type: ignore[misc]  # pynq is untyped
    """Parses as a board's device does, without the hardware and programs that a twin lacks."""

    def get_bin_data(self) -> Any:
        # Not in the FPGA manager's byte order: a twin has no FPGA manager.
        return bit_header(str(self._filepath))["data"]

    def get_xclbin_data(self) -> Any:
        # A board describes its memories with XRT's `xclbinutil`; pynq ships the result for a design
        # with the processor's memory only.
        return DEFAULT_XCLBIN

    def _get_cache(self) -> Any:
        # The cache is one file in the pynq package, which several twins share.
        raise CacheMetadataError("no cache on a twin")


def parse(bitfile_name: str, *, partial: bool) -> Any:
    """Return pynq's parser object for a .bit file and the .hwh next to it."""
    if Path(bitfile_name).suffix != ".bit":
        raise FabricError(f"{bitfile_name}: a twin only loads .bit files with a .hwh next to them")
    parser = _TwinBitfile(bitfile_name).get_parser(partial=partial)
    if parser is None:
        raise FabricError(f"no {Path(bitfile_name).with_suffix('.hwh').name} next to the .bit file")
    return parser


def bit_header(bitfile_name: str) -> "dict[str, Any]":
    """Read the fields of a .bit file: design, part, date, time, length, data."""
    try:
        fields: dict[str, Any] = parse_bit_header(Path(bitfile_name).read_bytes())
    except (RuntimeError, IndexError, ValueError, ArithmeticError, OSError) as error:
        raise FabricError(f"{bitfile_name} is not a complete .bit file: {error}") from error
    return fields
