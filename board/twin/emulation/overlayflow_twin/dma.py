"""Emulates AXI DMA 7.1 in direct register mode (Xilinx PG021) at register level.

It is lazy: the fabric's clock runs only while a program reads the status of a busy channel, a
bounded number of cycles per read. As in the real core:

- a transfer starts when a non-zero length is written to a running channel; bits above the length
  register's width are dropped;
- MM2S ends its packet with TLAST, and waits under back-pressure from the fabric;
- S2MM ends at TLAST, and its length register then reads the received bytes. Without TLAST, too few
  words never end it, and a full buffer is DMAIntErr;
- addresses have 32 bits, as in hls4ml's designs and ours: the upper half is dropped;
- an error halts both channels until a reset;
- clearing RS lets a transfer finish first: only a reset ends one that hangs.
"""

import ctypes
import time
from dataclasses import dataclass

from .fabric import Fabric, Transfer
from .faults import fault
from .memory import Memory

DMACR, DMASR, ADDRESS, LENGTH = 0x00, 0x04, 0x18, 0x28
S2MM = 0x30

RUN, RESET = 1 << 0, 1 << 2
HALTED, IDLE = 1 << 0, 1 << 1
DMA_INT_ERR, DMA_SLV_ERR, DMA_DEC_ERR = 1 << 4, 1 << 5, 1 << 6
IOC_IRQ, ERR_IRQ = 1 << 12, 1 << 14

# Reserved bit 1 and the interrupt threshold read as one. Writable: RS, keyhole and the interrupt
# enables; threshold and delay belong to scatter-gather mode.
_DMACR_FIXED = 1 << 16 | 1 << 1
_DMACR_WRITABLE = 0x7009

SLICE = 10_000
"""Most cycles per status read."""
_STALLED = 100_000
"""Cycles without progress after which a transfer counts as hanging; from then on the clock runs
slowly, so that a program that polls for ever does not keep a processor busy."""
_CRAWL, _CRAWL_PAUSE_S = 10, 0.002
_ERRORS = {"internal": DMA_INT_ERR, "slave": DMA_SLV_ERR, "decode": DMA_DEC_ERR}


@dataclass
class _Channel:
    """The registers and the transfer of one direction."""

    control: int = 0
    address: int = 0
    length: int = 0
    transfer: "Transfer | None" = None
    idle: bool = False
    latched: int = 0  # error and interrupt bits of DMASR

    @property
    def status(self) -> int:
        halted = not self.control & RUN and self.transfer is None
        return self.latched | (HALTED if halted else IDLE if self.idle else 0)

    @property
    def control_read(self) -> int:
        return self.control | _DMACR_FIXED

    def finish(self, length: int) -> None:
        self.transfer = None
        self.idle = True
        self.length = length
        self.latched |= IOC_IRQ

    def halt(self) -> None:
        self.control &= ~RUN
        self.transfer = None
        self.idle = False


class AxiDma:
    """Both channels of one DMA, with the fabric between them.

    Args:
        memory: contains the buffers.
        fabric: the streams are connected to it.
        length_width: width of the length registers (c_sg_length_width).
    """

    def __init__(self, memory: Memory, fabric: Fabric, length_width: int) -> None:
        self._memory = memory
        self._fabric = fabric
        self._length_mask = (1 << length_width) - 1
        self._stalled_cycles = 0
        self._reset()

    def _reset(self) -> None:
        self._mm2s, self._s2mm = _Channel(), _Channel()

    def read(self, offset: int) -> int:
        """Read a register; reading the status of a busy channel runs the fabric's clock."""
        channel, register = self._decode(offset)
        if register == DMASR and channel.transfer is not None:
            self._advance()
        return {
            DMACR: channel.control_read,
            DMASR: channel.status,
            ADDRESS: channel.address,
            LENGTH: channel.length,
        }.get(register, 0)

    def write(self, offset: int, value: int) -> None:
        """Write a register; writing a length starts a transfer."""
        channel, register = self._decode(offset)
        if register == DMACR:
            self._control(channel, value)
        elif register == DMASR:
            channel.latched &= ~(value & (IOC_IRQ | ERR_IRQ))
        elif register == ADDRESS:
            channel.address = value & 0xFFFFFFFF
        elif register == LENGTH:
            self._start(channel, value & self._length_mask)

    def _decode(self, offset: int) -> "tuple[_Channel, int]":
        return (self._s2mm, offset - S2MM) if offset >= S2MM else (self._mm2s, offset)

    def _control(self, channel: _Channel, value: int) -> None:
        if value & RESET:
            self._reset()
            return
        channel.control = value & _DMACR_WRITABLE
        if self._failed:
            channel.control &= ~RUN
        if not channel.control & RUN and channel.transfer is None:
            channel.idle = False

    @property
    def _failed(self) -> bool:
        errors = DMA_INT_ERR | DMA_SLV_ERR | DMA_DEC_ERR
        return bool((self._mm2s.latched | self._s2mm.latched) & errors)

    def _fail(self, channel: _Channel, error: int) -> None:
        channel.latched |= error | ERR_IRQ
        self._mm2s.halt()
        self._s2mm.halt()

    def _start(self, channel: _Channel, length: int) -> None:
        if channel.transfer is not None:
            return
        channel.length = length
        if not channel.control & RUN or not length:
            return
        channel.idle = False
        # Streams carry whole words: a packet's odd bytes are sent in a whole word, a buffer's odd
        # bytes receive none.
        words = length // 4 if channel is self._s2mm else -(-length // 4)
        window = self._memory.window(channel.address, length)
        if window is None:
            # Unlike real memory, the twin's exists only where it was allocated.
            self._fail(channel, DMA_DEC_ERR)
            return
        channel.transfer = Transfer(window, words)
        self._stalled_cycles = 0
        error = fault("dma-error")
        if error is not None:
            self._fail(channel, _ERRORS[error])

    def _advance(self) -> None:
        source, sink = self._mm2s.transfer, self._s2mm.transfer
        stalled = fault("dma-stall") is not None
        crawling = stalled or self._stalled_cycles >= _STALLED
        if crawling:
            time.sleep(_CRAWL_PAUSE_S)
        if stalled:
            return
        before = self._fabric.cycles, self._moved()
        ended = self._fabric.run(source, sink, _CRAWL if crawling else SLICE)
        if self._moved() != before[1]:
            self._stalled_cycles = 0
        else:
            self._stalled_cycles += self._fabric.cycles - before[0]
        if source and source.done:
            self._mm2s.finish(self._mm2s.length)
        if sink and ended:
            _flip_bits(sink)
            self._s2mm.finish(4 * sink.moved.value)
        elif sink and sink.done:
            self._fail(self._s2mm, DMA_INT_ERR)

    def _moved(self) -> int:
        channels = self._mm2s, self._s2mm
        return sum(c.transfer.moved.value for c in channels if c.transfer is not None)


def _flip_bits(sink: Transfer) -> None:
    mask = fault("wrong-output")
    if mask is not None:
        word = ctypes.c_uint32.from_address(sink.window.pointer)
        word.value ^= int(mask, 0)
