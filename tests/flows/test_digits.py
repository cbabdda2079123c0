"""The digits example, as docs/start.md shows it."""

import pytest

from tasks.core.records.measurement import Run
from tests.flows.conftest import DATA, MODEL, Machine

pytestmark = pytest.mark.slow


def test_the_board_computes_what_the_model_does(cold: Run) -> None:
    verdict = cold.verdict
    assert verdict.passed
    assert (verdict.bit_exact, verdict.samples) == (450, 450)
    assert verdict.accuracy_board is not None
    assert verdict.accuracy_board >= 0.95
    assert verdict.measurement.clock_mhz == 100.0
    assert "hgq2" in verdict.manifest.versions


def test_a_sample_of_64_words_costs_64_cycles(cold: Run) -> None:
    cycles = cold.verdict.measurement.cycles_per_sample
    assert cycles is not None
    assert 64 <= cycles < 65


def test_a_run_needs_no_prefect_server_of_ones_own(machine: Machine, cold: Run) -> None:
    env = {name: value for name, value in machine.env.items() if name != "PREFECT_API_URL"}
    alone = Machine(machine.home, machine.api, env)
    shown = alone.command("run", MODEL, "--data", DATA)
    assert shown.returncode == 0, shown.stderr
    assert "450 of 450 test samples" in shown.stdout
    assert "64.21 (simulated)" in shown.stdout
    assert "prefect server start, then open http://127.0.0.1:4200/runs/flow-run/" in shown.stdout
    assert cold.flow_run_id not in shown.stdout
