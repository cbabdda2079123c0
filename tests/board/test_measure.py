"""Figures are drawn from runs as they are described."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from board import measure, power

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import NDArray


def no_progress(_phase: str, _done: int, _of: int) -> None:
    pass


class Network:
    """A loaded design on a real board, whose calls take a known time."""

    def __init__(self, overhead_s: float = 1e-3, per_sample_s: float = 1e-5) -> None:
        self.device = SimpleNamespace(name="a real board")
        self.phases: dict[str, float] = {}
        self.calls: list[int] = []
        self._times = overhead_s, per_sample_s

    def predict(self, samples: NDArray[Any]) -> NDArray[Any]:
        self.calls.append(len(samples))
        self.phases = {"encode": self._times[0], "dma": self._times[1] * len(samples)}
        return samples * 2


INPUTS = np.arange(100, dtype=np.float32).reshape(50, 2)


def test_on_a_real_board_the_time_is_that_of_the_whole_call() -> None:
    timed = measure.Bench(Network(), 100.0).run(INPUTS)
    assert timed.seconds == pytest.approx(1e-3 + 50e-5)
    assert timed.phases == {"encode": 1e-3, "dma": pytest.approx(50e-5)}


def test_the_line_through_the_series_gives_overhead_and_time_per_sample() -> None:
    network = Network()
    bench = measure.Bench(network, 100.0)
    figures = measure.series(bench, INPUTS, (1, 10, 200), no_progress)
    assert figures["fit"]["overhead_s"] == pytest.approx(1e-3)
    assert figures["fit"]["per_sample_s"] == pytest.approx(1e-5)
    assert [point["samples"] for point in figures["series"]] == [1, 10, 200]
    # Every size has its own runs, and one more to grow the buffers.
    assert network.calls == [size for size in (1, 10, 200) for _ in range(8)]


def test_one_batch_size_makes_no_line() -> None:
    assert measure.series(measure.Bench(Network(), 100.0), INPUTS, (4,), no_progress)["fit"] is None


class Twin(Network):
    """The same on a twin, which counts 100 cycles a sample."""

    def __init__(self) -> None:
        super().__init__()
        self.device.twin_cycles = 0
        self.timeout_s = 10.0

    def predict(self, samples: NDArray[Any]) -> NDArray[Any]:
        self.device.twin_cycles += 100 * len(samples)
        return super().predict(samples)


def test_what_takes_too_long_on_a_twin_is_run_once_and_not_in_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measure, "BUDGET_S", 0)
    network = Twin()
    bench = measure.Bench(network, 100.0)
    assert measure.batch_one(bench, INPUTS, 200, no_progress)["latency_runs_s"] == [1e-6]
    found = measure.series(bench, INPUTS, (2, 10, 200), no_progress)
    assert (found["series"], found["fit"]) == ([], None)
    _, figures = measure.all_samples(bench, None, INPUTS, 3, no_progress)
    assert (figures["passes"], figures["passes_s"]) == (1, [50e-6])
    assert network.calls == [1, 50]


def test_a_batch_on_a_twin_may_take_as_long_as_the_samples_before_let_expect() -> None:
    network = Twin()
    bench = measure.Bench(network, 100.0)
    bench.run(INPUTS[:1])
    assert network.timeout_s == 10.0
    bench.wall_s = 2.0
    bench.run(INPUTS)
    assert network.timeout_s == measure.PATIENCE * 2.0 * len(INPUTS)


def test_a_board_makes_all_passes_however_long_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "BUDGET_S", 0)
    bench = measure.Bench(Network(), 100.0)
    assert measure.all_samples(bench, None, INPUTS, 3, no_progress)[1]["passes"] == 3


def test_batches_that_fill_a_boards_memory_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "MOST_BYTES", 10 * INPUTS[0].nbytes)
    found = measure.series(measure.Bench(Network(), 100.0), INPUTS, (1, 10, 11), no_progress)
    assert [point["samples"] for point in found["series"]] == [1, 10]


def test_percentiles_are_times_that_were_measured() -> None:
    figures = measure.batch_one(measure.Bench(Network(), 100.0), INPUTS, 200, no_progress)
    assert len(figures["latency_runs_s"]) == 200
    assert figures["latency_s"] == dict.fromkeys(("p50", "p95", "p99"), pytest.approx(1.01e-3))


def test_equal_outputs_need_no_second_run() -> None:
    network = Network()
    found = measure.compare(measure.Bench(network, 100.0), INPUTS, INPUTS * 2, INPUTS * 2)
    assert found == {"mismatches": 0, "first": [], "rerun": None}
    assert network.calls == []


def test_the_first_difference_of_a_sample_is_shown() -> None:
    outputs = INPUTS * 2
    golden = outputs.copy()
    golden[7, 1] = 0
    outputs[9] = np.nan
    found = measure.compare(measure.Bench(Network(), 100.0), INPUTS, outputs, golden)
    assert found["mismatches"] == 2
    assert found["first"] == [
        {"sample": 7, "element": 1, "expected": 0.0, "got": 30.0},
        {"sample": 9, "element": 0, "expected": 36.0, "got": "nan"},
    ]
    # Sample 7 is wrong again, sample 9 is not.
    assert found["rerun"] == {
        "samples": 2,
        "wrong_together": 1,
        "wrong_alone": 1,
        "suspect": "board",
    }


def test_nan_in_both_is_no_difference() -> None:
    outputs = np.full((3, 2), np.nan, np.float32)
    found = measure.compare(measure.Bench(Network(), 100.0), INPUTS[:3], outputs, outputs.copy())
    assert found["mismatches"] == 0


class Recorder:
    """As pynq.DataRecorder, which needs rails and pandas."""

    def __init__(self, *sensors: SimpleNamespace) -> None:
        self.frame = {sensor.name: np.array([1.0, 2.0]) * sensor.watts for sensor in sensors}

    def record(self, _interval: float) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("names", "expected"), [(("VCCINT", "VCCAUX"), 4.5), (("VCCINT", "12V"), 3.0)]
)
def test_power_is_that_of_the_board_or_of_all_rails(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], expected: float
) -> None:
    rails = {
        name: SimpleNamespace(power=SimpleNamespace(name=f"{name}_power", watts=watts))
        for name, watts in zip(names, (1.0, 2.0), strict=True)
    }
    rails["3V3"] = SimpleNamespace(power=None)  # a rail that has a voltage only
    pynq = ModuleType("pynq")
    pynq.__dict__.update(get_rails=lambda: rails, DataRecorder=Recorder)
    monkeypatch.setitem(sys.modules, "pynq", pynq)
    monkeypatch.setattr(power, "POWER_S", 0.01)
    monkeypatch.setattr(power, "find_spec", lambda name: name)
    found = power.measure(measure.Bench(Network(), 100.0), INPUTS, no_progress)
    assert found["power_w"] == pytest.approx(expected)
    assert set(found["power"]["load_w"]) == {f"{name}_power" for name in names}


def test_power_of_a_twin_is_not_measured() -> None:
    network = Network()
    network.device.twin_cycles = 0
    found = power.measure(measure.Bench(network, 100.0), INPUTS, no_progress)
    assert found == {"power_w": None, "power": None}
