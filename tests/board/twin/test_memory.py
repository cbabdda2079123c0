"""Physical memory of the twin."""

import ctypes
import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.twin.emulation.overlayflow_twin.memory import PAGE, Memory

BASE = 0x1000_0000


@given(st.lists(st.tuples(st.integers(0, 5 * PAGE), st.booleans()), max_size=30))
def test_live_allocations_never_overlap(requests: list[tuple[int, bool]]) -> None:
    memory = Memory(BASE, 40 * PAGE)
    live: dict[int, tuple[int, object]] = {}
    for size, keep in requests:
        try:
            address, pages = memory.allocate(size)
        except RuntimeError:
            continue
        assert address % PAGE == 0
        assert BASE <= address <= BASE + 40 * PAGE - len(pages)
        for other, (taken, _) in live.items():
            assert address + len(pages) <= other or other + taken <= address
        if keep:
            live[address] = len(pages), pages
        del pages


def test_a_window_shows_the_allocated_memory() -> None:
    memory = Memory(BASE, 1 << 20)
    address, pages = memory.allocate(100)
    pages[10:14] = b"word"
    window = memory.window(address + 10, 4)
    assert window is not None
    assert ctypes.string_at(window.pointer, 4) == b"word"


def test_no_window_reaches_out_of_an_allocation() -> None:
    memory = Memory(BASE, 1 << 20)
    address, _pages = memory.allocate(PAGE)
    _neighbour, _more = memory.allocate(PAGE)
    assert memory.window(address - 4, 4) is None
    assert memory.window(address + PAGE - 4, 8) is None
    assert memory.window(0, 4) is None


def test_freed_memory_is_given_out_again_and_has_no_window() -> None:
    memory = Memory(BASE, 2 * PAGE)
    address, pages = memory.allocate(2 * PAGE)
    with pytest.raises(RuntimeError, match="allocation failed"):
        memory.allocate(1)
    del pages
    gc.collect()
    assert memory.window(address, 4) is None
    assert memory.allocate(2 * PAGE)[0] == address


def test_a_window_keeps_its_memory_alive() -> None:
    memory = Memory(BASE, PAGE)
    address, pages = memory.allocate(PAGE)
    window = memory.window(address, PAGE)
    del pages
    gc.collect()
    with pytest.raises(RuntimeError, match="allocation failed"):
        memory.allocate(PAGE)
    del window
    assert memory.allocate(PAGE)[0] == address
