"""Runs a round trip through an AXI DMA in simple mode, with a time-out on every wait.

The registers are those of Xilinx PG021; pynq's own channel driver starts the transfers.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Registers = dict[str, dict[str, int]]

DEFAULT_LENGTH_BITS = 14  # the IP's default, if the .hwh does not say
DEFAULT_ADDRESS_BITS = 32  # likewise
SPIN_S = 0.001
MAX_PAUSE_S = 0.001
SETTLE_S = 1.0  # a reset takes microseconds

_CONTROL, _STATUS, _ADDRESS, _ADDRESS_HIGH, _LENGTH = 0x00, 0x04, 0x18, 0x1C, 0x28
_CHANNELS = {"send": ("MM2S", 0x00), "receive": ("S2MM", 0x30)}
_LATE = {"send": "the design has not taken its input", "receive": "the design has not answered"}
_RUN, _RESET = 0x1, 0x4
_HALTED, _IDLE, _ERRORS = 0x1, 0x2, 0x70
_CONTROL_BITS = ((_RUN, "run"), (_RESET, "in reset"))
_STATUS_BITS = (
    (_HALTED, "halted"),
    (_IDLE, "idle"),
    (0x10, "internal error: the packet is longer than the buffer, or the length was 0"),
    (0x20, "slave error: the memory answered with an error"),
    (0x40, "decode error: no memory at this address"),
    (0x1000, "completed"),
)


class DmaError(RuntimeError):
    """A transfer failed; the message ends with the registers of both channels, decoded.

    The fabric may be in the middle of a sample: load the overlay again.

    Attributes:
        registers: control, status, address and length by channel ("send", "receive").
    """

    def __init__(self, what: str, registers: Registers) -> None:
        super().__init__(what + describe(registers))
        self.registers = registers


class DmaTimeoutError(DmaError):
    """A channel did not finish in time."""


def describe(registers: Registers) -> str:
    """Return one line per channel with the names of the bits that are set."""
    text = ""
    for channel, (name, _) in _CHANNELS.items():
        values = registers[channel]
        control = _names(values["control"], _CONTROL_BITS) or "stopped"
        status = _names(values["status"], _STATUS_BITS) or "busy"
        text += (
            f"\n  {name} ({channel}): control {values['control']:#010x} ({control}), "
            f"status {values['status']:#010x} ({status}), "
            f"address {values['address']:#x}, length {values['length']}"
        )
    return text


def _names(value: int, bits: tuple[tuple[int, str], ...]) -> str:
    return ", ".join(name for bit, name in bits if value & bit)


class Dma:
    """Both channels of a DMA.

    Attributes:
        max_bytes: longest transfer, given by the width of the length register.
    """

    def __init__(self, driver: Any) -> None:
        """Wrap `driver`, a pynq.lib.DMA.

        Raises:
            ValueError: the DMA lacks a channel, or is in scatter-gather mode.
        """
        parameters = driver.description["parameters"]
        if int(parameters.get("c_include_sg", 0)):
            raise ValueError("the DMA is in scatter-gather mode; hls4ml's designs use simple mode")
        if driver.sendchannel is None or driver.recvchannel is None:
            raise ValueError("the DMA needs both a send and a receive channel")
        self.max_bytes = (1 << int(parameters.get("c_sg_length_width", DEFAULT_LENGTH_BITS))) - 1
        self._address_bits = int(parameters.get("c_addr_width", DEFAULT_ADDRESS_BITS))
        self._mmio = driver.mmio
        self._send, self._receive = driver.sendchannel, driver.recvchannel

    def require_reachable(self, buffer: Any) -> None:
        """Raise ValueError unless the DMA can address all of a pynq buffer."""
        first = int(buffer.physical_address)
        if first + int(buffer.nbytes) > 1 << self._address_bits:
            raise ValueError(
                f"a buffer of {buffer.nbytes} bytes lies at {first:#x}, and the design's DMA "
                f"reaches addresses of {self._address_bits} bits only: free memory below, reboot "
                "the board, or give its kernel contiguous memory there (cma=256M@1G)"
            )

    def exchange(self, source: Any, target: Any, timeout_s: float) -> None:
        """Send `source` and receive `target`, contiguous pynq buffers, each within `max_bytes`.

        If it ends early for any reason, Ctrl-C included, the DMA is reset and releases the buffers.

        Args:
            source: is flushed from the caches first.
            target: may differ in length from `source`.
            timeout_s: longest wait for either channel.

        Raises:
            DmaTimeoutError: a channel did not finish in time.
            DmaError: the DMA reported an error, or received less than requested.
        """
        try:
            # The receiver first: results may arrive before the last word is sent.
            self._start("receive", self._receive, target)
            self._start("send", self._send, source)
            self._wait("send", timeout_s)
            self._wait("receive", timeout_s)
            self._send.wait()
            self._receive.wait()
            self._check_length(target.nbytes)
        except BaseException:
            self.reset()
            raise

    def reset(self) -> None:
        """Abort running transfers and make both channels ready.

        Raises:
            DmaTimeoutError: the DMA does not come out of reset.
        """
        self._mmio.write(_CONTROL, _RESET)  # through either channel: it resets the whole core
        self._settle(_CONTROL, _RESET, "come out of reset")
        bases = _CHANNELS["send"][1], _CHANNELS["receive"][1]
        for channel, base in ((self._send, bases[0]), (self._receive, bases[1])):
            self._mmio.write(base + _CONTROL, _RUN)
            self._settle(base + _STATUS, _HALTED, "start")
            channel.start()  # only for pynq's bookkeeping; on its own it might wait forever

    def registers(self) -> Registers:
        """Read the registers of both channels."""
        read = self._mmio.read
        return {
            channel: {
                "control": read(base + _CONTROL),
                "status": read(base + _STATUS),
                "address": read(base + _ADDRESS) | read(base + _ADDRESS_HIGH) << 32,
                "length": read(base + _LENGTH),
            }
            for channel, (_, base) in _CHANNELS.items()
        }

    def _check_length(self, expected: int) -> None:
        received = self._receive.transferred
        if received != expected:
            what = f"TLAST came after {received} of {expected} bytes"
            raise DmaError(what, self.registers())

    def _settle(self, address: int, bit: int, what: str) -> None:
        """Wait until a bit is clear."""
        deadline = time.monotonic() + SETTLE_S
        while self._mmio.read(address) & bit:
            if time.monotonic() > deadline:
                raise DmaTimeoutError("the DMA does not " + what, self.registers())

    def _start(self, name: str, channel: Any, buffer: Any) -> None:
        try:
            channel.transfer(buffer)
        except RuntimeError as error:  # from pynq: an error in the other channel halted both
            raise DmaError(f"the DMA failed to {name}: {error}", self.registers()) from error

    def _wait(self, channel: str, timeout_s: float) -> None:
        """Poll until a channel is idle, without pauses at first, then with growing ones.

        A pause is at most 1/32 of the time waited so far, so it hardly affects timings.
        """
        address = _CHANNELS[channel][1] + _STATUS
        start = time.monotonic()
        while True:
            status = self._mmio.read(address)
            if status & (_ERRORS | _HALTED):  # an error in one channel halts both
                raise DmaError(f"the DMA failed to {channel}", self.registers())
            if status & _IDLE:
                return
            waited = time.monotonic() - start
            if waited > timeout_s:
                what = f"{_LATE[channel]} within {timeout_s:g} s"
                raise DmaTimeoutError(what, self.registers())
            if waited > SPIN_S:
                time.sleep(min(MAX_PAUSE_S, waited / 32))
