"""Every command that the documentation shows is run by a test, or says why not."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from deployments.cli.main import parser

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"(?:^ *<!-- (?P<mark>[^>]*) -->\n\n?)?^ *```console\n(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


class Block(NamedTuple):
    """Commands of a page, and what is said of who runs them."""

    page: str
    mark: str
    commands: tuple[str, ...]


def blocks() -> Iterator[Block]:
    for page in PAGES:
        for found in BLOCK.finditer(page.read_text()):
            lines = found["text"].replace("\\\n", " ").splitlines()
            commands = [re.match(r" *\S*[$#] (.*)", line) for line in lines]
            yield Block(page.name, found["mark"] or "", tuple(c[1] for c in commands if c))


BLOCKS = list(blocks())


def words(command: str) -> list[str]:
    """Split as a shell does, without comments, variables before it and redirections."""
    found = shlex.split(command.partition(" > ")[0], comments=True)
    while found and re.match(r"\w+=", found[0]):
        del found[0]
    return found


@pytest.mark.parametrize("block", BLOCKS, ids=lambda each: f"{each.page}: {each.commands[:1]}")
def test_who_runs_it_is_said(block: Block) -> None:
    assert block.commands, "a block of commands without any"
    kind, _, reason = block.mark.partition(": ")
    tests = re.findall(r"tests/[\w/]+\.py", block.mark)
    assert kind == "not run" or block.mark.startswith("run by tests/")
    assert reason or tests
    assert [name for name in tests if not (ROOT / name).is_file()] == []
    if kind != "not run":
        text = "".join((ROOT / name).read_text() for name in tests)
        verbs = {found[1] for found in map(words, block.commands) if found[0] == "overlayflow"}
        assert [verb for verb in verbs if verb.strip("-") not in text] == []


def test_the_command_line_takes_what_is_shown() -> None:
    shown = [words(command) for block in BLOCKS for command in block.commands]
    ours = [found[1:] for found in shown if found and found[0] == "overlayflow"]
    assert len(ours) > 40
    for arguments in ours:
        if "--print-completion" not in arguments:  # it prints and exits
            parser().parse_args(arguments)


def test_make_has_what_is_shown() -> None:
    shown = [words(command) for block in BLOCKS for command in block.commands]
    targets = {
        word for found in shown if found[:1] == ["make"] and "-C" not in found for word in found[1:]
    }
    assert {"demo", "up"} <= targets
    assert targets <= TARGETS
