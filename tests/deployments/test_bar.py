"""The bar of progress: at the last line of a terminal, and nowhere else."""

import io
import os
import pty
import subprocess
import sys

import pytest

from deployments.cli import bar
from deployments.cli.bar import Bar
from tasks.toolchains.base import Progress

ERASE = "\r\x1b[2K"


def news(phase: str, fraction: float, left_s: float | None = None) -> Progress:
    return Progress(phase=phase, fraction=fraction, elapsed_s=3900.0, left_s=left_s)


def test_a_bar_says_where_a_step_is_and_how_long_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = "implement [============            ]  50% 1 h 05 min, 1 h 00 min left  place_design"
    for columns in (100, 40):
        monkeypatch.setenv("COLUMNS", str(columns))
        terminal = io.StringIO()
        Bar(terminal).show("implement", news("place_design", 0.5, left_s=3600.0))
        assert terminal.getvalue() == said[: columns - 1]


def test_an_estimate_that_has_run_out_is_not_shown() -> None:
    terminal = io.StringIO()
    Bar(terminal).show("implement", news("route_design", 0.8, left_s=0.0))
    assert "left" not in terminal.getvalue()


def test_log_lines_pass_above_the_bar() -> None:
    terminal = io.StringIO()
    shown = Bar(terminal)
    shown.show("synthesize", news("synth", 0.1))
    drawn = terminal.getvalue()
    shown.write("a line\n")
    assert terminal.getvalue() == f"{drawn}{ERASE}a line\n{drawn}"
    shown.write("half a line, ")
    shown.tick()
    assert terminal.getvalue().endswith(f"{ERASE}half a line, ")


def test_a_step_that_is_done_has_no_bar() -> None:
    terminal = io.StringIO()
    shown = Bar(terminal)
    shown.show("synthesize", news("synth", 0.9))
    shown.show("synthesize", news("done", 1.0))
    shown.write("a line\n")
    assert terminal.getvalue().endswith(f"{ERASE}a line\n")


def test_no_bar_where_stderr_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with bar.shown() as shown:
        assert shown is None
    assert not capsys.readouterr().err


def test_prefects_log_passes_above_the_bar_on_a_terminal() -> None:
    """Prefect's console writes to the stream that it finds when it is set up."""
    script = (
        "import logging\n"
        "from deployments.cli import bar\n"
        "from tasks.toolchains.base import Progress\n"
        "with bar.shown() as shown:\n"
        "    from prefect.logging.handlers import PrefectConsoleHandler\n"
        "    logging.getLogger().addHandler(PrefectConsoleHandler())\n"
        "    shown.show('synthesize', Progress(phase='synth', fraction=0.1, elapsed_s=1))\n"
        "    logging.getLogger().warning('a line')\n"
    )
    master, slave = pty.openpty()
    with os.fdopen(slave, "wb") as terminal:
        subprocess.run([sys.executable, "-c", script], stderr=terminal, check=True)
    said = os.read(master, 1 << 16).decode()
    os.close(master)
    assert f"synth{ERASE}a line\r\nsynthesize [" in said
    assert said.endswith(ERASE)
