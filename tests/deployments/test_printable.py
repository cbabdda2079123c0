"""What others have named reaches the terminal as text."""

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.cli.printable import Printable, install

OURS = "\x1b[1;31mred\x1b[0m\tand plain\r\n\r\x1b[2Knext\n"
HOSTILE = {
    "clears the screen": "\x1b[2J",
    "sets the title": "\x1b]0;title\x07",
    "one byte for two": "\x9b2J",
    "writes over the line": "failed\rpassed",
    "backspaces": "failed\b\b\b\b\b\bpassed",
    "reversed": "\u202efdp.exe",
    "asks for an answer": "\x1b[6n",
}


def written(*parts: str) -> str:
    stream = io.StringIO()
    printable = Printable(stream)
    for part in parts:
        assert printable.write(part) == len(part)
    return stream.getvalue()


def test_our_colours_and_lines_stay() -> None:
    assert written(OURS) == OURS


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_command_to_the_terminal_is_shown_instead(name: str) -> None:
    assert written(f"layer {name}\n") == f"layer {name.encode('unicode_escape').decode()}\n"


@given(st.lists(st.sampled_from([*"\x1b\r\n[]0;2JmKn", "\x9b", "name"]), min_size=1))
def test_no_command_passes_in_parts_either(parts: list[str]) -> None:
    left = re.sub(r"\x1b\[[0-9;]*m|\r\x1b\[2K|\r?\n", "", written(*parts))
    assert left.isprintable()


def test_a_message_about_a_file_shows_its_name(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "deployments.cli.main",
        "run",
        f"{tmp_path}/a\x1b[2J\x07.keras",
    ]
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert failed.returncode == 2
    assert "/a\\x1b[2J\\x07.keras: " in failed.stderr
    assert "\x1b" not in failed.stderr


def test_a_refused_argument_is_shown(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deployments.cli.main", "run", "m", "--precision\x1b[2J"]
    failed = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert failed.returncode == 2
    assert "--precision\\x1b[2J" in failed.stderr
    assert "\x1b" not in failed.stderr


@pytest.mark.parametrize("encoding", ["ascii", "gbk", "latin-1"])
def test_what_a_terminal_cannot_show_is_no_error(
    monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    install()
    sys.stdout.write("1 µs, 25 °C → 30 °C, модель")
    sys.stdout.flush()
    assert written.getvalue().startswith(b"1 ")
