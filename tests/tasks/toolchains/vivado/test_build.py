"""A core in Verilog becomes a bitstream in our own block design, under the replayed Vivado."""

import json
import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from board.kinds import board_kinds
from tasks.core import settings
from tasks.core.errors import BuildError, GateError, InputError, ToolMissingError
from tasks.core.records.base import Entry
from tasks.core.records.design import Implementation, Synthesis
from tasks.core.records.settings import ConvertSettings
from tasks.hardware.bitfile import target
from tasks.hardware.hwh_read import read_hwh
from tasks.toolchains.base import Hooks, Progress
from tasks.toolchains.vivado.implementer import BlockDesign
from tasks.toolchains.vivado.job import Supervision
from tasks.toolchains.vivado.preflight import Machine
from tasks.toolchains.vivado.supervised import Patience
from tests.replay import scenario
from tests.tasks.samples import hls_project
from tests.tasks.toolchains.conftest import CASES
from tests.tasks.toolchains.standin import write_core
from tests.tasks.toolchains.vivado.conftest import VIVADO

CASE = CASES["bytes"]
LARGE = Machine(cores=2, memory_gib=32, disk_gib=100, container=False, udev=None)
ENTRY = Entry(step="implement", digest="d" * 64)


@dataclass
class Bench:
    """The replayed Vivado, and a synthesized core.

    Attributes:
        files: of the synthesis.
        out: gets those of the implementation.
        path: of the scenario.
    """

    files: Path
    out: Path
    path: Path
    hooks: Hooks
    kind: str = "pynq-z2"
    period_ns: float = 10.0
    sleeps: list[float] = field(default_factory=list)
    news: list[Progress] = field(default_factory=list)

    def scene(self, *faults: str, times: int = -1, **machine: object) -> None:
        """Set what Vivado does from now on; machine: fields of Scenario."""
        lines = [f"{name} = {json.dumps(value)}" for name, value in machine.items()]
        struck = ", ".join(f'{{name = "{name}", times = {times}}}' for name in faults)
        self.path.write_text("\n".join([*lines, f"faults = [{struck}]"]), encoding="utf-8")

    @property
    def implementer(self) -> BlockDesign:
        return BlockDesign(Supervision(self.hooks, Patience(sleep=self.sleeps.append)))

    @property
    def synthesis(self) -> Synthesis:
        settings = ConvertSettings(
            project_name=CASE.name, board_kind=self.kind, clock_period_ns=self.period_ns
        )
        project = hls_project(input=CASE.input, output=CASE.output).model_copy(
            update={"settings": settings, "part": board_kinds()[self.kind].part}
        )
        return Synthesis(
            entry=Entry(step="synthesize", digest="c" * 64),
            project=project,
            synthesizer="alkaid",
            latency_cycles=CASE.latency,
            interval_cycles=1,
            versions={"alkaid": "1"},
        )

    def implement(self) -> Implementation:
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir()
        return self.implementer.implement(self.synthesis, self.files, ENTRY, self.out)

    def events(self, kind: str) -> list[dict[str, Any]]:
        """What the tools noted, of one kind."""
        journal = self.path.with_name(self.path.name + ".jsonl")
        lines = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
        return [event for event in map(json.loads, lines) if event["event"] == kind]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    pytest.importorskip("tkinter", reason="no tkinter: apt-get install python3-tk")
    monkeypatch.setattr("tasks.toolchains.vivado.installation._answers", {})
    monkeypatch.setattr(Machine, "this", lambda _work: LARGE)
    for name in ("XILINX_VIVADO", "OVERLAYFLOW_VIVADO_SETTINGS", "LD_PRELOAD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XILINXD_LICENSE_FILE", "2100@licences")
    monkeypatch.setenv("PATH", f"{VIVADO.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("OVERLAYFLOW_REPLAY_PYTHON", sys.executable)
    runtimes = settings.runtimes()
    runtimes.mkdir(parents=True, exist_ok=True)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / runtimes.name).symlink_to(runtimes)  # compiled once for all tests
    monkeypatch.setenv("OVERLAYFLOW_HOME", str(tmp_path / "home"))
    path = tmp_path / "scenario.toml"
    monkeypatch.setenv(scenario.ENVIRONMENT, str(path))
    files = tmp_path / "synthesis"
    (files / "rtl").mkdir(parents=True)
    write_core(CASE, files / "rtl")
    news: list[Progress] = []
    bench = Bench(files, tmp_path / "out", path, Hooks(listener=news.append), news=news)
    bench.scene(version="2022.2")
    return bench


def test_a_build_leaves_a_bitstream_for_the_board_and_one_for_the_twin(bench: Bench) -> None:
    implementation = bench.implement()
    name, out = CASE.name, bench.out
    assert target(out / f"{name}.bit") == implementation.target == "hardware"
    assert target(out / f"{name}_twin.bit") == "twin"
    handoff = read_hwh(out / f"{name}.hwh")
    assert (handoff.vivado, handoff.has_dma, handoff.clock_mhz) == ("2022.2", True, 100.0)
    assert (out / f"{name}_twin.hwh").exists()
    assert (out / "axi_stream_driver.py").exists()
    assert implementation.versions == {"vivado": "2022.2"}
    assert implementation.implementer == "block-design"
    assert implementation.utilisation.stage == "placed"
    assert implementation.timing is not None
    assert [each["tool"] for each in bench.events("start")] == ["vivado", "vivado"]  # asked, built


@pytest.mark.slow
def test_a_handoff_that_only_the_platform_holds_is_taken_from_there(bench: Bench) -> None:
    bench.scene(version="2020.1", platform=True)
    assert bench.implement().clock_mhz == 100.0


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "mhz"), [("pynq-z2", 125.0), ("zcu104", 124.99875)])
def test_the_fabric_is_clocked_as_asked(bench: Bench, kind: str, mhz: float) -> None:
    bench.kind, bench.period_ns = kind, 8.0
    assert bench.implement().clock_mhz == pytest.approx(mhz)


@pytest.mark.slow
def test_progress_goes_from_nothing_to_all(bench: Bench) -> None:
    bench.implement()
    fractions = [each.fraction for each in bench.news]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


@pytest.mark.slow
def test_a_build_that_was_cut_off_goes_on_where_it_stopped(bench: Bench) -> None:
    bench.scene("too-big", times=1, version="2022.2")
    with pytest.raises(BuildError):
        bench.implement()
    bench.scene(version="2022.2")
    before = len(bench.events("run"))
    bench.implement()
    assert [each["run"] for each in bench.events("run")[before:]] == ["impl_1"]


@pytest.mark.slow
def test_a_design_that_is_too_big_ends_before_it_is_placed(bench: Bench) -> None:
    def refuse(utilisation: object) -> None:
        del utilisation
        raise GateError("too big")

    bench.hooks = Hooks(fits=refuse)
    bench.scene("vivado-hang", version="2022.2")
    with pytest.raises(GateError, match="too big"):
        bench.implement()


@pytest.mark.slow
def test_a_failed_build_is_diagnosed_and_bundled(bench: Bench) -> None:
    bench.scene("too-big", version="2022.2")
    with pytest.raises(BuildError) as raised:
        bench.implement()
    assert raised.value.failure_class == "permanent"
    assert raised.value.bundle is not None
    assert raised.value.bundle.exists()


@pytest.mark.parametrize(
    ("kind", "machine", "said"),
    [
        ("pynq-z2", {"version": "2018.3"}, "2018.3 is older than 2019.1"),
        ("kv260", {"version": "2020.2"}, "since Vivado 2022.1, this is 2020.2"),
        ("pynq-z2", {"parts": []}, "xc7z020clg400-1 is not installed"),
        ("zcu104", {"board_parts": []}, "xilinx.com:zcu104:part0:* is not installed"),
    ],
)
def test_a_vivado_that_cannot_build_for_the_board_is_found_out_in_seconds(
    bench: Bench, kind: str, machine: dict[str, object], said: str
) -> None:
    bench.kind = kind
    bench.scene(**machine)  # type: ignore[arg-type] # the fields of the scenario
    with pytest.raises(ToolMissingError) as raised:
        bench.implement()
    assert said in raised.value.what
    assert not (bench.out / f"{CASE.name}_twin.bit").exists()


@pytest.mark.parametrize(
    ("place", "said"),
    [("my builds", "plain names only"), ("/".join(["e" * 200] * 18), "is too long")],
)
def test_a_directory_that_vivado_cannot_build_in_is_refused_and_not_made(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str, said: str
) -> None:
    monkeypatch.setenv("OVERLAYFLOW_HOME", str(tmp_path / place))
    (found,) = [f for f in bench.implementer.check("pynq-z2") if f.name == "directory"]
    assert said in found.detail
    with pytest.raises(InputError) as raised:
        bench.implement()
    assert raised.value.what == found.detail
    assert "OVERLAYFLOW_HOME" in raised.value.remedy
    assert not list(bench.out.iterdir())
    assert not (tmp_path / Path(place).parts[0]).exists()


@pytest.mark.slow
def test_a_cancelled_build_leaves_nothing_running_and_goes_on_later(bench: Bench) -> None:
    class CancelledError(BaseException):
        """As Prefect raises it between two looks at the tool."""

    def cancel(progress: Progress) -> None:
        if progress.phase == "route_design":
            raise CancelledError

    bench.scene("vivado-hang", version="2022.2")
    bench.hooks = Hooks(listener=cancel)
    with pytest.raises(CancelledError):
        bench.implement()
    (hanging,) = bench.events("hang")
    running = [Path("/proc", str(hanging[each])) for each in ("pid", "child")]
    assert not [each for each in running if each.exists()]
    bench.scene(version="2022.2")
    bench.hooks = Hooks()
    before = len(bench.events("run"))
    bench.implement()
    assert [each["run"] for each in bench.events("run")[before:]] == ["impl_1"]


@pytest.mark.slow
def test_a_zynq_7000_is_built_for_without_board_files(bench: Bench) -> None:
    bench.scene(board_parts=[])
    (found,) = [f for f in bench.implementer.check("pynq-z2") if f.name == "board files"]
    assert found.ok
    assert "a bare part will do" in found.detail
    assert bench.implement().target == "hardware"


def test_a_part_that_is_not_the_boards_is_refused(bench: Bench) -> None:
    other = bench.synthesis.project.model_copy(update={"part": "xc7z010clg400-1"})
    synthesis = bench.synthesis.model_copy(update={"project": other})
    with pytest.raises(InputError, match="not that of pynq-z2"):
        bench.implementer.implement(synthesis, bench.files, ENTRY, bench.out)


def test_a_card_without_a_processing_system_is_refused(bench: Bench) -> None:
    with pytest.raises(InputError, match="no block design for alveo-u50"):
        bench.implementer.check("alveo-u50")
