"""Bad input: one clear message, exit code 2, nothing half-written; three commands are real ones.

What takes neither a server nor a board is in tests/deployments/test_bad_input.py.
"""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from board.twin import lifecycle
from tasks.core import settings
from tests.flows.conftest import DATA, MODEL, Machine

Command = Callable[..., subprocess.CompletedProcess[str]]


def refused(command: Command, store: Path, *arguments: str | Path, **env: str) -> str:
    """Return the message of a run that must end with 2 and leave nothing in its store."""
    done = command("run", *arguments, OVERLAYFLOW_STORE=str(store), **env)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not store.exists()
    return done.stderr[done.stderr.index("overlayflow: ") :]


def test_a_file_that_is_no_model(machine: Machine, tmp_path: Path) -> None:
    model = tmp_path / "; rm -rf $HOME.keras"
    model.write_bytes(b"no model")
    told = refused(machine.command, tmp_path / "store", model, "--data", DATA)
    assert told.startswith(f"overlayflow: {model}: ")
    assert "is not a model that a front end reads" in told


def test_a_board_that_nobody_has_added(machine: Machine, tmp_path: Path) -> None:
    told = refused(machine.ask, tmp_path / "store", MODEL, "--data", DATA, "--board", "nowhere")
    assert "no board has this name" in told


def test_a_twin_that_is_off(machine: Machine, tmp_path: Path) -> None:
    twins = machine.home / "twins"
    lifecycle.start(twins, "sleeper", python=settings.board_python())
    lifecycle.stop(twins, "sleeper")
    told = refused(machine.ask, tmp_path / "store", MODEL, "--data", DATA, "--board", "sleeper")
    assert "the twin is off" in told
    assert "overlayflow twin start sleeper" in told


def test_a_board_for_another_part_than_the_design_is_refused_before_anything_is_built(
    machine: Machine, tmp_path: Path
) -> None:
    other = ("--data", DATA, "--board-kind", "zcu104")
    told = refused(machine.command, tmp_path / "store", MODEL, *other)
    assert "the design would be for zcu104, which has xczu7ev-ffvc1156-2-e" in told
    assert "xc7z020clg400-1" in told
    assert "--board-kind pynq-z2" in told


def test_a_machine_without_vivado_is_told_so_before_anything_starts(
    machine: Machine, tmp_path: Path
) -> None:
    options = ("--data", DATA, "--toolchain", "vivado")
    told = refused(machine.ask, tmp_path / "store", MODEL, *options, PATH="/usr/bin:/bin")
    assert "vivado: not on PATH" in told


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ("{board: [twin, nowhere]}", "no board has this name"),
        ("{board_kind: [pynq-z2, zcu102]}", "is for a zcu102, but board twin is a pynq-z2"),
    ],
)
def test_boards_of_a_sweep_that_cannot_be(
    machine: Machine, tmp_path: Path, axes: str, message: str
) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(f"name: bad\nbase: {{model: {MODEL}, data: {DATA}}}\naxes: {axes}\n")
    refused = machine.ask("sweep", path)
    assert refused.returncode == 2
    assert message in refused.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="a disk of its own takes root to mount")
def test_a_full_disk(machine: Machine, tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k,nr_inodes=5", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody mount a tmpfs")
    try:
        store = str(tmp_path / "store")
        done = machine.command("run", MODEL, "--data", DATA, OVERLAYFLOW_STORE=store)
        left = list(tmp_path.glob("store/convert/*"))
    finally:
        subprocess.run(["umount", tmp_path], check=True)
    assert done.returncode == 2, done.stderr
    told = done.stderr[done.stderr.rindex("overlayflow: ") :]
    assert "No space left on device" in told or "is full" in told
    assert "overlayflow store prune" in told
    assert left == []
