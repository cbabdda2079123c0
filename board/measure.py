"""Runs and times samples, and computes latency, throughput and correctness from the results."""

from __future__ import annotations

import time
from math import ceil, isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Progress = Callable[[str, int, int], None]

WARM_UP_RUNS = 5
RUNS_PER_SIZE = 7
# On a twin, one large image may take minutes: of each measurement, no run that would end later is
# repeated.
BUDGET_S = 60.0
# A twin may take so many times as long as the samples before did: machines are busy at times.
PATIENCE = 5
# Of inputs or outputs of a batch: boards have little more than ten times as much.
MOST_BYTES = 1 << 25
MOST_SHOWN = 10
MOST_RERUN = 64


class Timed(NamedTuple):
    """One call of `predict`.

    Attributes:
        outputs: samples x output shape.
        seconds: duration.
        phases: duration of each phase.
    """

    outputs: NDArray[Any]
    seconds: float
    phases: dict[str, float]


class Bench:
    """Runs samples and times them.

    On a real board the time covers the whole call, from the input array to the output array. On a
    twin wall time means nothing: the time covers the transfers, counted in fabric clock cycles.

    Attributes:
        simulated: whether it is a twin.
        wall_s: seconds that each sample of the last run took here, simulated or not.
    """

    def __init__(self, overlay: Any, clock_mhz: float) -> None:
        """Use a loaded overlay and the fabric clock that was read back."""
        self._overlay = overlay
        self._clock_hz = clock_mhz * 1e6
        self.simulated = hasattr(overlay.device, "twin_cycles")
        self.wall_s = 0.0

    def run(self, samples: NDArray[Any]) -> Timed:
        """Run samples once."""
        start = time.monotonic()
        timed = self._timed(samples)
        self.wall_s = (time.monotonic() - start) / max(len(samples), 1)
        return timed

    def _timed(self, samples: NDArray[Any]) -> Timed:
        if not self.simulated:
            outputs = self._overlay.predict(samples)
            phases = dict(self._overlay.phases)
            return Timed(outputs, sum(phases.values()), phases)
        # Samples of many clocks take longer to simulate than the driver assumes from their bytes.
        expected_s = self.wall_s * len(samples)
        self._overlay.timeout_s = max(self._overlay.timeout_s, PATIENCE * expected_s)
        before = self._overlay.device.twin_cycles
        outputs = self._overlay.predict(samples)
        seconds = (self._overlay.device.twin_cycles - before) / self._clock_hz
        return Timed(outputs, seconds, {"dma": seconds})


class Counters:
    """The cycle counters in overlayflow's shell."""

    _ID, _CONTROL, _SAMPLES, _STALL_IN, _STALL_OUT, _FIRST, _LAST = (
        0x00,
        0x08,
        0x10,
        0x14,
        0x18,
        0x20,
        0x28,
    )  # bytes from the block's base address
    _MAGIC = 0x4F464C57

    def __init__(self, mmio: Any) -> None:
        self._mmio = mmio

    @classmethod
    def find(cls, overlay: Any, project_name: str) -> Counters | None:
        """Return the design's counters; None if it has none, as hls4ml's designs."""
        from pynq import MMIO

        block = overlay.ip_dict.get(f"hier_0/{project_name}_axi_0")
        if block is None or "phys_addr" not in block:
            return None
        mmio = MMIO(block["phys_addr"], block["addr_range"], device=overlay.device)
        return cls(mmio) if mmio.read(cls._ID) == cls._MAGIC else None

    def clear(self) -> None:
        """Reset the counters."""
        self._mmio.write(self._CONTROL, 1)

    def read(self) -> dict[str, int]:
        """Return samples and clock cycles since `clear`."""
        return {
            "samples": self._mmio.read(self._SAMPLES),
            "input_stall_cycles": self._mmio.read(self._STALL_IN),
            "output_stall_cycles": self._mmio.read(self._STALL_OUT),
            "first_out_cycles": self._wide(self._FIRST),
            "last_out_cycles": self._wide(self._LAST),
        }

    def _wide(self, low: int) -> int:
        return int(self._mmio.read(low)) | int(self._mmio.read(low + 4)) << 32


def batch_one(
    bench: Bench, inputs: NDArray[Any], repeats: int, progress: Progress
) -> dict[str, Any]:
    """Measure the latency of single samples: every run, and percentiles."""
    ends = time.monotonic() + BUDGET_S
    for _ in range(0 if bench.simulated else WARM_UP_RUNS):
        bench.run(inputs[:1])
    seconds: list[float] = []
    for index in range(repeats):
        if seconds and time.monotonic() + bench.wall_s >= ends:
            break
        sample = index % len(inputs)
        seconds.append(bench.run(inputs[sample : sample + 1]).seconds)
        if index % 50 == 0:
            progress("batch 1", index, repeats)
    progress("batch 1", repeats, repeats)
    return {
        "latency_s": {f"p{p}": _percentile(seconds, p) for p in (50, 95, 99)},
        "latency_runs_s": seconds,
    }


def series(
    bench: Bench, inputs: NDArray[Any], sizes: Sequence[int], progress: Progress
) -> dict[str, Any]:
    """Time several batch sizes N, for T(N) = a + b N, as far as time and memory suffice."""
    ends, each_bytes = time.monotonic() + BUDGET_S, inputs[0].nbytes
    measured: list[dict[str, Any]] = []
    for index, size in enumerate(sizes):
        late = time.monotonic() + 2 * size * bench.wall_s >= ends
        if late or size * each_bytes > MOST_BYTES:
            continue
        batch = inputs[np.arange(size) % len(inputs)]
        outputs = bench.run(batch).outputs  # buffers grow here
        each_bytes = max(each_bytes, outputs.nbytes // size)
        seconds = [bench.run(batch).seconds]
        while len(seconds) < RUNS_PER_SIZE and time.monotonic() + size * bench.wall_s < ends:
            seconds.append(bench.run(batch).seconds)
        measured.append({"samples": size, "seconds": seconds})
        progress("batch sizes", index + 1, len(sizes))
    return {"series": measured, "fit": fit(measured)}


def fit(measured: Sequence[dict[str, Any]]) -> dict[str, float] | None:
    """Fit a line to the median of each size by least squares of the relative error.

    Small batches determine `overhead_s`; their absolute errors would vanish next to those of big
    ones.
    """
    if len(measured) < 2:  # noqa: PLR2004  # a line needs two points
        return None
    sizes = np.array([float(point["samples"]) for point in measured])
    seconds = np.array([_percentile(point["seconds"], 50) for point in measured])
    per_sample, overhead = np.polyfit(sizes, seconds, 1, w=1 / seconds)
    return {"overhead_s": float(overhead), "per_sample_s": float(per_sample)}


def all_samples(
    bench: Bench,
    counters: Counters | None,
    inputs: NDArray[Any],
    passes: int,
    progress: Progress,
) -> tuple[NDArray[Any], dict[str, Any]]:
    """Run all samples several times and check that each pass gives the same outputs.

    Returns:
        The outputs of the first pass, and figures.
    """
    first = np.empty(0)
    times: list[Timed] = []
    unsteady = np.zeros(len(inputs), bool)
    counted: dict[str, int] | None = None
    if counters:
        counters.clear()
    ends = time.monotonic() + BUDGET_S
    for index in range(passes):
        late = time.monotonic() + len(inputs) * bench.wall_s >= ends
        if index and bench.simulated and late:
            break  # a simulation does not waver
        run = bench.run(inputs)
        if not index:
            first = run.outputs
            counted = counters.read() if counters else None
        unsteady |= _differing(run.outputs, first)
        times.append(run._replace(outputs=first))  # else all passes' outputs are in memory
        progress("all samples", index + 1, passes)
    seconds = [run.seconds for run in times]
    typical = times[seconds.index(_percentile(seconds, 50))]
    return first, {
        "passes": len(seconds),
        "passes_s": seconds,
        "phases_s": typical.phases,
        "inferences_per_s": len(inputs) / typical.seconds,
        "deterministic": not unsteady.any(),
        "unsteady_samples": np.flatnonzero(unsteady).tolist(),
        "counters": counted,
        "cycles_per_sample": counted["last_out_cycles"] / len(inputs) if counted else None,
    }


def latency_cycles(bench: Bench, counters: Counters | None, inputs: NDArray[Any]) -> int | None:
    """Return the cycles from a sample's first word in to its first word out."""
    if counters is None:
        return None
    counters.clear()
    bench.run(inputs[:1])
    return counters.read()["first_out_cycles"]


def compare(
    bench: Bench, inputs: NDArray[Any], outputs: NDArray[Any], golden: NDArray[Any]
) -> dict[str, Any]:
    """Compare outputs with the golden ones, and rerun the samples that differ.

    Outputs that are wrong in the same way every time point to the design; outputs that vary, to the
    board, its clock or its memory.
    """
    wrong = np.flatnonzero(_differing(outputs, golden))
    shown = [_first_difference(int(i), golden[i], outputs[i]) for i in wrong[:MOST_SHOWN]]
    result: dict[str, Any] = {"mismatches": len(wrong), "first": shown, "rerun": None}
    again = wrong[:MOST_RERUN]
    if len(again):
        together = bench.run(inputs[again]).outputs
        alone = np.concatenate([bench.run(inputs[i : i + 1]).outputs for i in again])
        steady = not (
            _differing(together, outputs[again]) | _differing(alone, outputs[again])
        ).any()
        result["rerun"] = {
            "samples": len(again),
            "wrong_together": int(_differing(together, golden[again]).sum()),
            "wrong_alone": int(_differing(alone, golden[again]).sum()),
            "suspect": "design" if steady else "board",
        }
    return result


def _percentile(values: Sequence[float], percent: int) -> float:
    """Return the nearest-rank percentile, which is a measured value."""
    return sorted(values)[max(0, ceil(percent / 100 * len(values)) - 1)]


def _differing(some: NDArray[Any], others: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which samples have a differing element; NaN equals NaN here."""
    same = (some == others) | ((some != some) & (others != others))  # noqa: PLR0124  # NaN
    result: NDArray[np.bool_] = ~same.reshape(len(some), -1).all(axis=1)
    return result


def _first_difference(
    sample: int, expected: NDArray[Any], got: NDArray[Any]
) -> dict[str, int | float | str]:
    where = int(np.flatnonzero(_differing(got.ravel(), expected.ravel()))[0])
    return {
        "sample": sample,
        "element": where,
        "expected": _jsonable(float(expected.flat[where])),
        "got": _jsonable(float(got.flat[where])),
    }


def _jsonable(number: float) -> float | str:
    return number if isfinite(number) else str(number)
