"""Emulates physical memory, from which pynq.allocate takes buffers for the DMA."""

import ctypes
import mmap
import weakref
from dataclasses import dataclass, field

PAGE = mmap.PAGESIZE


@dataclass
class _Region:
    """One allocation; `pages` is weak, so that the memory is freed with the last array."""

    address: int
    size: int
    pages: "weakref.ref[mmap.mmap]"


@dataclass(frozen=True)
class Window:
    """A range of memory in use by the DMA.

    Attributes:
        pointer: address in this process.
        pages: keeps the memory alive, even if the array is dropped.
    """

    pointer: int
    pages: mmap.mmap = field(repr=False)


class Memory:
    """Contiguous memory with physical addresses, like the CMA area of a board's kernel.

    Args:
        base: first physical address.
        size: size in bytes.
    """

    def __init__(self, base: int, size: int) -> None:
        self._base = base
        self._size = size
        self._regions: list[_Region] = []

    def allocate(self, nbytes: int) -> "tuple[int, mmap.mmap]":
        """Allocate `nbytes` zeroed bytes.

        Returns:
            The physical address, on a page boundary, and the memory itself. Dropping the last
            reference to the memory frees it.

        Raises:
            RuntimeError: not enough memory is left, in pynq's words.
        """
        size = -(-max(nbytes, 1) // PAGE) * PAGE
        self._drop_freed()
        address = self._base
        for index, region in enumerate([*self._regions, None]):
            end = region.address if region else self._base + self._size
            if address + size <= end:
                pages = mmap.mmap(-1, size)
                self._regions.insert(index, _Region(address, size, weakref.ref(pages)))
                return address, pages
            if region:
                address = region.address + region.size
        raise RuntimeError(f"BO allocation failed: no {nbytes} contiguous bytes left on the twin")

    def window(self, address: int, nbytes: int) -> "Window | None":
        """Open `nbytes` at `address`; return None unless one live allocation contains them all."""
        for region in self._regions:
            pages = region.pages()
            offset = address - region.address
            if pages is not None and offset >= 0 and offset + nbytes <= region.size:
                start = ctypes.addressof(ctypes.c_char.from_buffer(pages))
                return Window(start + offset, pages)
        return None

    def _drop_freed(self) -> None:
        self._regions = [region for region in self._regions if region.pages() is not None]
