"""Which failures are tried again, after what pauses, and what the licence queue sees."""

import contextlib
from collections.abc import Iterator

import pytest

from tasks.core.errors import BuildError
from tasks.core.records.design import Synthesis
from tasks.toolchains.base import Hooks
from tests.tasks.toolchains.vivado_hls.conftest import Bench


def test_a_licence_that_is_taken_is_asked_for_again_after_growing_pauses(
    bench: Bench, synthesized: Synthesis
) -> None:
    held: list[str] = []

    @contextlib.contextmanager
    def licence() -> Iterator[None]:
        held.append("taken")
        bench.sleeps.append(0.0)  # nobody sleeps while it is held
        yield
        bench.sleeps.append(0.0)
        held.append("returned")

    bench.hooks = Hooks(licence=licence)
    bench.fail("licence-busy", times=2)
    bench.implement(synthesized)
    assert bench.runs("vivado") == 3
    assert held == ["taken", "returned"] * 3
    paused = [seconds for seconds in bench.sleeps if seconds]
    assert bench.sleeps == [0.0, 0.0, paused[0], 0.0, 0.0, paused[1], 0.0, 0.0]
    assert 15 <= paused[0] <= 30
    assert 30 <= paused[1] <= 60


def test_the_wait_for_a_licence_has_an_end(bench: Bench, synthesized: Synthesis) -> None:
    bench.fail("licence-busy")
    bench.licence_s = 100.0
    with pytest.raises(BuildError, match="licences are in use") as raised:
        bench.implement(synthesized)
    assert raised.value.failure_class == "transient"
    assert raised.value.tries == bench.runs("vivado") == len(bench.sleeps) + 1
    assert sum(bench.sleeps) >= 100


def test_a_crash_is_tried_once_more(bench: Bench) -> None:
    bench.fail("hls-crash", times=1)
    bench.synthesize()
    assert bench.runs("vivado_hls") == 2


def test_a_crash_of_vivado_leaves_finished_runs_alone(bench: Bench, synthesized: Synthesis) -> None:
    bench.fail("vivado-crash", times=1)
    bench.implement(synthesized)
    assert [event["run"] for event in bench.events("run")].count("impl_1") == 2
    assert [event["run"] for event in bench.events("reset")] == ["impl_1", "synth_1", "impl_1"]
    assert len(bench.events("run")) == 6


def test_memory_that_runs_out_is_met_with_fewer_jobs(
    bench: Bench, synthesized: Synthesis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.toolchains.vivado.preflight.jobs", lambda *_: 4)
    bench.fail("ooc-out-of-memory", times=2)
    bench.implement(synthesized)
    launched = [(event["run"], event["jobs"]) for event in bench.events("launch")]
    assert launched == [("synth_1", 4), ("synth_1", 2), ("synth_1", 1), ("impl_1", 1)]
    repeated = [event["run"] for event in bench.events("run")]
    assert repeated.count("design_1_tiny_axi_0_0_synth_1") == 3
    assert repeated.count("design_1_axi_dma_0_0_synth_1") == 1


def test_a_bitstream_that_is_cut_off_is_written_again(bench: Bench, synthesized: Synthesis) -> None:
    bench.fail("bit-truncated", times=1)
    assert bench.implement(synthesized).target == "twin"
    assert bench.runs("vivado") == 2
