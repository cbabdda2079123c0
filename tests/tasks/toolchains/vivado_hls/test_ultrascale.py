"""The way of Vivado for a Zynq UltraScale+: hls4ml's script for the ZCU102, to a twin of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from board.kinds import board_kinds
from board.twin import lifecycle
from tasks.boards import twins
from tasks.boards.address import BoardAddress
from tasks.boards.lease import lease
from tasks.core import settings
from tasks.core.records.settings import MeasureSettings
from tasks.packaging.archive import PACKAGE_FILE
from tasks.quality import gates, outputs
from tasks.quality.gates import GateSettings
from tasks.steps import building, measuring
from tasks.toolchains.vivado.preflight import Machine
from tests.tasks.toolchains.vivado_hls.conftest import (
    Bench,
    convert,
    make_bench,
    replay,
    store_with,
)

pytestmark = pytest.mark.slow

KIND, PYNQ = "zcu102", "4.0.0"
LARGE = Machine(cores=2, memory_gib=32, disk_gib=100, container=False, udev=None)


@pytest.fixture
def ultrascale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiled: Path) -> Bench:
    """A machine that has what a build for a ZCU102 takes."""
    converted = convert(tmp_path / "converted", KIND)
    monkeypatch.setattr(Machine, "this", lambda _work: LARGE)
    monkeypatch.setenv("XILINXD_LICENSE_FILE", "2100@licences")
    replay(monkeypatch, compiled)
    store = store_with(tmp_path / "prepared", converted)
    return make_bench(tmp_path, monkeypatch, converted.project, store)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[BoardAddress]:
    """A twin of a ZCU102."""
    python = settings.board_python(PYNQ)
    if not python.exists():
        pytest.skip(f"no environment at {python}: run `make board-envs`")
    record = lifecycle.start(tmp_path / "twins", "zcu", python=python, kind=KIND)
    yield twins.address_of(record).model_copy(update={"target": "twin"})
    lifecycle.stop(tmp_path / "twins", "zcu")


def test_what_vivado_makes_for_a_zcu102_computes_on_its_twin_what_the_model_does(
    ultrascale: Bench, board: BoardAddress, tmp_path: Path
) -> None:
    implementation = ultrascale.implement(ultrascale.synthesize())
    assert implementation.part == board_kinds()[KIND].part
    assert implementation.clock_mhz == pytest.approx(99.999)
    assert implementation.utilisation.available.lut == board_kinds()[KIND].resources.lut
    passed = gates.require(gates.after_implement(implementation, GateSettings()))

    store = ultrascale.store
    package = building.package(implementation, passed, tmp_path / "tiny.keras").get(store)
    with lease([board], "a test", duration_s=300) as mine:
        deployment = measuring.deploy(store, package, board)
        asked = MeasureSettings(passes=1, batches=(1, 8))
        measurement = measuring.benchmark(
            store, board, deployment, asked, lease_id=mine.id, run_id="run"
        )
    found = outputs.outputs(measurement, store.files(package.entry) / PACKAGE_FILE)
    judged = outputs.judge(measurement, found, GateSettings())
    assert judged.passed
    assert (judged.bit_exact, judged.samples) == (16, 16)
    assert "synthesised utilisation" in {gate.name for gate in judged.gates}
