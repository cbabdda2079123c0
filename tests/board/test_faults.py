"""What goes wrong on a board ends in the right error, leaves the board free, and can be retried."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from board.twin import faults, lifecycle
from board.twin.errors import TwinError
from board.twin.processes import processes_of
from board.twin.record import TwinDirectory
from tasks.boards import lease as leases
from tasks.boards import measurement, transfer
from tasks.boards.lease import lease
from tasks.boards.program import Program
from tasks.boards.program import run as run_program
from tasks.boards.ssh import connect
from tasks.boards.twins import address_of
from tasks.core.errors import BenchmarkError, BoardError, BoardUnreachableError, LoginError
from tasks.core.records.settings import MeasureSettings
from tests.board.conftest import pack
from tests.tasks import samples
from tests.tasks.boards.conftest import Link
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tasks.boards.address import BoardAddress
    from tasks.core.records.measurement import Deployment, Measurement
    from tests.board.conftest import OnBoard

NAME = "faulty"
SETTINGS = MeasureSettings(passes=1, batches=(1, 4), deadline_s=60)
PADDING = 1_500_000


@dataclass(frozen=True)
class Board:
    """A twin, and the steps of a flow on it.

    Attributes:
        state: directory of the twin.
        address: as a flow knows it.
        archive: a package.
        out: where results come to.
    """

    state: Path
    address: BoardAddress
    archive: Path
    out: Path

    def fault(self, kind: str, value: str = "") -> None:
        faults.set_fault(self.state, NAME, kind, value)

    def clear(self) -> None:
        faults.clear_faults(self.state, NAME)

    def deploy(self, on_progress: Callable[[int, int], None] | None = None) -> transfer.Deployed:
        digest = hashlib.sha256(self.archive.read_bytes()).hexdigest()
        with connect(self.address, timeout_s=30) as connection:
            return transfer.deploy(connection, self.archive, digest, on_progress=on_progress)

    def measure(self) -> Measurement:
        """Deploy and measure under a lease, as the flow does."""
        with lease([self.address], "test", duration_s=300) as held:
            directory = self.deploy().directory
            deployment: Deployment = samples.measurement().deployment
            deployment = deployment.model_copy(update={"directory": directory})
            return measurement.measure(self.address, deployment, SETTINGS, held.id, self.out)

    def is_clean(self) -> bool:
        """Whether nothing of a run is left: no process, no results, no lease."""
        home = TwinDirectory(self.state / NAME).home
        until(lambda: not processes_of(home))
        with lease([self.address], "see whether it is free", duration_s=10):
            pass
        return not list(home.glob("overlayflow/run-*"))


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory, board_python: Path) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("twins")
    lifecycle.start(directory, NAME, python=board_python, password="xilinx")
    yield directory
    lifecycle.stop(directory, NAME)


@pytest.fixture
def board(state: Path, on_board: OnBoard, tmp_path: Path) -> Iterator[Board]:
    record = TwinDirectory(state / NAME).running()
    assert record is not None
    address = address_of(record).model_copy(update={"password": SecretStr("xilinx")})
    # Long enough for a link to break on the way.
    (on_board.package / "padding").write_bytes(os.urandom(PADDING))
    archive = pack(on_board.package, tmp_path / "package.tar.gz")
    yield Board(state, address, archive, tmp_path / "results")
    faults.clear_faults(state, NAME)


def test_a_board_behind_a_link_that_is_too_slow_is_unreachable_for_now(board: Board) -> None:
    board.fault("slow-link", "200")
    with (
        pytest.raises(BoardUnreachableError, match="within 1 s") as raised,
        connect(board.address, timeout_s=1),
    ):
        pass
    assert raised.value.transient
    board.fault("slow-link", "20_000_000")
    assert board.deploy().sent_bytes == board.archive.stat().st_size
    assert board.is_clean()


def test_a_transfer_goes_on_where_the_link_broke(board: Board) -> None:
    board.fault("drop-link", str(PADDING // 2))
    with pytest.raises(BoardUnreachableError, match="lost while sending") as raised:
        board.deploy()
    assert raised.value.transient
    board.clear()
    assert 0 < board.deploy().sent_bytes < board.archive.stat().st_size
    assert board.is_clean()


def test_a_lease_outlives_a_slow_transfer_on_the_same_connection(
    board: Board, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(leases, "_BEAT_S", 0.3)
    monkeypatch.setattr(leases, "SILENCE_S", 3)
    board.fault("slow-link", "300_000")
    with lease([board.address], "send", duration_s=300):
        assert board.deploy().sent_bytes
    assert "the lease was lost" not in caplog.text
    board.clear()
    assert board.is_clean()


def test_a_deployment_is_one_login(board: Board) -> None:
    with contextlib.closing(Link(board.address, None)) as link:
        assert replace(board, address=link.address).measure().deterministic
        assert link.connections == 1
    assert board.is_clean()


def test_a_user_without_sudo_is_told_so(board: Board) -> None:
    home = str(TwinDirectory(board.state / NAME).home)
    program = Program(argv=("id",), directory=home, root=True)
    board.fault("refuse-sudo")
    with connect(board.address) as connection:
        with pytest.raises(LoginError, match="not in the sudoers file") as raised:
            run_program(connection, program, deadline_s=30, on_line=print)
        assert not raised.value.transient
        board.clear()
        assert run_program(connection, program, deadline_s=30, on_line=print).status == 0
    assert board.is_clean()


def test_a_full_disk_is_seen_before_anything_is_sent(board: Board) -> None:
    board.fault("full-disk")
    with pytest.raises(BoardError, match=r"not enough space|No space left") as raised:
        board.deploy()
    assert "free space on the board" in raised.value.remedy
    board.clear()
    assert board.deploy().sent_bytes
    assert board.is_clean()


def test_a_disk_that_fills_up_on_the_way_stops_the_transfer_there(board: Board) -> None:
    with pytest.raises(BoardError, match=r"0\.0 MB are free there|No space left") as raised:
        board.deploy(lambda _done, _total: board.fault("full-disk"))
    assert not isinstance(raised.value, BoardUnreachableError)
    board.clear()
    assert board.deploy().directory
    assert board.is_clean()


def test_a_run_on_a_full_disk_says_so(board: Board) -> None:
    directory = board.deploy().directory
    board.fault("full-disk")
    program = Program(
        argv=("python3", "-m", "board.runner", "--out", f"{directory}/out", "--run-id", "1"),
        directory=directory,
    )
    with connect(board.address) as connection, pytest.raises(BoardError, match="No space left"):
        measurement._run(connection, program, SETTINGS)
    board.clear()
    assert board.is_clean()


FAULTS = {
    "dma-stall": ("", r"within 10 s"),
    "dma-error": ("slave", r"(?s)the DMA failed to .*slave error"),
    "clock": ("50", r"runs at 50 MHz, the design was built for 100 MHz"),
}


@pytest.mark.parametrize(
    "kind", [pytest.param("dma-stall", marks=pytest.mark.slow), "dma-error", "clock"]
)
def test_a_fabric_that_fails_fails_the_run_and_the_next_one_succeeds(
    board: Board, kind: str
) -> None:
    value, message = FAULTS[kind]
    board.fault(kind, value)
    with pytest.raises(BenchmarkError, match=message) as raised:
        board.measure()
    assert not raised.value.transient
    assert board.is_clean()
    board.clear()
    assert board.measure().clock_mhz == 100.0


def test_small_buffers_out_of_a_32_bit_dmas_reach_are_not_asked_for(board: Board) -> None:
    board.fault("high-buffers")
    assert board.measure().deterministic


def test_a_buffer_that_the_dma_does_not_reach_is_refused_before_a_transfer(board: Board) -> None:
    board.fault("high-buffers", "1000000000")
    with pytest.raises(
        BoardError, match=r"lies at 0x8\d+, and the design's DMA reaches .* 32 bits"
    ):
        board.measure()
    assert board.is_clean()
    board.clear()
    assert board.measure().deterministic


def test_wrong_outputs_are_found_and_shown(board: Board) -> None:
    board.fault("wrong-output", "0x400000")
    board.measure()
    csim = json.loads((board.out / "results.json").read_text())["csim"]
    assert csim["mismatches"] == 1
    assert csim["first"][0]["sample"] == csim["first"][0]["element"] == 0
    board.clear()
    board.measure()
    assert json.loads((board.out / "results.json").read_text())["csim"]["mismatches"] == 0


def test_no_program_of_a_package_runs(board: Board, on_board: OnBoard, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    evil = f"import os\nos.close(os.open({str(ran)!r}, os.O_CREAT))\nraise SystemExit('evil')\n"
    package = on_board.package
    hiding = ("json.py", "numpy.py", "pynq.py", "sitecustomize.py", "axi_stream_driver.py")
    for path in (*package.glob("board/*.py"), *(package / name for name in hiding)):
        path.write_text(evil)
    changed = replace(board, archive=pack(package, tmp_path / "evil.tar.gz"))
    assert changed.measure().y_hw_digest == board.measure().y_hw_digest
    assert not ran.exists()
    by_hand = Program(argv=("python3", "-m", "board.runner"), directory=changed.deploy().directory)
    with connect(board.address) as connection:
        assert "evil" in run_program(connection, by_hand, deadline_s=60, on_line=print).stderr
    assert ran.exists()


def test_a_board_that_reboots_comes_back_as_itself_with_nothing_running(board: Board) -> None:
    twin = TwinDirectory(board.state / NAME)
    (twin.temporary / "lost").touch()
    board.deploy()
    board.fault("dma-stall")
    with pytest.raises(BoardUnreachableError) as raised:
        run_until(board.measure, lambda: reboot_when_running(board))
    assert raised.value.transient
    board.clear()
    until(lambda: answers(board.address))
    assert not (twin.temporary / "lost").exists()
    assert board.measure().deterministic
    assert board.is_clean()


def run_until(work: Callable[[], object], meanwhile: Callable[[], object]) -> None:
    thread = threading.Thread(target=meanwhile)
    thread.start()
    try:
        work()
    finally:
        thread.join()


def reboot_when_running(board: Board) -> None:
    until(lambda: list(TwinDirectory(board.state / NAME).home.rglob("run-*/design")))
    board.fault("reboot", "0.5")


def answers(address: BoardAddress) -> bool:
    try:
        with connect(address):
            return True
    except BoardUnreachableError:
        return False


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("gremlins", "", "no fault 'gremlins'"),
        ("slow-link", "", "cannot be ''"),
        ("slow-link", "-1", "above zero"),
        ("clock", "inf", "above zero"),
        ("dma-error", "odd", "internal, slave or decode"),
        ("full-disk", "10", "takes no value"),
    ],
)
def test_faults_that_cannot_be_are_refused(
    state: Path, kind: str, value: str, message: str
) -> None:
    with pytest.raises(TwinError, match=message):
        faults.set_fault(state, NAME, kind, value)
    assert not faults.faults_of(state, NAME)


def test_a_twin_that_does_not_run_has_no_faults(tmp_path: Path) -> None:
    with pytest.raises(TwinError, match="does not run"):
        faults.set_fault(tmp_path, "nobody", "full-disk")
