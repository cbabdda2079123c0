"""A build in which all goes well, what it asks of the tools, and what its result says."""

import logging
from pathlib import Path

import numpy as np
import pytest

from board.twin.emulation.overlayflow_twin.fabric import Fabric, Transfer, image_of
from board.twin.emulation.overlayflow_twin.memory import Memory
from tasks.core.errors import GateError
from tasks.core.records.design import Synthesis
from tasks.core.records.settings import BuildSettings
from tasks.hardware.bitfile import read_bit
from tasks.quality import gates
from tasks.quality.gates import GateSettings
from tests.tasks.toolchains.vivado_hls.conftest import NAME, Bench, Converted

WORD = 4


def answers(bit: Path, inputs: Path, outputs: int) -> bytes:
    """Send samples through the fabric image of a .bit, and return the words that come out."""
    fabric, memory = Fabric(image_of(read_bit(bit).data)), Memory(0, 1 << 20)
    sent = np.load(inputs).astype(np.float32).tobytes()
    windows, pages = [], []
    for size in (len(sent), outputs * WORD):
        address, page = memory.allocate(size)
        pages.append(page)
        window = memory.window(address, size)
        assert window is not None
        windows.append(Transfer(window, size // WORD))
    pages[0][: len(sent)] = sent
    fabric.run(windows[0], windows[1], 100_000)
    assert windows[1].done
    return bytes(pages[1][: outputs * WORD])


def test_the_bitstream_computes_what_the_c_simulation_does(
    bench: Bench, synthesized: Synthesis, converted: Converted
) -> None:
    implementation = bench.implement(synthesized)
    bit = bench.store.files(implementation.entry) / f"{NAME}.bit"
    golden = np.load(converted.files / "y_csim.npy")
    assert answers(bit, converted.files / "X_test.npy", golden.size) == golden.tobytes()


def test_records_hold_the_figures_of_the_reports(bench: Bench) -> None:
    synthesis = bench.synthesize()
    assert (synthesis.latency_cycles, synthesis.interval_cycles) == (5, 1)
    assert synthesis.estimate is not None
    assert synthesis.estimate.lut == 2600
    implementation = bench.implement(synthesis)
    assert implementation.utilisation.stage == "placed"
    assert implementation.utilisation.used.lut == 2100
    assert implementation.synthesised is not None
    assert implementation.synthesised.stage == "synthesised"
    assert implementation.utilisation.by_module == {"hier_0": 1600, f"hier_0/{NAME}_axi_0": 1200}
    assert implementation.timing is not None
    assert implementation.timing.setup_slack_ns == 0.385
    assert (implementation.failed_nets, implementation.power_estimate_w) == (0, 1.402)
    assert implementation.clock_mhz == 100.0
    assert implementation.target == "twin"  # the replay's: it holds an image, not a configuration
    assert all(gate.passed for gate in gates.after_implement(implementation, GateSettings()))


def test_entries_hold_what_the_next_step_and_people_need(
    bench: Bench, synthesized: Synthesis
) -> None:
    files = bench.store.files(synthesized.entry)
    assert (files / "project" / f"{NAME}_prj/solution1/impl/ip/component.xml").exists()
    assert not list(files.rglob(".autopilot"))
    implementation = bench.implement(synthesized)
    names = {path.name for path in bench.store.files(implementation.entry).rglob("*")}
    assert {f"{NAME}.bit", f"{NAME}.hwh", "axi_stream_driver.py", "vivado.log"} <= names
    assert {"drc_routed.rpt", "methodology_routed.rpt", "utilization_hierarchical.rpt"} <= names
    assert "utilization_synth.rpt" in names


def test_scripts_of_hls4ml_run_as_they_are(
    bench: Bench, synthesized: Synthesis, converted: Converted
) -> None:
    copied = bench.store.files(synthesized.entry) / "project"
    for name in ("build_prj.tcl", "design.tcl", "project.tcl"):
        assert (copied / name).read_text() == (converted.files / "project" / name).read_text()


def test_every_file_of_a_replay_says_that_it_is_one(bench: Bench) -> None:
    synthesis = bench.synthesize()
    bench.implement(synthesis)
    built = bench.home / "work"
    sources = {path.name for path in bench.store.files(bench.project.entry).rglob("*")}
    ours = sources | {"state.json", "durations.jsonl", "overlayflow_launched", ".writable"}
    written = [
        path
        for path in built.rglob("*")
        if path.is_file() and path.name not in ours and path.suffix != ".lock"
    ]
    assert len(written) > 20
    assert not [path for path in written if b"replay" not in path.read_bytes()]


def test_jobs_follow_the_machine_and_not_the_script(bench: Bench, synthesized: Synthesis) -> None:
    bench.implement(synthesized)
    launches = bench.events("launch")
    assert [launch["run"] for launch in launches] == ["synth_1", "impl_1"]
    assert all(1 <= launch["jobs"] != 6 for launch in launches)


@pytest.mark.parametrize("period_ns", [8.0, 10.0])
def test_the_fabric_is_clocked_as_asked(
    bench: Bench, period_ns: float, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    settings = bench.project.settings.model_copy(update={"clock_period_ns": period_ns})
    bench.project = bench.project.model_copy(update={"settings": settings})
    implementation = bench.implement(bench.synthesize())
    assert implementation.clock_mhz == 1000 / period_ns
    # What matters of the tools' output is in the log of the run, and the rest is not.
    assert "vivado_hls: ***** C/RTL SYNTHESIS COMPLETED IN" in caplog.text
    assert f"vivado: overlayflow: the fabric's clock is {1000 / period_ns:.6f} MHz" in caplog.text
    assert "INFO: [" not in caplog.text


def test_timing_that_is_missed_is_for_the_gates(bench: Bench, synthesized: Synthesis) -> None:
    bench.fail("timing")
    implementation = bench.implement(synthesized)
    assert implementation.timing is not None
    assert implementation.timing.setup_slack_ns == -2.45
    with pytest.raises(GateError, match=r"worst setup slack is -2\.450 ns"):
        gates.require(gates.after_implement(implementation, GateSettings()))


def test_nets_that_are_not_routed_are_for_the_gates(bench: Bench, synthesized: Synthesis) -> None:
    bench.fail("unrouted")
    implementation = bench.implement(synthesized)
    with pytest.raises(GateError, match="12 nets are unrouted"):
        gates.require(gates.after_implement(implementation, GateSettings()))


def test_simulations_are_run_when_they_are_asked_for(bench: Bench) -> None:
    bench.build = BuildSettings(cosim=True, fifo_opt=True)
    bench.synthesize()
    done = [event["name"] for event in bench.events("command")]
    assert done == ["csim_design", "csynth_design", "cosim_design", "export_design"]


def test_progress_goes_from_nothing_to_all_and_never_back(
    bench: Bench, synthesized: Synthesis
) -> None:
    bench.implement(synthesized)
    bench.synthesize()
    first, bench.news[:] = list(bench.news), []
    bench.build = BuildSettings(csim=True)
    bench.fail("hls-crash", times=1)
    bench.synthesize()
    for news in (first, bench.news):
        fractions = [each.fraction for each in news]
        assert fractions == sorted(fractions)
    assert bench.news[-1].fraction == 1.0


def test_a_second_build_does_no_tool_work(bench: Bench, synthesized: Synthesis) -> None:
    first = bench.implement(synthesized)
    bench.forget()
    assert bench.synthesize() == synthesized
    assert bench.implement(synthesized) == first
    assert not bench.events("start")
