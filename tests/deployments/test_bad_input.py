"""Input that cannot be used is refused before Prefect starts: one message, nothing written.

What needs a server or a board to be found out is in tests/flows/test_bad_input.py, what only the
conversion can find in tests/tasks/conversion/test_refusals.py.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from deployments.cli import main

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"
MODEL, DATA = DIGITS / "digits.keras", DIGITS / "digits.npz"
SWEEP = f"name: bad\nbase: {{model: {MODEL}, data: {DATA}}}\n"

Change = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]
Refused = Callable[..., str]


@pytest.fixture
def refused(
    empty_home: Path,
    no_server: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Refused:
    """Return the message of a command that must end with 2 and leave nothing."""
    # Where a toolchain looks for vendor tools must not depend on this machine.
    monkeypatch.setenv("PATH", "/usr/bin:/bin")

    def refuse(*arguments: str | Path) -> str:
        assert main.main([str(each) for each in arguments]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert "Traceback" not in said.err
        assert no_server not in said.err
        assert not list(empty_home.iterdir())
        return said.err

    return refuse


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--board-kind", "zx81"), "unknown board kind 'zx81'"),
        (("--project-name", "my project"), "project name 'my project' is not an identifier"),
        (("--project-name", "a'b"), "is not an identifier"),
        (("--project-name", "; rm -rf"), "is not an identifier"),
        (("--reuse-factor", "0"), "reuse_factor: Input should be greater than or equal to 1"),
        (("--layer-precision", "hidden"), "is not of the form LAYER=VALUE"),
        (("--clock-period", "-1"), "clock_period_ns: Input should be greater than 0"),
        (("--clock-period", "12.5"), "cannot generate 80 MHz"),
    ],
)
def test_settings_that_cannot_be(
    refused: Refused, arguments: tuple[str, str], message: str
) -> None:
    assert message in refused("run", MODEL, "--data", DATA, *arguments)


@pytest.mark.parametrize(
    ("command", "number"),
    [
        ("history --limit", "-5"),
        ("history --limit", "9" * 20),
        ("history --limit", "9" * 5000),
        ("up --port", "65536"),
        ("twin start --port", "99999999"),
    ],
)
def test_numbers_out_of_range(
    capsys: pytest.CaptureFixture[str], command: str, number: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(f"{command}={number}".split())
    assert ended.value.code == 2
    assert "is not a whole number from" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"no model", b"PK\x05\x06" + bytes(18)])
def test_a_file_that_is_no_model(refused: Refused, tmp_path: Path, content: bytes) -> None:
    model = tmp_path / "model.keras"
    model.write_bytes(content)
    assert "is not a model that a front end reads" in refused("run", model, "--data", DATA)


def test_a_damaged_model_file(refused: Refused, tmp_path: Path) -> None:
    model = tmp_path / "model.keras"
    model.write_bytes(MODEL.read_bytes().replace(b"QDense", b"QDemse"))
    assert "is damaged, or is not a model that a front end reads" in refused(
        "run", model, "--data", DATA
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: {**data, "X_test": data["X_test"] * np.nan}, "NaN or infinite"),
        (lambda data: {**data, "X_test": data["X_test"][:0]}, "X_test is empty"),
        (lambda data: {**data, "y_test": data["y_test"][:9]}, "450 samples, y_test 9"),
        (lambda data: {"X_test": data["X_test"]}, "no y_test"),
    ],
)
def test_data_that_do_not_fit(
    refused: Refused, tmp_path: Path, change: Change, message: str
) -> None:
    with np.load(DATA) as loaded:
        data = change(dict(loaded))
    np.savez(tmp_path / "data.npz", **data)  # type: ignore[arg-type]  # arrays by name
    assert message in refused("run", MODEL, "--data", tmp_path / "data.npz")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("axes: {wrods: [packed]}", "line 3, axes.wrods: unknown setting 'wrods'"),
        ("axes: {words: []}", "the grid is empty"),
        ("axes: {reuse_factor: %s, clock_period_ns: %s}", "the sweep has 10000 points"),
    ],
)
def test_sweeps_that_cannot_be(refused: Refused, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(SWEEP + text.replace("%s", str(list(range(1, 101)))))
    assert message in refused("sweep", path)


def test_a_device_in_place_of_a_model(refused: Refused, tmp_path: Path) -> None:
    model = tmp_path / "model.keras"
    model.symlink_to("/dev/null")
    assert "is a pipe or a device, not a file" in refused("run", model, "--data", DATA)
