"""Runs the programmable logic, a shared library from a .bit file, clock by clock."""

import ctypes
import hashlib
import struct
import tempfile
import weakref
from dataclasses import dataclass, field

from .memory import Window

_MAGIC = b"OVERLAYFLOW-TWIN"
_HEADER = struct.Struct("<16sII")
_ABI = 1
_CLASS_64 = 2  # of the ELF header


class FabricError(RuntimeError):
    """This twin cannot load a bitstream."""


@dataclass
class Transfer:
    """One AXI4-Stream packet between memory and fabric.

    Attributes:
        window: the memory side.
        words: number of 32-bit words.
        moved: words transferred so far.
    """

    window: Window
    words: int
    moved: ctypes.c_uint64 = field(default_factory=ctypes.c_uint64)

    @property
    def done(self) -> bool:
        """Return whether all words have been transferred."""
        return self.moved.value >= self.words


def image_of(payload: bytes) -> bytes:
    """Extract the fabric image from a .bit file's payload.

    Raises:
        FabricError: there is none, or it is for another version of the twin.
    """
    header = payload[: _HEADER.size]
    if not header.startswith(_MAGIC):
        raise FabricError(
            "this bitstream holds no fabric image for the twin: it was made for a real board. "
            "Load it on one, or implement the design with toolchain `open`"
        )
    _, abi, _ = _HEADER.unpack(header)
    if abi != _ABI:
        raise FabricError(
            f"the fabric image has interface version {abi}, this twin has {_ABI}: "
            "implement the design again with this version of overlayflow"
        )
    return payload[_HEADER.size :]


_libraries: "dict[bytes, ctypes.CDLL]" = {}


def _load(image: bytes) -> ctypes.CDLL:
    if not _is_whole(image):
        raise FabricError("the fabric image cannot be loaded here: the library is truncated")
    digest = hashlib.sha256(image).digest()
    if digest not in _libraries:
        # The loader identifies libraries by name: each gets a new one, removed once it is mapped.
        with tempfile.NamedTemporaryFile(suffix=".so") as file:
            file.write(image)
            file.flush()
            try:
                _libraries[digest] = _typed(ctypes.CDLL(file.name))
            except (OSError, AttributeError) as error:
                raise FabricError(f"the fabric image cannot be loaded here: {error}") from error
    return _libraries[digest]


def _is_whole(image: bytes) -> bool:
    """Return whether an ELF file has all bytes that it maps; loading it otherwise kills us."""
    try:
        wide = image[4] == _CLASS_64
        word, table_at, sizes_at = ("<Q", 32, 54) if wide else ("<I", 28, 42)
        offset_at, size_at = (8, 32) if wide else (4, 16)
        (table,) = struct.unpack_from(word, image, table_at)
        entry, count = struct.unpack_from("<HH", image, sizes_at)
        ends = [
            struct.unpack_from(word, image, header + offset_at)[0]
            + struct.unpack_from(word, image, header + size_at)[0]
            for header in range(table, table + entry * count, entry)
        ]
    except (IndexError, ValueError, struct.error):
        return False
    return image.startswith(b"\x7fELF") and max(ends, default=0) <= len(image)


def _typed(library: ctypes.CDLL) -> ctypes.CDLL:
    u32, u64, handle = ctypes.c_uint32, ctypes.c_uint64, ctypes.c_void_p
    source = [handle, u64, ctypes.c_int, ctypes.POINTER(u64)]
    sink = [handle, u64, ctypes.POINTER(u64)]
    prototypes = {
        "fabric_abi": (u32, []),
        "fabric_new": (handle, []),
        "fabric_free": (None, [handle]),
        "fabric_run": (u64, [handle, *source, *sink, ctypes.POINTER(ctypes.c_int), u64]),
        "fabric_read": (u32, [handle, u32]),
        "fabric_write": (None, [handle, u32, u32]),
    }
    for name, (result, arguments) in prototypes.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class Fabric:
    """One design, out of reset.

    Attributes:
        cycles: clock cycles executed by `run` since the design was loaded.
    """

    def __init__(self, image: bytes) -> None:
        self._library = _load(image)
        if self._library.fabric_abi() != _ABI:
            raise FabricError("the fabric image does not have the interface version of its header")
        self._handle = self._library.fabric_new()
        if not self._handle:
            raise FabricError("the fabric image could not build its design (out of memory?)")
        weakref.finalize(self, self._library.fabric_free, self._handle)
        self.cycles = 0

    def run(self, source: "Transfer | None", sink: "Transfer | None", max_cycles: int) -> bool:
        """Run the clock until a transfer ends or `max_cycles` have passed.

        Args:
            source: its words are offered to the fabric, the last with TLAST.
            sink: receives the fabric's words; None holds TREADY low.
            max_cycles: most clock cycles to run.

        Returns:
            Whether the fabric ended its packet (TLAST with the last received word).
        """
        last = ctypes.c_int(0)
        nothing = ctypes.c_uint64(0)
        self.cycles += self._library.fabric_run(
            self._handle,
            source.window.pointer if source else None,
            source.words if source else 0,
            1,
            ctypes.byref(source.moved if source else nothing),
            sink.window.pointer if sink else None,
            sink.words if sink else 0,
            ctypes.byref(sink.moved if sink else nothing),
            ctypes.byref(last),
            max_cycles,
        )
        return bool(last.value)

    def read(self, offset: int) -> int:
        """Read a register of the design over AXI4-Lite."""
        return int(self._library.fabric_read(self._handle, offset))

    def write(self, offset: int, value: int) -> None:
        """Write a register of the design over AXI4-Lite."""
        self._library.fabric_write(self._handle, offset, value)
