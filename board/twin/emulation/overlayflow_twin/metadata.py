"""Bitstream headers and .hwh files, read by pynq's own parsers."""

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
    """Parses as the boards' device does, without what a board has and a twin has not."""

    def get_bin_data(self) -> Any:
        # Not in the byte order of the FPGA manager: no such thing here.
        return bit_header(str(self._filepath))["data"]

    def get_xclbin_data(self) -> Any:
        # A board describes the memories with `xclbinutil`, a program of XRT; pynq ships the result
        # for a design that has none but the processor's.
        return DEFAULT_XCLBIN

    def _get_cache(self) -> Any:
        # The cache is one file inside the pynq package: twins that share it would mix it up.
        raise CacheMetadataError("no cache on a twin")


def parse(bitfile_name: str, *, partial: bool) -> Any:
    """Return pynq's parser object for a .bit file with its .hwh beside it."""
    if Path(bitfile_name).suffix != ".bit":
        raise FabricError(f"{bitfile_name}: a twin loads .bit files with a .hwh beside them")
    parser = _TwinBitfile(bitfile_name).get_parser(partial=partial)
    if parser is None:
        raise FabricError(f"no {Path(bitfile_name).with_suffix('.hwh').name} beside the .bit file")
    return parser


def bit_header(bitfile_name: str) -> "dict[str, Any]":
    """Read the fields of a .bit file: design, part, date, time, length, data."""
    try:
        fields: dict[str, Any] = parse_bit_header(Path(bitfile_name).read_bytes())
    except (RuntimeError, IndexError, ValueError, ArithmeticError, OSError) as error:
        raise FabricError(f"{bitfile_name} is not a whole .bit file: {error}") from error
    return fields
