"""The documentation's site, built as `make docs` builds it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.cli import reference
from tasks.core.records.settings import ConvertSettings

ROOT = Path(__file__).resolve().parents[2]
REMOTE = re.compile(r"<(?:script|img|iframe|source)[^>]+src=\"?https?:|<link[^>]+href=\"?https?:")


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """Return a copy of what the site is made of, with its generated pages."""
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    reference.write(tmp_path / "docs" / "reference")
    return tmp_path


def built(sources: Path) -> subprocess.CompletedProcess[str]:
    """Build the site with the strictness of `make docs`."""
    return subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=sources,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_site_builds_and_loads_nothing_from_elsewhere(sources: Path) -> None:
    done = built(sources)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {page.name: page.read_text() for page in (sources / "site").rglob("*.html")}
    assert [name for name, page in pages.items() if REMOTE.search(page)] == []
    linked = set(re.findall(r"href=\"?(?:\./)?([\w-]+)\.html", pages["index.html"]))
    assert {page.stem for page in (ROOT / "docs").glob("*.md")} <= linked | {"index"}


@pytest.mark.parametrize("link", ["nowhere.md", "boards.md#no-such-heading"])
def test_a_broken_link_fails_the_build(sources: Path, link: str) -> None:
    with (sources / "docs" / "faq.md").open("a") as page:
        page.write(f"\nSee [there]({link}).\n")
    assert built(sources).returncode != 0


def test_the_reference_has_every_command_and_setting() -> None:
    commands = reference.command_line()
    assert "## overlayflow run\n" in commands
    assert "### overlayflow boards lease\n" in commands
    settings = reference.settings()
    assert [name for name in ConvertSettings.model_fields if f"| `{name}` |" not in settings] == []
    assert "| `reuse_factor` | integer ≥ 1 | `1` |" in settings


def test_every_environment_variable_has_its_row() -> None:
    named = set(
        re.findall(r"\bOVERLAYFLOW_[A-Z_]+", (ROOT / "tasks" / "core" / "settings.py").read_text())
    )
    page = (ROOT / "docs" / "environment.md").read_text()
    assert [name for name in sorted(named) if f"| `{name}` |" not in page] == []
