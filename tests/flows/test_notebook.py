"""examples/tutorial.ipynb runs, and prints what it is kept with."""

from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

from tests.flows.conftest import ROOT, Machine

pytestmark = pytest.mark.slow

NOTEBOOK = ROOT / "examples" / "tutorial.ipynb"


def printed(notebook: Any) -> list[str]:
    """What each of its cells prints, without what goes to stderr."""
    return [
        "".join(
            output.text
            for output in cell.outputs
            if output.output_type == "stream" and output.name == "stdout"
        )
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def test_it_prints_what_it_is_kept_with(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in machine.env.items():
        monkeypatch.setenv(name, value)
    kept, run = (nbformat.read(NOTEBOOK, 4) for _ in range(2))  # type: ignore[no-untyped-call]
    try:
        nbclient.NotebookClient(
            run, timeout=600, resources={"metadata": {"path": str(tmp_path)}}
        ).execute()
    finally:
        machine.ask("twin", "stop", "notebook")
    assert printed(run) == printed(kept)
    assert "as by hand: True" in printed(run)[-2]


def test_it_is_kept_small_and_names_no_machine() -> None:
    text = NOTEBOOK.read_text()
    assert len(text) < 100_000
    assert str(Path.home()) not in text
    assert str(ROOT) not in text
