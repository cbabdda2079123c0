"""Bad input: one clear message, exit code 2, nothing half-written.

What only the conversion can find is in tests/tasks/conversion/test_refusals.py.
"""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.flows.conftest import DATA, MODEL, Machine

Change = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


def refused(machine: Machine, *arguments: str | Path) -> str:
    """The message of a run that must end with 2 and leave nothing."""
    before = entries(machine)
    done = machine.command("run", *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert entries(machine) == before
    return done.stderr[done.stderr.index("overlayflow: ") :]


def entries(machine: Machine) -> set[Path]:
    store = machine.home / "store"
    return {path for path in store.glob("*/*") if path.parent.name not in {"failed", "locks"}}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--board-kind", "zx81"), "unknown board kind 'zx81'"),
        (("--project-name", "my project"), "project name 'my project' is no identifier"),
        (("--project-name", "a'b"), "is no identifier"),
        (("--project-name", "; rm -rf"), "is no identifier"),
        (("--reuse-factor", "0"), "reuse_factor: Input should be greater than or equal to 1"),
        (("--layer-precision", "hidden"), "is not of the form LAYER=VALUE"),
        (("--clock-period", "-1"), "clock_period_ns: Input should be greater than 0"),
        (("--clock-period", "12.5"), "cannot generate 80 MHz"),
        (("--board", "nowhere"), "no board has this name"),
    ],
)
def test_settings_that_cannot_be(machine: Machine, arguments: tuple[str, str], told: str) -> None:
    assert told in refused(machine, MODEL, "--data", DATA, *arguments)


@pytest.mark.parametrize("content", [b"", b"no model", b"PK\x05\x06" + bytes(18)])
def test_a_file_that_is_no_model(machine: Machine, tmp_path: Path, content: bytes) -> None:
    model = tmp_path / "model.keras"
    model.write_bytes(content)
    assert "is no Keras model" in refused(machine, model, "--data", DATA)


def test_a_damaged_model_file(machine: Machine, tmp_path: Path) -> None:
    model = tmp_path / "model.keras"
    model.write_bytes(MODEL.read_bytes().replace(b"QDense", b"QDemse"))
    assert "is no Keras model, or a damaged one" in refused(machine, model, "--data", DATA)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda data: {**data, "X_test": data["X_test"] * np.nan}, "NaN or infinite"),
        (lambda data: {**data, "X_test": data["X_test"][:0]}, "X_test is empty"),
        (lambda data: {**data, "y_test": data["y_test"][:9]}, "450 samples, y_test 9"),
        (lambda data: {"X_test": data["X_test"]}, "no y_test"),
    ],
)
def test_data_that_do_not_fit(machine: Machine, tmp_path: Path, change: Change, told: str) -> None:
    with np.load(DATA) as loaded:
        data = change(dict(loaded))
    np.savez(tmp_path / "data.npz", **data)  # type: ignore[arg-type]  # arrays by name
    assert told in refused(machine, MODEL, "--data", tmp_path / "data.npz")


def test_a_twin_that_is_off(machine: Machine) -> None:
    started = machine.command("twin", "start", "sleeper")
    assert started.returncode == 0, started.stderr
    assert machine.command("twin", "stop", "sleeper").returncode == 0
    told = refused(machine, MODEL, "--data", DATA, "--board", "sleeper")
    assert "the twin is off" in told
    assert "overlayflow twin start sleeper" in told


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
