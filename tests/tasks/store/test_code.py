"""Promises of tasks/store/code.py: which changes of a program make another entry."""

from pathlib import Path

import pytest

from tasks.store import code

PROGRAM = '''"""Says what it is."""

import math  # needed below


def area(radius: float) -> float:
    """Return the area."""
    return math.pi * radius**2
'''


def digest_of(directory: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(code, "_ROOT", directory)
    code.code_digest.cache_clear()
    (directory / "made").mkdir(exist_ok=True)
    (directory / "made" / "program.py").write_text(text)
    return code.code_digest("made")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  # needed below", "  # for pi"),
        ("Return the area.", "Return how large the circle is."),
        ('"""Says what it is."""', '"""Says it otherwise."""'),
        ("\n\n\n", "\n\n\n\n"),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(
    old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digest_of(tmp_path, PROGRAM, monkeypatch)
    assert digest_of(tmp_path, PROGRAM.replace(old, new), monkeypatch) == before


def test_code_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest_of(tmp_path, PROGRAM, monkeypatch)
    assert digest_of(tmp_path, PROGRAM.replace("**2", "**3"), monkeypatch) != before


def test_every_byte_of_other_files_counts_and_so_does_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {digest_of(tmp_path, PROGRAM, monkeypatch)}
    script = tmp_path / "made" / "build.tcl"
    script.write_text("# a comment\n")
    seen.add(digest_of(tmp_path, PROGRAM, monkeypatch))
    script.write_text("# another\n")
    seen.add(digest_of(tmp_path, PROGRAM, monkeypatch))
    script.rename(script.with_name("make.tcl"))
    seen.add(digest_of(tmp_path, PROGRAM, monkeypatch))
    assert len(seen) == 4


def test_code_that_is_not_there_is_no_empty_digest() -> None:
    with pytest.raises(FileNotFoundError):
        code.code_digest("tasks/nowhere")
