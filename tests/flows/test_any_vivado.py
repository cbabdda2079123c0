"""One command builds for an UltraScale+ board with any Vivado, and its package runs on a twin.

The boards are of three kinds, under the oldest Vivado and the newest, and every pynq that an
UltraScale+ board has; `tests/flows/test_vivado.py` has the PYNQ-Z2, rehearsed. Every kind and every
version get their block design in `tests/tasks/toolchains/vivado/test_blockdesign.py`, and the
other kinds measure on a twin in `tests/board/test_other_boards.py`.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from board.kinds import board_kinds
from tests.flows.conftest import Machine, Small, finished
from tests.flows.test_vivado import REPLAY

pytestmark = pytest.mark.slow

VERSIONS = {"ultra96v2": "2019.1", "zcu102": "2022.2", "aup-zu3": "2025.1"}


@pytest.fixture(params=VERSIONS)
def twin(request: pytest.FixtureRequest, machine: Machine) -> Iterator[str]:
    """A twin of each kind, named after it."""
    kind: str = request.param
    pytest.importorskip("tkinter", reason="no tkinter: apt-get install python3-tk")
    started = machine.ask("twin", "start", kind, "--kind", kind)
    if "make board-envs" in started.stderr:
        pytest.skip(started.stderr)
    assert started.returncode == 0, started.stderr
    yield kind
    machine.ask("twin", "stop", kind)


def test_a_package_for_the_board_is_built_and_measured(
    machine: Machine, small: Small, twin: str, tmp_path: Path
) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(f'version = "{VERSIONS[twin]}"')
    done = machine.command(
        *("run", small.model, "--data", small.data, "--toolchain", "vivado", "--no-rehearse"),
        *("--board-kind", twin, "--board", twin, "--core", "unrolled", "--json"),
        PATH=f"{REPLAY}:{machine.env['PATH']}",
        OVERLAYFLOW_REPLAY_PYTHON=sys.executable,
        OVERLAYFLOW_REPLAY_SCENARIO=str(path),
        XILINXD_LICENSE_FILE="2100@licences",  # the ZCU102's part needs one to be named
    )
    verdict = finished(done).verdict
    assert verdict.passed
    assert (verdict.bit_exact, verdict.samples) == (40, 40)
    manifest = verdict.manifest
    assert (manifest.target, manifest.part) == ("hardware", board_kinds()[twin].part)
    assert manifest.runs_on("twin")
    assert manifest.versions["vivado"] == VERSIONS[twin]
