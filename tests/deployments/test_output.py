"""What all commands read and print alike."""

import json
import os
import pty
import subprocess
import sys
from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from deployments.cli.output import duration, print_json, print_table
from tasks.core.records.base import Entry


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("1.5m", 90), ("2h", 7200), ("1d", 86400), ("2w", 1209600)]
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "90", "2 weeks", "-1h", "nan d", "nand", "31d", "1e9w"])
def test_what_is_no_duration_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="use 90s, 30m, 2h, 1d or 2w, at most 30d"):
        duration(text)


def test_fields_are_printed_as_one_record(capsys: pytest.CaptureFixture[str]) -> None:
    entry = Entry(step="convert", digest="a" * 64)
    print_json({"file": Path("/a b"), "entries": (entry,), "share": float("nan")})
    assert json.loads(capsys.readouterr().out) == {
        "schema_version": 1,
        "file": "/a b",
        "entries": [{"schema_version": 1, "step": "convert", "digest": "a" * 64}],
        "share": None,
    }


TABLE = (
    "",
    ("verdict", "gate"),
    [("passed", "[x] fixed<16,6> & " + "wide " * 60), ("FAILED: no", "y")],
)


def test_a_table_in_a_pipe_is_plain_and_as_wide_as_its_cells(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(*TABLE)
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "[x] fixed<16,6> & " + "wide " * 60 in told


def test_a_table_on_a_terminal_fits_it_and_shows_verdicts_in_colour() -> None:
    ours, theirs = pty.openpty()
    script = f"from deployments.cli.output import print_table; print_table(*{TABLE!r})"
    done = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=theirs,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "60"},
    )
    os.close(theirs)
    told = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # Linux says so that the other end is closed
            break
        if not part:
            break
        told += part
    os.close(ours)
    assert done.wait() == 0
    assert b"\x1b[32mpassed" in told
    assert b"\x1b[1;31mFAILED" in told
    assert b"wide " * 12 not in told
