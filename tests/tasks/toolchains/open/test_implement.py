"""A core becomes a .bit and a .hwh that hls4ml's own driver runs on under genuine pynq."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from board.kinds import board_kinds
from board.twin.environment import board_environment
from tasks.core.errors import ToolError, UnsupportedModelError
from tasks.core.records.base import Entry
from tasks.core.records.design import HlsProject, Resources, Synthesis, Utilisation
from tasks.core.records.settings import ConvertSettings
from tasks.processes.child import run_child
from tasks.toolchains.open.child import ImplementReport, ImplementRequest, implement
from tasks.toolchains.open.twin import stock_driver
from tests.tasks.toolchains.conftest import CASES
from tests.tasks.toolchains.shell.test_shell import words_of
from tests.tasks.toolchains.standin import Case, answer, write_core

SAMPLES = 30
# What the documentation of hls4ml tells its users to run, then what the counters say.
PROGRAM = """
import json, sys
import numpy as np
from axi_stream_driver import NeuralNetworkOverlay
from pynq import Clocks
x = np.load("x.npy")
overlay = NeuralNetworkOverlay("floats.bit", x.shape, (len(x), 3))
y = overlay.predict(x)
counters = overlay.hier_0.floats_axi_0.register_map
print(json.dumps({
    "bits": np.asarray(y).view(np.uint32).ravel().tolist(),
    "clock_mhz": Clocks.fclk0_mhz,
    "samples": int(counters.SAMPLES),
    "clocks": int(counters.LAST_OUT_LOW),
}))
"""


def request_for(case: Case, directory: Path, *, interval: int = 1) -> ImplementRequest:
    core, out = directory / "rtl", directory / "out"
    core.mkdir()
    out.mkdir()
    write_core(case, core)
    kind = board_kinds()["pynq-z2"]
    entry = Entry(step="synthesize", digest="0" * 64)
    project = HlsProject(
        entry=entry,
        settings=ConvertSettings(project_name=case.name),
        backend="VivadoAccelerator",
        part=kind.part,
        model_name="standin.keras",
        model_digest="0" * 64,
        input=case.input,
        output=case.output,
        samples=SAMPLES,
        accuracy_framework=None,
        accuracy_csim=None,
        versions={},
    )
    synthesis = Synthesis(
        entry=entry,
        project=project,
        synthesizer="traced",
        latency_cycles=case.latency,
        interval_cycles=interval,
        versions={},
    )
    return ImplementRequest(
        core=core,
        synthesis=synthesis,
        available=Resources.model_validate(kind.resources, from_attributes=True),
        out=out,
    )


def check_utilisation(found: Utilisation) -> None:
    """Core, shell and counters are counted separately; none takes more than it should."""
    assert found.stage == "synthesised"
    assert found.available.lut == 53200
    assert set(found.by_module) == {"floats_core", "axis_shell", "cycle_counters"}
    assert sum(found.by_module.values()) == found.used.lut
    # The shell is small beside any network: with its counters under 1.5 % of the part.
    assert 100 < found.by_module["axis_shell"] + found.by_module["cycle_counters"] < 800
    assert found.used.dsp == found.used.bram_36k == 0
    # The core's own are 3 results of 12 bits in 4 stages.
    assert 3 * 12 * 4 < found.used.ff < 1500


def test_the_stock_driver_gets_exact_answers_from_the_implemented_core(
    tmp_path: Path, board_python: Path
) -> None:
    case = CASES["floats"]
    request = request_for(case, tmp_path)
    report = run_child(
        "tasks.toolchains.open.child",
        request,
        ImplementReport,
        cwd=tmp_path,
        log=tmp_path / "implement.log",
        step="implement",
        deadline_s=300,
    )
    assert report.clock_mhz == 100.0
    check_utilisation(report.utilisation)

    words = words_of(case, SAMPLES)
    np.save(request.out / "x.npy", words.view(np.float32).reshape(SAMPLES, case.input.size))
    shutil.copy(stock_driver(), request.out)
    answered = subprocess.run(
        [board_python, "-c", PROGRAM],
        cwd=request.out,
        env=dict(board_environment(board_python, board_kinds()["pynq-z2"], tmp_path)),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    said = json.loads(answered.splitlines()[-1])
    assert said["bits"] == answer(case, words).tolist()
    assert (said["clock_mhz"], said["samples"]) == (100.0, SAMPLES)
    assert said["clocks"] < (SAMPLES + 2) * case.interval


def test_where_one_tool_fails_the_other_is_stopped(tmp_path: Path) -> None:
    """Yosys takes an undeclared name for a wire, Verilator refuses it."""
    request = request_for(CASES["floats"], tmp_path)
    (core,) = request.core.glob("*.v")
    core.write_text(core.read_text().replace("endmodule", "wire x = undeclared; endmodule"))
    with pytest.raises(ToolError, match="'undeclared'"):
        implement(request)
    # Yosys's log is compressed when it has ended by itself.
    assert (request.out / "yosys.log").exists()


def test_a_core_that_cannot_take_a_sample_each_clock_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="a sample every 2 cycles"):
        implement(request_for(CASES["floats"], tmp_path, interval=2))
