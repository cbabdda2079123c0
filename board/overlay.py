"""A drop-in replacement for hls4ml's driver, without its defects.

    from board.overlay import NeuralNetworkOverlay
    nn = NeuralNetworkOverlay("hls4ml_nn.bit", X_test.shape, y_test.shape)
    y_hw, seconds, rate = nn.predict(X_test, profile=True)

It takes any number of samples, is thread-safe, never waits longer than `timeout_s`, returns copies
instead of DMA buffers, and converts packed fixed-point words if manifest.json is in the bit file's
directory.
"""

from __future__ import annotations

import json
import threading
import time
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pynq import Overlay, allocate

from board.codec import RawCodec, codec_of
from board.dma import Dma, DmaError, DmaTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import DTypeLike, NDArray

__all__ = ["DmaError", "DmaTimeoutError", "NeuralNetworkOverlay"]

DMA_TIMEOUT_S = 10.0
# A twin's fabric may be this slow on a busy machine, where a word takes many clocks of the core.
TWIN_BYTES_S = 4_000.0
# XRT 2.17 on 64-bit boards allocates one-page buffers where a 32-bit DMA cannot reach them.
LEAST_BUFFER_BYTES = 8192
PHASES = ("encode", "copy_in", "dma", "copy_out", "decode")


class NeuralNetworkOverlay(Overlay):  # type: ignore[misc]  # pynq is untyped
    """A loaded hls4ml design, with buffers that grow with the batch.

    Attributes:
        dma: the DMA between memory and design.
        timeout_s: longest wait for either DMA channel; more on a twin, for what it simulates.
        phases: seconds that the last `predict` spent in each of PHASES.
        input_buffer: samples x elements to send; the next `predict` overwrites it.
        output_buffer: received samples, likewise.
    """

    def __init__(  # noqa: PLR0917  # the arguments of hls4ml's driver, in its order
        self,
        bitfile_name: str,
        x_shape: Sequence[Any],
        y_shape: Sequence[Any],
        dtype: DTypeLike = np.float32,
        dtbo: str | None = None,
        download: bool = True,
        ignore_version: bool = False,
        device: Any = None,
    ) -> None:
        """Load a design and allocate buffers.

        Args:
            bitfile_name: a .bit file next to its .hwh file and preferably its manifest.json.
            x_shape: of the input, batch axis first, or None there; `predict` takes any batch size.
            y_shape: of the output, likewise.
            dtype: of the elements on the stream. With float32, packed words are converted here;
                with any other, the caller encodes and decodes.
            dtbo: device tree overlay, as in pynq.Overlay.
            download: whether to program the PL; otherwise the loaded design is used.
            ignore_version: whether to accept drivers of other IP versions.
            device: a pynq.Device; the active one by default.

        Raises:
            ValueError: the shapes are not the design's, or its DMA cannot be used.
        """
        self._alone = threading.RLock()
        super().__init__(
            bitfile_name, dtbo=dtbo, download=download, ignore_version=ignore_version, device=device
        )
        self.timeout_s = DMA_TIMEOUT_S
        self.phases = dict.fromkeys(PHASES, 0.0)
        self.dma = Dma(self.hier_0.axi_dma_0)
        self._loaded = self._in_fabric()
        self._y_shape = tuple(y_shape[1:])
        self._input, self._output = _codecs(
            self.bitfile_name, prod(x_shape[1:]), prod(y_shape[1:]), dtype
        )
        # A transfer holds whole samples only.
        sample_bytes = max(self._input.sample_bytes, self._output.sample_bytes)
        self._most_samples = self.dma.max_bytes // sample_bytes
        if not self._most_samples:
            raise ValueError(f"one sample is longer than the DMA's {self.dma.max_bytes} bytes")
        self.input_buffer: Any = None
        self.output_buffer: Any = None
        self._reserve(x_shape[0] or 0)  # frameworks leave it open: None

    def download(self, *args: Any, **kwargs: Any) -> None:
        """Program the PL with this design, as pynq does; then `predict` works again."""
        with self._alone:
            super().download(*args, **kwargs)
            if "dma" in self.__dict__:  # not while the overlay is being constructed
                self._loaded = self._in_fabric()
                self.dma.reset()

    def _in_fabric(self) -> Any:
        """Return when the PL was last programmed, according to pynq."""
        return getattr(self.device, "timestamp", None)

    def predict(
        self,
        X: Any,  # noqa: N803  # the name that hls4ml's driver gave it
        debug: bool = False,
        profile: bool = False,
        encode: Callable[[Any], Any] | None = None,
        decode: Callable[[Any], Any] | None = None,
    ) -> Any:
        """Run samples through the design.

        Args:
            X: samples x input shape.
            debug: whether to print a line for each transfer.
            profile: whether to print and return the rate.
            encode: converts X to elements on the stream; called once.
            decode: converts elements on the stream, samples x output shape; called once.

        Returns:
            The outputs, samples x output shape; with `profile`, (outputs, seconds, samples/s).

        Raises:
            ValueError: X does not have the shape of the design's input, or contains a value
                that packed words cannot represent, such as NaN.
            DmaTimeoutError: the design did not take its input, or did not answer, in time.
            DmaError: the DMA failed.
            RuntimeError: another design has been loaded since; `download` restores this one.
        """
        with self._alone:
            if self._in_fabric() != self._loaded:
                raise RuntimeError(
                    "another design was loaded into the fabric: call download() on this one first"
                )
            return self._predict(X, debug, profile, encode, decode)

    def _predict(
        self,
        X: Any,  # noqa: N803
        debug: bool,
        profile: bool,
        encode: Callable[[Any], Any] | None,
        decode: Callable[[Any], Any] | None,
    ) -> Any:
        watch = _Stopwatch()
        samples = _rows(X if encode is None else encode(X), self._input.size)
        watch.lap("encode")
        self._reserve(len(samples))
        watch.restart()
        parts: list[NDArray[Any]] = []
        for chunk in self._chunks(len(samples)):
            elements = samples[chunk]
            if encode is None:
                elements = self._input.encode(elements)
            watch.lap("encode")
            received = self._exchange(elements, watch)
            if decode is None:
                received = self._output.decode(received)
            watch.lap("decode")
            parts.append(received)
            if debug:
                print(f"samples {chunk.start} to {chunk.stop - 1}: sent and received")
        outputs = np.concatenate(parts) if parts else self._none()
        outputs = outputs.reshape((len(samples), *self._y_shape))
        if decode is not None:
            outputs = decode(outputs)
        watch.lap("decode")
        self.phases = watch.seconds
        return _profiled(outputs, len(samples), watch.total()) if profile else outputs

    def free_buffers(self) -> None:
        """Free the buffers; the next `predict` allocates new ones."""
        with self._alone:
            for buffer in (self.input_buffer, self.output_buffer):
                if buffer is not None:
                    buffer.freebuffer()
            self.input_buffer = self.output_buffer = None

    def _exchange(self, elements: NDArray[Any], watch: _Stopwatch) -> NDArray[Any]:
        """Send the elements of some samples, and return a copy of those received."""
        count = len(elements)
        # Slices of a buffer know their physical address: only their bytes are flushed.
        source, target = self.input_buffer[:count], self.output_buffer[:count]
        source[:, : self._input.size] = elements
        watch.lap("copy_in")
        timeout_s = self.timeout_s
        if hasattr(self.device, "twin_cycles"):
            timeout_s = max(timeout_s, (source.nbytes + target.nbytes) / TWIN_BYTES_S)
        self.dma.exchange(source, target, timeout_s)
        watch.lap("dma")
        received = np.array(target[:, : self._output.size])
        watch.lap("copy_out")
        return received

    def _none(self) -> NDArray[Any]:
        return self._output.decode(np.empty((0, self._output.size), self._output.dtype))

    def _chunks(self, count: int) -> Iterator[slice]:
        for start in range(0, count, self._most_samples):
            yield slice(start, min(start + self._most_samples, count))

    def _reserve(self, samples: int) -> None:
        """Allocate buffers for that many samples, or as many as fit into one transfer."""
        samples = min(samples, self._most_samples)
        if self.input_buffer is not None and len(self.input_buffer) >= samples:
            return
        self.free_buffers()
        self.input_buffer = self._allocate(samples, self._input)
        self.output_buffer = self._allocate(samples, self._output)
        self.input_buffer[:] = 0  # with the padding, which is never written again

    def _allocate(self, samples: int, codec: RawCodec) -> Any:
        """Allocate a buffer for at least that many samples that the DMA can address."""
        row_bytes = codec.row * np.dtype(codec.dtype).itemsize
        rows = max(samples, -(-LEAST_BUFFER_BYTES // row_bytes))
        buffer = allocate((rows, codec.row), codec.dtype, target=self.device)
        self.dma.require_reachable(buffer)
        return buffer


class _Stopwatch:
    """Adds up seconds by phase; `lap` ends a phase."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self._last = time.perf_counter()

    def lap(self, phase: str) -> None:
        now = time.perf_counter()
        self.seconds[phase] += now - self._last
        self._last = now

    def restart(self) -> None:
        """Discard the time since the last lap."""
        self._last = time.perf_counter()

    def total(self) -> float:
        return sum(self.seconds.values())


def _codecs(
    bitfile_name: str, x_size: int, y_size: int, dtype: DTypeLike
) -> tuple[RawCodec, RawCodec]:
    """Return codecs for input and output, from the manifest next to the bit file if it exists."""
    path = Path(bitfile_name).with_name("manifest.json")
    given = RawCodec(x_size, dtype), RawCodec(y_size, dtype)
    if not path.exists():
        return given
    manifest = json.loads(path.read_text(encoding="utf-8"))
    codecs = codec_of(manifest["input"]), codec_of(manifest["output"])
    for codec, raw, name in zip(codecs, given, ("input", "output")):
        if codec.size != raw.size:
            shape = manifest[name]["shape"]
            raise ValueError(
                f"the design's {name} has shape {shape}, not {raw.size} elements a sample"
            )
        if raw.dtype != np.float32 and raw.sample_bytes > codec.sample_bytes:
            raise ValueError(
                f"the design's {name} has {codec.sample_bytes} bytes a sample, and elements of "
                f"{raw.dtype} make {raw.sample_bytes}"
            )
    return codecs if np.dtype(dtype) == np.float32 else given


def _rows(samples: Any, size: int) -> NDArray[Any]:
    """Return samples x elements; raise ValueError if the samples do not have `size` elements."""
    if np.ma.is_masked(samples):
        raise ValueError("some input is masked: fill it first")
    array = np.asarray(samples)
    if array.dtype.kind == "c":
        raise ValueError("input of complex numbers; the design takes real ones")
    if not array.ndim or array.size != len(array) * size:
        raise ValueError(f"input of shape {array.shape}; the design takes {size} elements a sample")
    return array.reshape(len(array), size)


def _profiled(outputs: Any, samples: int, seconds: float) -> tuple[Any, float, float]:
    """Print and return what hls4ml's driver prints and returns with `profile`."""
    rate = samples / seconds
    print(f"Classified {samples} samples in {seconds} seconds ({rate} inferences / s)")
    return outputs, seconds, rate
