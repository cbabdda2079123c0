"""The DMA at register level, with the stand-in design between its channels."""

import struct
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from board.twin.emulation.overlayflow_twin.dma import (
    ADDRESS,
    DMA_DEC_ERR,
    DMA_INT_ERR,
    DMACR,
    DMASR,
    ERR_IRQ,
    HALTED,
    IDLE,
    IOC_IRQ,
    LENGTH,
    RESET,
    RUN,
    S2MM,
    SLICE,
    AxiDma,
)
from board.twin.emulation.overlayflow_twin.fabric import Fabric
from board.twin.emulation.overlayflow_twin.memory import Memory

MM2S = 0
LENGTH_BITS = 14
UPPER_ADDRESS = 0x1C  # that pynq writes, whether or not a DMA has it
CHANNELS = pytest.mark.parametrize("channel", [MM2S, S2MM], ids=["mm2s", "s2mm"])


class Buffer(NamedTuple):
    address: int
    memory: memoryview


@dataclass
class Bench:
    """A DMA with its memory; `keep` holds the buffers."""

    memory: Memory
    fabric: Fabric
    dma: AxiDma
    keep: list[Buffer] = field(default_factory=list)

    def buffer(self, nbytes: int) -> Buffer:
        address, pages = self.memory.allocate(nbytes)
        self.keep.append(Buffer(address, memoryview(pages)))
        return self.keep[-1]

    def floats(self, *values: float) -> Buffer:
        buffer = self.buffer(4 * len(values))
        struct.pack_into(f"<{len(values)}f", buffer.memory, 0, *values)
        return buffer

    def run(self, *channels: int) -> None:
        for channel in channels or (MM2S, S2MM):
            self.dma.write(channel + DMACR, RUN)

    def transfer(self, channel: int, address: int, length: int) -> None:
        self.dma.write(channel + ADDRESS, address & 0xFFFFFFFF)
        self.dma.write(channel + UPPER_ADDRESS, address >> 32)
        self.dma.write(channel + LENGTH, length)

    def status(self, channel: int, polls: int = 1) -> int:
        for _ in range(polls - 1):
            self.dma.read(channel + DMASR)
        return self.dma.read(channel + DMASR)


@pytest.fixture
def bench(standin: bytes) -> Bench:
    return make_bench(standin)


def make_bench(standin: bytes) -> Bench:
    memory, fabric = Memory(0x1000_0000, 1 << 24), Fabric(standin)
    return Bench(memory, fabric, AxiDma(memory, fabric, LENGTH_BITS))


def received(buffer: Buffer, count: int) -> list[float]:
    return list(struct.unpack_from(f"<{count}f", buffer.memory))


@CHANNELS
def test_after_reset_a_channel_is_halted_and_not_idle(bench: Bench, channel: int) -> None:
    assert bench.status(channel) == HALTED
    assert bench.dma.read(channel + DMACR) == 0x10002


@CHANNELS
def test_a_running_channel_is_idle_only_after_its_first_transfer(
    bench: Bench, channel: int
) -> None:
    bench.run(channel)
    assert bench.status(channel) == 0
    assert bench.dma.read(channel + DMACR) == 0x10003


def test_a_packet_crosses_the_fabric(bench: Bench) -> None:
    source, sink = bench.floats(1, 2, 3, 4, 5, 6, 7, 8), bench.buffer(16)
    bench.run()
    bench.transfer(MM2S, source.address, 32)
    bench.transfer(S2MM, sink.address, 16)
    assert bench.status(MM2S) == IDLE | IOC_IRQ
    assert bench.status(S2MM) == IDLE | IOC_IRQ
    assert bench.dma.read(S2MM + LENGTH) == 16
    assert received(sink, 4) == [3, 7, 11, 15]


def test_the_receiver_may_be_started_first(bench: Bench) -> None:
    source, sink = bench.floats(1, 2, 3, 4), bench.buffer(8)
    bench.run()
    bench.transfer(S2MM, sink.address, 8)
    bench.transfer(MM2S, source.address, 16)
    assert bench.status(S2MM) == IDLE | IOC_IRQ
    assert received(sink, 2) == [3, 7]


def test_writing_one_clears_the_interrupt_and_leaves_the_channel_idle(bench: Bench) -> None:
    bench.run()
    bench.transfer(S2MM, bench.buffer(8).address, 8)
    bench.transfer(MM2S, bench.floats(1, 2, 3, 4).address, 16)
    assert bench.status(S2MM) == IDLE | IOC_IRQ
    bench.dma.write(S2MM + DMASR, IOC_IRQ)
    assert bench.status(S2MM) == IDLE


def test_a_receive_ends_at_tlast_and_tells_how_many_bytes_came(bench: Bench) -> None:
    sink = bench.buffer(4000)
    bench.run()
    bench.transfer(S2MM, sink.address, 4000)
    bench.transfer(MM2S, bench.floats(*range(8)).address, 32)
    assert bench.status(S2MM) == IDLE | IOC_IRQ
    assert bench.dma.read(S2MM + LENGTH) == 16


def test_without_tlast_a_receive_into_a_longer_buffer_never_ends(bench: Bench) -> None:
    # Six words are a sample and a half: the first sample's output comes without TLAST, the
    # second one's never.
    bench.run()
    bench.transfer(S2MM, bench.buffer(100).address, 100)
    bench.transfer(MM2S, bench.floats(*range(6)).address, 24)
    assert bench.status(S2MM, polls=30) == 0
    assert bench.status(MM2S) == IDLE | IOC_IRQ


def test_a_full_buffer_without_tlast_is_an_internal_error_and_halts_both_channels(
    bench: Bench,
) -> None:
    sink = bench.buffer(8)
    bench.run()
    bench.transfer(MM2S, bench.floats(*range(8)).address, 32)
    bench.transfer(S2MM, sink.address, 8)
    assert bench.status(S2MM) == HALTED | DMA_INT_ERR | ERR_IRQ
    assert bench.status(MM2S) & HALTED
    assert received(sink, 2) == [1, 5]


def test_after_an_error_only_a_reset_lets_the_channels_run_again(bench: Bench) -> None:
    bench.run()
    bench.transfer(MM2S, 0xDEAD0000, 16)
    assert bench.status(MM2S) == HALTED | DMA_DEC_ERR | ERR_IRQ
    bench.run()
    assert bench.status(MM2S) & HALTED
    assert bench.status(S2MM) & HALTED
    bench.dma.write(S2MM + DMACR, RESET)
    assert bench.status(MM2S) == HALTED
    bench.run()
    assert bench.status(MM2S) == 0


@CHANNELS
def test_an_address_that_nobody_allocated_is_a_decode_error(bench: Bench, channel: int) -> None:
    buffer = bench.buffer(4096)
    bench.run()
    bench.transfer(channel, buffer.address, 4100)
    assert bench.status(channel) & DMA_DEC_ERR


def test_the_upper_half_of_an_address_is_lost(bench: Bench) -> None:
    bench.run()
    bench.transfer(MM2S, bench.floats(1).address | 1 << 32, 4)
    assert not bench.status(MM2S) & DMA_DEC_ERR


def test_a_sender_without_receiver_is_held_by_back_pressure(bench: Bench) -> None:
    source, sink = bench.floats(*range(400)), bench.buffer(800)
    bench.run()
    bench.transfer(MM2S, source.address, 1600)
    assert bench.status(MM2S, polls=20) == 0
    bench.transfer(S2MM, sink.address, 800)
    assert bench.status(S2MM) == IDLE | IOC_IRQ
    assert bench.status(MM2S) == IDLE | IOC_IRQ
    assert received(sink, 200) == [8 * i // 2 * 1.0 + 1 for i in range(200)]


@CHANNELS
def test_a_length_of_zero_starts_nothing(bench: Bench, channel: int) -> None:
    bench.run()
    bench.transfer(channel, bench.buffer(64).address, 0)
    assert bench.status(channel) == 0


def test_a_length_beyond_the_register_is_cut_off(bench: Bench) -> None:
    # As on a board, the driver then waits forever: 2**14 bytes are no bytes.
    bench.run()
    bench.transfer(MM2S, bench.buffer(1 << 15).address, 1 << LENGTH_BITS)
    assert bench.dma.read(MM2S + LENGTH) == 0
    assert bench.status(MM2S, polls=5) == 0


@CHANNELS
def test_a_halted_channel_starts_nothing(bench: Bench, channel: int) -> None:
    bench.transfer(channel, bench.buffer(64).address, 64)
    assert bench.status(channel) == HALTED


def test_clearing_run_does_not_end_a_transfer_that_hangs_but_a_reset_does(bench: Bench) -> None:
    bench.run()
    bench.transfer(S2MM, bench.buffer(64).address, 64)
    bench.dma.write(S2MM + DMACR, 0)
    assert not bench.status(S2MM, polls=5) & HALTED
    bench.dma.write(S2MM + DMACR, RESET)
    assert bench.status(S2MM) == HALTED


def test_reading_the_status_of_a_channel_at_rest_does_not_run_the_clock(bench: Bench) -> None:
    bench.run()
    bench.transfer(MM2S, bench.floats(*range(400)).address, 1600)
    bench.status(S2MM, polls=10)
    assert bench.fabric.cycles == 0


def test_a_poll_runs_a_bounded_number_of_cycles_and_a_hung_transfer_hardly_any(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    bench.run()
    bench.transfer(S2MM, bench.buffer(64).address, 64)
    bench.status(S2MM)
    assert bench.fabric.cycles == SLICE
    bench.status(S2MM, polls=1000)
    assert bench.fabric.cycles < 20 * SLICE
    assert len(pauses) > 900


def test_cycles_count_from_first_word_in_to_last_word_out(bench: Bench) -> None:
    bench.run()
    bench.transfer(MM2S, bench.floats(1, 2, 3, 4).address, 16)
    bench.transfer(S2MM, bench.buffer(8).address, 8)
    bench.status(S2MM)
    assert bench.fabric.cycles == 4 + 20 + 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(packets=st.lists(st.integers(1, 60), min_size=1, max_size=5), poll_sender=st.booleans())
def test_packets_of_any_size_arrive_whole_and_in_order(
    standin: bytes, packets: list[int], poll_sender: bool
) -> None:
    bench = make_bench(standin)
    bench.run()
    for number, samples in enumerate(packets):
        values = [float(number + i) for i in range(4 * samples)]
        source, sink = bench.floats(*values), bench.buffer(8 * samples)
        bench.transfer(MM2S, source.address, 16 * samples)
        if poll_sender:
            bench.status(MM2S)
        bench.transfer(S2MM, sink.address, 8 * samples)
        assert bench.status(S2MM) & IDLE
        assert bench.status(MM2S) & IDLE
        expected = [a + b for a, b in zip(values[::2], values[1::2], strict=True)]
        assert received(sink, 2 * samples) == expected
