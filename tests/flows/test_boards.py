"""Boards of a team, by the real command line: added, checked, leased, measured side by side."""

import contextlib
import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from board.twin import faults, lifecycle
from board.twin.record import TwinDirectory, TwinRecord
from tasks.boards import lease, meter
from tasks.boards.address import BoardAddress, HostKey
from tasks.boards.twins import address_of
from tasks.core import settings
from tasks.core.digests import file_digest
from tasks.core.records.package import Manifest
from tasks.core.records.quality import Meaning
from tasks.hardware.bitfile import fabric_image, write_bit
from tasks.hardware.clocks import fabric_clock
from tasks.hardware.hwh_write import write_hwh
from tasks.packaging import archive
from tests.flows.conftest import ROOT, Machine, http
from tests.tasks import samples
from tests.tasks.boards.conftest import Link
from tests.waiting import until

pytestmark = pytest.mark.slow

PASSWORD = "geheim-77"
METER = """
import os, sys, time
print(os.getpid(), sys.argv[1], flush=True)
while True:
    print(sys.argv[2].split()[0], flush=True)
    time.sleep(0.05)
"""
ECHO = ROOT / "tests" / "board" / "echo.c"  # four words in, the first two of them out


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package.tar.gz of the stand-in design, made without the flow's tools."""
    directory = tmp_path_factory.mktemp("echo")
    library = directory / "echo.so"
    options = ["-O2", "-shared", "-fPIC"]
    subprocess.run(["gcc", *options, "-o", library, ECHO], check=True)
    part = "xc7z020clg400-1"
    bit, handoff, driver = (directory / name for name in ("d.bit", "d.hwh", "driver.py"))
    write_bit(bit, fabric_image(library.read_bytes()), design="design_1", part=part)
    clock = fabric_clock("zynq7000", 100.0)
    write_hwh(handoff, project_name="echo", part=part, system="zynq7000", clock=clock)
    driver.touch()
    x = np.random.default_rng(1).normal(size=(40, 4)).astype(np.float32)
    files = archive.design_members(bit, handoff, driver)
    for name, array in (("X_test", x), ("y_test", x[:, :2]), ("y_csim", x[:, :2])):
        np.save(directory / f"{name}.npy", array)
        files[f"{name}.npy"] = directory / f"{name}.npy"
    archive.write(directory / archive.PACKAGE_FILE, files, echo_manifest(len(x)))
    return directory / archive.PACKAGE_FILE


def echo_manifest(count: int) -> Manifest:
    manifest = samples.manifest(project_name="echo", samples=count, accuracy_framework=None)
    changed = {
        "input": manifest.input.model_copy(update={"shape": (4,)}),
        "output": manifest.output.model_copy(update={"shape": (2,)}),
        "meaning": Meaning(kind="values"),
    }
    return manifest.model_copy(update=changed)


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwinRecord]:
    """A board that is no twin of the machine: it must be added."""
    state = tmp_path_factory.mktemp("elsewhere")
    yield lifecycle.start(state, "elsewhere", python=settings.board_python(), password=PASSWORD)
    lifecycle.stop(state, "elsewhere")


@pytest.fixture(scope="module")
def neighbour(machine: Machine) -> Iterator[str]:
    """A twin that only these tests use."""
    assert machine.ask("twin", "start", "neighbour").returncode == 0
    yield "neighbour"
    assert machine.ask("twin", "stop", "neighbour").returncode == 0


def add(
    machine: Machine, record: TwinRecord, name: str, *more: str
) -> subprocess.CompletedProcess[str]:
    fingerprint = HostKey.parse(record.host_key).fingerprint
    where = ("--host", record.host, "--port", str(record.port), "--password-stdin")
    trust = more or ("--fingerprint", fingerprint, "--tag", "lab")
    command = ("boards", "add", name, "--kind", "pynq-z2", *where, *trust)
    return machine.ask(*command, typed=f"{PASSWORD}\n")


def is_taken(record: TwinRecord) -> bool:
    """Whether anybody has it now."""
    return not lease.show(address_of(record)).free


@pytest.fixture(scope="module")
def lab(machine: Machine, remote: TwinRecord) -> Iterator[str]:
    done = add(machine, remote, "lab-1")
    assert done.returncode == 0, done.stderr
    yield "lab-1"
    assert machine.ask("boards", "remove", "lab-1").returncode == 0
    assert "lab-1" not in names(machine)


def told(machine: Machine, *arguments: str | Path, code: int = 0, **env: str) -> Any:
    command = machine.ask if arguments[0] == "boards" else machine.command
    done = command(*arguments, "--json", **env)
    assert done.returncode == code, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    return json.loads(done.stdout)


def test_a_host_key_that_nobody_confirms_is_not_pinned(
    machine: Machine, remote: TwinRecord
) -> None:
    asked = add(machine, remote, "unsure", "--tag", "lab")
    assert asked.returncode == 2
    assert f"--fingerprint {HostKey.parse(remote.host_key).fingerprint}" in asked.stderr
    wrong = add(machine, remote, "unsure", "--fingerprint", "SHA256:other")
    assert wrong.returncode == 2
    assert "find out whether this is a different machine" in wrong.stderr
    assert "unsure" not in names(machine)


def names(machine: Machine) -> set[str]:
    """Of all blocks of the server."""
    return {each["name"] for each in machine.query("block_documents/filter", {})}


def test_a_board_is_added_once_and_shown_without_its_password(
    machine: Machine, remote: TwinRecord, lab: str
) -> None:
    assert "a board with this name already exists" in add(machine, remote, lab).stderr
    shown = told(machine, "boards", "show", lab)
    assert shown["board"]["login"] == "password"
    assert shown["board"]["fingerprint"] == HostKey.parse(remote.host_key).fingerprint
    assert shown["lease"]["free"]
    boards = {each["name"] for each in told(machine, "boards", "list")["boards"]}
    assert boards >= {lab, "twin"}
    documents = machine.query("block_documents/filter", {"include_secrets": False})
    assert PASSWORD not in json.dumps(documents)


def test_the_check_of_a_board_finds_what_it_is(machine: Machine, lab: str) -> None:
    (checked,) = told(machine, "boards", "check", lab, "--overlay")["boards"]
    findings = {each["name"]: each for each in checked["findings"]}
    assert findings["kind"]["ok"]
    assert "echoes its input" in findings["overlay"]["detail"]
    checks = told(machine, "boards", "check", lab, "nowhere", code=2)["boards"]
    assert [each["board"] for each in checks] == [lab, "nowhere"]


@pytest.fixture(scope="module", autouse=True)
def trusted(machine: Machine, package: Path) -> None:
    """The package is trusted; test_trust.py has what is not."""
    (machine.home / "trusted").mkdir(parents=True, exist_ok=True)
    (machine.home / "trusted" / file_digest(package)).touch()


MISTYPED = """
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockDocumentCreate
from tasks.orchestration.board_block import Board
Board.register_type_and_schema()
with get_client(sync_client=True) as client:
    type_id = client.read_block_type_by_slug("overlayflow-board").id
    schema_id = client.get_most_recent_block_schema_for_block_type(type_id).id
    data = {"kind": "pynqz2", "host": "lab", "host_key": "ssh-ed25519 AAAA"}
    client.create_block_document(BlockDocumentCreate(
        name="mistyped", data=data, block_type_id=type_id, block_schema_id=schema_id
    ))
"""


def test_a_block_that_was_mistyped_in_the_form_is_marked_and_stops_nothing(
    machine: Machine, lab: str
) -> None:
    subprocess.run([sys.executable, "-c", MISTYPED], cwd=ROOT, env=machine.env, check=True)
    try:
        listed = told(machine, "boards", "list")
        assert lab in [each["name"] for each in listed["boards"]]
        (invalid,) = listed["invalid"]
        assert "kind: 'pynqz2' is not a board kind" in invalid
        assert "host_key" in invalid
        shown = machine.ask("boards", "show", "mistyped")
        assert shown.returncode == 2
        assert "the block is invalid" in shown.stderr
    finally:
        assert machine.ask("boards", "remove", "mistyped").returncode == 0


SCHEDULED = """
import contextlib, pathlib, sys
from flows.benchmark import benchmark_package
from flows.boards import check_boards
from flows.nightly import benchmark_nightly
from tasks.core.errors import BoardsFailedError, GateError
from tasks.core.settings import store_url
from tasks.quality import baselines
benchmark_package(pathlib.Path(sys.argv[1]))
baselines.accept(store_url(), benchmark_package(pathlib.Path(sys.argv[1]), "neighbour"))
with contextlib.suppress(BoardsFailedError):  # of other tests, which break boards meanwhile
    check_boards()
with contextlib.suppress(GateError):
    benchmark_nightly(boards=("gone", "neighbour"), projects=("echo",))
"""


@pytest.fixture(scope="module")
def scheduled(machine: Machine, lab: str, neighbour: str, package: Path) -> Machine:
    """What schedules start has run, over all boards, and over one that is not there any more."""
    assert lab in names(machine)
    assert neighbour in SCHEDULED
    command = [sys.executable, "-c", SCHEDULED, str(package)]
    subprocess.run(command, cwd=ROOT, env=machine.env, check=True)
    return machine


def table(machine: Machine, key: str) -> list[dict[str, str]]:
    (newest, *_) = machine.query("artifacts/filter", {"artifacts": {"key": {"any_": [key]}}})
    rows: list[dict[str, str]] = json.loads(newest["data"])
    return rows


def test_the_flow_checks_all_boards_and_publishes_one_table(scheduled: Machine, lab: str) -> None:
    rows = {row["board"]: row for row in table(scheduled, "boards-check")}
    assert rows.keys() >= {lab, "twin"}
    assert rows[lab]["kind"] == "pynq-z2"
    body = {"artifacts": {"key": {"any_": [f"board-{lab}"]}}, "sort": "CREATED_DESC"}
    page, *_ = scheduled.query("artifacts/filter", body)
    assert "| last health check | ok (" in page["data"]


def test_a_board_that_is_gone_does_not_keep_the_nightly_run_from_the_others(
    scheduled: Machine,
) -> None:
    gone, measured = table(scheduled, "nightly-results")
    assert (gone["board"], gone["verdict"]) == ("gone", "FAILED")
    assert "no board has this name" in gone["message"]
    assert (measured["project"], measured["board"], measured["verdict"]) == (
        "echo",
        "neighbour",
        "passed",
    )


def test_a_package_is_measured_on_the_first_free_board_that_fits(
    machine: Machine, remote: TwinRecord, lab: str, package: Path
) -> None:
    run = told(machine, "bench", package, "--board", "kind=pynq-z2,tag=lab")
    assert run["verdict"]["bit_exact"] == 40
    assert run["verdict"]["accuracy_board"] is None  # targets, no classes
    assert run["verdict"]["measurement"]["deployment"]["board"] == lab
    assert not is_taken(remote)


def test_the_power_is_what_an_external_meter_reads(
    machine: Machine, remote: TwinRecord, package: Path, tmp_path: Path
) -> None:
    program = tmp_path / "a meter; echo.py"  # no shell ever sees it
    program.write_text(METER)
    command = shlex.join([sys.executable, str(program), "$HOME", "2.5 W"])
    fingerprint = HostKey.parse(remote.host_key).fingerprint
    added = add(machine, remote, "metered", "--fingerprint", fingerprint, "--meter", command)
    assert added.returncode == 0, added.stderr
    try:
        measured = told(machine, "bench", package, "--board", "metered")["verdict"]["measurement"]
    finally:
        assert machine.ask("boards", "remove", "metered").returncode == 0
    assert (measured["power_w"], measured["power_by"]) == (2.5, "meter")
    pid, home = (Path(measured["directory"]) / meter.LOG).read_text().splitlines()[0].split()
    assert home == "$HOME"
    assert not Path(f"/proc/{pid}").exists()


def test_a_person_keeps_the_flow_off_and_the_flow_says_who(
    machine: Machine, lab: str, package: Path
) -> None:
    mine = told(machine, "boards", "lease", lab, "--for", "2h", "--why", "solder the heat sink")
    done = machine.command("bench", package, "--board", lab, "--wait", "0s", LOGNAME="ada")
    assert done.returncode == 2
    assert f"{mine['owner']} until" in done.stderr
    assert "(solder the heat sink)" in done.stderr
    own = machine.command("bench", package, "--board", lab, "--wait", "0s")
    assert own.returncode == 0, own.stderr
    assert told(machine, "boards", "release", lab)["lease"]["purpose"] == "solder the heat sink"


@pytest.mark.usefixtures("neighbour")
@pytest.mark.parametrize(
    "others",
    [
        pytest.param((), id="alone"),
        pytest.param(("--board", "neighbour"), id="side by side"),
    ],
)
def test_a_run_that_is_interrupted_gives_the_board_back(
    machine: Machine, remote: TwinRecord, lab: str, package: Path, others: tuple[str, ...]
) -> None:
    running = machine.start("bench", package, "--board", lab, *others)
    until(lambda: is_taken(remote))
    running.send_signal(signal.SIGINT)
    output, _ = running.communicate(timeout=60)
    assert running.returncode == 2, output
    assert "overlayflow: interrupted" in output
    assert not is_taken(remote)
    twin = TwinDirectory(machine.home / "twins" / "neighbour").running()
    assert twin is not None
    assert not is_taken(twin)


def test_a_run_that_loses_board_and_lease_goes_on_when_the_board_is_back(
    machine: Machine, remote: TwinRecord, lab: str, package: Path
) -> None:
    twin = TwinDirectory(Path(remote.home).parents[1])
    twins, name = twin.root.parent, twin.root.name
    faults.set_fault(twins, name, "dma-stall")
    running = machine.start("bench", package, "--board", lab)
    until(lambda: list(twin.home.rglob("run-*/design")))
    faults.set_fault(twins, name, "reboot", "1")
    faults.clear_faults(twins, name, "dma-stall")
    output, _ = running.communicate(timeout=120)
    assert running.returncode == 0, output
    assert "the lease was lost" in output
    assert "the lease is back" in output
    assert not is_taken(remote)


def test_a_queue_that_is_stuck_in_prefect_does_not_keep_anybody_from_a_free_board(
    machine: Machine, lab: str, package: Path
) -> None:
    limit = f"{machine.api}/v2/concurrency_limits/board-{lab}"
    http.patch(limit, json={"active_slots": 1}).raise_for_status()
    try:
        done = machine.command("bench", package, "--board", lab, "--wait", "1s")
    finally:
        http.patch(limit, json={"active_slots": 0}).raise_for_status()
    assert done.returncode == 0, done.stderr
    assert f"prefect gcl update board-{lab} --active-slots 0" in done.stdout + done.stderr


QUEUED = """
import sys
from tasks.orchestration.queues import slot
with slot("board-queued", lasts_s=60, wait_s=10):
    print("held", flush=True)
    sys.stdin.readline()
with slot("board-queued", lasts_s=60, wait_s=10):
    print("went on", flush=True)
"""


def test_a_server_that_goes_away_keeps_nobody_from_a_board(machine: Machine) -> None:
    limit = {"name": "board-queued", "limit": 1}
    http.post(f"{machine.api}/v2/concurrency_limits/", json=limit).raise_for_status()
    port = int(machine.api.removesuffix("/api").rpartition(":")[2])
    server = BoardAddress(name="server", kind="pynq-z2", host="127.0.0.1", port=port)
    with contextlib.closing(Link(server, None)) as link:
        api = machine.api.replace(f":{port}/", f":{link.address.port}/")
        running = subprocess.Popen(
            [sys.executable, "-c", QUEUED],
            cwd=ROOT,
            env={**machine.env, "PREFECT_API_URL": api, "PREFECT_CLIENT_MAX_RETRIES": "2"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert running.stdout is not None
        head = next(line for line in running.stdout if line == "held\n")
        taken = http.get(f"{machine.api}/v2/concurrency_limits/board-queued").json()
        assert taken["active_slots"] == 1
    output, _ = running.communicate("\n", timeout=120)
    assert running.returncode == 0, head + output
    assert "the limit board-queued stays taken for 60 s" in output
    assert "continuing without the limit board-queued" in output
    assert "went on\n" in output


def test_a_board_that_shows_another_host_key_is_not_used(
    machine: Machine, tmp_path: Path, package: Path
) -> None:
    twin = TwinDirectory(tmp_path / "swapped")
    python = settings.board_python()
    old = lifecycle.start(tmp_path, "swapped", python=python, password=PASSWORD)
    try:
        assert add(machine, old, "swapped", "--yes").returncode == 0
        lifecycle.stop(tmp_path, "swapped")
        twin.host_key.unlink()  # as when somebody writes the card anew
        new = lifecycle.start(tmp_path, "swapped", python=python, password=PASSWORD, port=old.port)
        done = machine.command("bench", package, "--board", "swapped")
    finally:
        lifecycle.stop(tmp_path, "swapped")
        machine.ask("boards", "remove", "swapped")
    assert done.returncode == 2
    pinned, shown = (HostKey.parse(each.host_key).fingerprint for each in (old, new))
    assert f"the host key has changed: pinned {pinned}, shown {shown}" in done.stderr
    assert "remove it with `overlayflow boards remove` and pin the new key" in done.stderr
    assert not list(Path(new.home).glob("overlayflow/*"))


def test_one_board_that_fails_does_not_stop_the_others(
    machine: Machine, lab: str, neighbour: str, package: Path
) -> None:
    asked = ("--board", neighbour, "--board", lab, "--wait", "0s")
    told(machine, "boards", "lease", neighbour, "--for", "1h", "--why", "lunch")
    compared = told(machine, "bench", package, *asked, code=1, LOGNAME="ada")
    assert told(machine, "boards", "release", neighbour)["free"]
    outcomes = {each["board"]: each for each in compared["boards"]}
    assert "(lunch)" in outcomes[neighbour]["error"]
    assert outcomes[neighbour]["run"] is None
    assert outcomes[lab]["run"]["verdict"]["bit_exact"] == 40
