"""What cocotb runs inside the simulator: the AXI models of cocotbext-axi drive a design.

test_axi.py starts it. Besides what the models check themselves, `watched` holds every channel that
the design sends on to the rule that what is offered stays until it is taken.
"""

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, Timer, with_timeout
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiResp,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

from tests.tasks.toolchains.axi_cases import AXI_CASES
from tests.tasks.toolchains.standin import Words

CASE = AXI_CASES[os.environ["AXI_CASE"]]
IDENTITY, VERSION, SAMPLES = 0x00, 0x04, 0x10
REGISTERS = range(0x10, 0x30, 4)
LIMIT_US = 2000

# Signals that a design holds while it offers something, by channel.
CHANNELS = {
    ("m_axis_tvalid", "m_axis_tready"): ("m_axis_tdata", "m_axis_tkeep", "m_axis_tlast"),
    ("s_axi_control_rvalid", "s_axi_control_rready"): (
        "s_axi_control_rdata",
        "s_axi_control_rresp",
    ),
    ("s_axi_control_bvalid", "s_axi_control_bready"): ("s_axi_control_bresp",),
}


@dataclass
class Bench:
    """A design just reset, and the models around it."""

    dut: Any

    def __post_init__(self) -> None:
        self.ends = {
            "clock": self.dut.aclk,
            "reset": self.dut.aresetn,
            "reset_active_level": False,
        }
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(self.dut, "m_axis"), **self.ends)
        control = AxiLiteBus.from_prefix(self.dut, "s_axi_control")
        self.registers = AxiLiteMaster(control, **self.ends)

    @cached_property
    def source(self) -> AxiStreamSource:
        """Drives the stream in from its first use on."""
        return AxiStreamSource(AxiStreamBus.from_prefix(self.dut, "s_axis"), **self.ends)

    async def reset(self, clocks: int = 4) -> None:
        self.dut.aresetn.value = 0
        for _ in range(clocks):
            await RisingEdge(self.dut.aclk)
        self.dut.aresetn.value = 1
        await RisingEdge(self.dut.aclk)

    async def send(self, words: Words) -> None:
        """Send words as one frame, TLAST with the last of them."""
        await self.source.send(AxiStreamFrame(words.tobytes()))

    async def frame(self) -> Words:
        """Wait for TLAST and return the words up to it."""
        got = await with_timeout(self.sink.recv(compact=False), LIMIT_US, "us")
        assert set(got.tkeep) == {1}
        return np.frombuffer(bytes(got.tdata), dtype=np.uint32)

    async def read(self, address: int) -> int:
        got = await with_timeout(self.registers.read(address, 4), LIMIT_US, "us")
        assert got.resp == AxiResp.OKAY
        return int.from_bytes(got.data, "little")

    async def write(self, address: int, data: bytes) -> None:
        done = await with_timeout(self.registers.write(address, data), LIMIT_US, "us")
        assert done.resp == AxiResp.OKAY

    def stall(self, random: Random) -> None:
        """Let every channel of the other side pause at random, each at its own rate."""
        write, read = self.registers.write_if, self.registers.read_if
        channels = (write.aw_channel, write.w_channel, write.b_channel)
        for channel in (self.source, self.sink, *channels, read.ar_channel, read.r_channel):
            channel.set_pause_generator(pauses(Random(random.random())))  # noqa: S311


def pauses(random: Random) -> Iterator[bool]:
    rate = random.choice((0.1, 0.5, 0.9))
    return (random.random() < rate for _ in itertools.count())


async def watched(dut: Any) -> None:
    """Fail when a channel withdraws or changes what it offers, or offers anything in reset."""
    offered: dict[str, list[int]] = {}
    while True:
        await RisingEdge(dut.aclk)
        in_reset = not dut.aresetn.value
        for (valid, ready), payload in CHANNELS.items():
            now = [int(getattr(dut, name).value) for name in (valid, *payload)]
            before = offered.pop(valid, None)
            if before is not None and not in_reset:
                assert now == before, f"{valid}: {now} follows {before}, which nobody took"
            if now[0] and not in_reset and not getattr(dut, ready).value:
                offered[valid] = now


async def bench(dut: Any) -> Bench:
    cocotb.start_soon(Clock(dut.aclk, 10, "ns").start())
    made = Bench(dut)
    await made.reset()
    cocotb.start_soon(watched(dut))
    return made


def words_of(samples: int, seed: int) -> Words:
    count = samples * CASE.input.words_per_sample
    generator = np.random.default_rng(seed)
    if CASE.input.words == "packed":
        return generator.integers(0, 1 << 32, count, dtype=np.uint32)
    return generator.standard_normal(count).astype(np.float32).view(np.uint32)


@cocotb.test()
async def answers_every_frame_however_both_sides_stall(dut: Any) -> None:
    """Frames come back whole and in order, while the registers are read all the time."""
    design, random = await bench(dut), Random("stalls")  # noqa: S311
    frames = [words_of(random.randrange(1, 12), seed) for seed in range(12)]
    for words in frames:
        await design.send(words)
    for words in frames:
        design.stall(random)
        # More reads at once than the registers take.
        reads = [cocotb.start_soon(design.read(address)) for address in (IDENTITY, VERSION) * 2]
        assert [await read for read in reads] == [int.from_bytes(b"OFLW", "big"), 1] * 2
        assert (await design.frame()).tolist() == CASE.answer(words).tolist()
    assert await design.read(SAMPLES) == sum(map(len, frames)) // CASE.input.words_per_sample
    assert design.sink.empty()


@cocotb.test()
async def an_early_tlast_ends_the_result_of_its_sample(dut: Any) -> None:
    """A frame that ends within a sample: its rest comes in the next frame."""
    design, random = await bench(dut), Random("early")  # noqa: S311
    design.stall(random)
    size = CASE.input.words_per_sample
    words = words_of(9, seed=1)
    cut = 4 * size + 1
    await design.send(words[:cut])
    await design.send(words[cut:])
    expected = CASE.answer(words).reshape(9, -1)
    # With samples of one word, the cut is the end of a sample.
    assert (await design.frame()).tolist() == expected[:5].ravel().tolist()
    assert (await design.frame()).tolist() == expected[5:].ravel().tolist()


@cocotb.test()
async def a_missing_or_late_tlast_joins_frames(dut: Any) -> None:
    """Without TLAST every result comes all the same; the next TLAST ends them together."""
    design, random = await bench(dut), Random("late")  # noqa: S311
    words = words_of(9, seed=2)
    half = 5 * CASE.input.words_per_sample
    # The model's frames always end with TLAST.
    await send_without_tlast(dut, words[:half])
    design.stall(random)
    for _ in range(LIMIT_US):
        if await design.read(SAMPLES) == 5:
            break
    assert await design.read(SAMPLES) == 5
    assert design.sink.empty()
    await design.send(words[half:])
    assert (await design.frame()).tolist() == CASE.answer(words).tolist()


async def send_without_tlast(dut: Any, words: Words) -> None:
    dut.s_axis_tlast.value = 0
    for word in words.tolist():
        dut.s_axis_tdata.value = word
        dut.s_axis_tvalid.value = 1
        await RisingEdge(dut.aclk)
        while not dut.s_axis_tready.value:
            await RisingEdge(dut.aclk)
    dut.s_axis_tvalid.value = 0


@cocotb.test()
async def nothing_of_what_was_under_way_survives_a_reset(dut: Any) -> None:
    """Resets at many places of a transfer: the next one is answered as if it were the first."""
    design, random = await bench(dut), Random("reset")  # noqa: S311
    design.stall(random)
    for seed in range(20):
        # TLAST within a sample, and reads under way as well.
        words = words_of(8, seed=100 + seed)
        cut = random.randrange(1, len(words))
        await design.send(words[:cut])
        cocotb.start_soon(design.registers.read(SAMPLES, 4))
        await Timer(random.randrange(10, 2000), "ns")
        await design.reset(clocks=random.randrange(1, 5))
        design.source.clear()
        design.sink.clear()
        assert await design.read(SAMPLES) == 0
        words = words_of(3, seed)
        await design.send(words)
        assert (await design.frame()).tolist() == CASE.answer(words).tolist()
        assert await design.read(SAMPLES) == 3
        assert design.sink.empty()


@cocotb.test()
async def registers_take_address_and_data_in_any_order(dut: Any) -> None:
    """Writes clear the counters only where all of it says so; every address answers."""
    design, random = await bench(dut), Random("registers")  # noqa: S311
    for _ in range(8):
        design.stall(random)
        words = words_of(2, seed=3)
        await design.send(words)
        await design.frame()
        for address, data in ((0x08, b"\x02\0\0\0"), (0x10, b"\x01\0\0\0"), (0x09, b"\x01")):
            await design.write(address, data)
            assert await design.read(SAMPLES) == 2
        await design.write(0x08, b"\x01")
        assert [await design.read(address) for address in REGISTERS] == [0] * len(REGISTERS)
    assert await design.read(VERSION) == 1
    assert [await design.read(address) for address in (0x08, 0x0C, 0x30, 0x3C)] == [0] * 4
