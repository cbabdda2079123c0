"""Promises of tasks/processes/child.py, with real child processes."""

import os
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import (
    DoesNotFitError,
    InputError,
    StoreError,
    ToolError,
    ToolMissingError,
    ToolTimeoutError,
    UnsupportedModelError,
)
from tasks.core.records.design import FixedPoint, Stream
from tasks.processes import child
from tasks.processes.child import run_child

CHILD = """
import os, sys
from pathlib import Path
from tasks.core import errors
from tasks.core.records.design import FixedPoint, Stream
from tasks.processes.child import child_main
from tasks.processes.run import run_tool

def answer(request):
    print("noise on stdout", flush=True)
    {body}
    return Stream(shape=(4, 4), element=request)

if __name__ == "__main__":
    child_main(FixedPoint, answer)
"""
REQUEST = FixedPoint(width=8, integer=3)


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs a child whose function has the given body."""
    inherited = os.environ.get("PYTHONPATH")
    path = [str(tmp_path / "modules"), *([inherited] if inherited else [])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    (tmp_path / "modules").mkdir()
    (tmp_path / "work").mkdir()

    def ask(body: str, **options: Any) -> Stream:
        (tmp_path / "modules/asked.py").write_text(CHILD.format(body=body))
        log = tmp_path / "work/child.log"
        arguments: dict[str, Any] = {"cwd": log.parent, "log": log, "step": "convert"}
        return run_child("asked", REQUEST, Stream, **arguments | {"deadline_s": 60} | options)

    return ask


def test_a_record_goes_in_and_a_record_comes_back(ask: Any, tmp_path: Path) -> None:
    lines: list[str] = []
    assert ask("pass", on_line=lines.append) == Stream(shape=(4, 4), element=REQUEST)
    assert lines == ["noise on stdout"]
    assert list((tmp_path / "work").iterdir()) == [tmp_path / "work/child.log"]


def test_a_file_beside_the_work_does_not_shadow_a_module(ask: Any, tmp_path: Path) -> None:
    (tmp_path / "work/pydantic.py").write_text("raise SystemExit('shadowed')")
    assert isinstance(ask("import pydantic"), Stream)


def test_a_file_beside_the_packages_does_not_shadow_a_module(
    ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "_ROOT", tmp_path / "clone")
    (tmp_path / "clone").mkdir()
    for name in ("types", "pydantic", "queue"):
        (tmp_path / f"clone/{name}.py").write_text("raise SystemExit('shadowed')")
    assert isinstance(ask("import queue"), Stream)


@pytest.mark.parametrize("kind", [InputError, UnsupportedModelError, DoesNotFitError, StoreError])
def test_a_known_error_of_the_child_is_the_same_error_here(
    ask: Any, kind: type[InputError], tmp_path: Path
) -> None:
    with pytest.raises(kind) as caught:
        ask(f"raise errors.{kind.__name__}('wörds', where='layer', remedy='do', transient=True)")
    error = caught.value
    assert type(error) is kind
    assert (error.what, error.where, error.remedy) == ("wörds", "layer", "do")
    assert error.transient
    assert "Traceback" not in (tmp_path / "work/child.log").read_text()


def test_a_tool_error_of_the_child_keeps_its_status_and_log(ask: Any, tmp_path: Path) -> None:
    with pytest.raises(ToolError) as caught:
        ask(
            "run_tool(['sh', '-c', 'kill -9 $$'], cwd=Path(), log=Path('inner.log').resolve(),"
            " step='inner', deadline_s=9)"
        )
    assert caught.value.returncode == -9
    assert caught.value.log == tmp_path / "work/inner.log"
    assert caught.value.where == "inner"


def test_an_error_class_of_the_childs_own_comes_back_as_its_base(ask: Any) -> None:
    with pytest.raises(ToolMissingError, match="own"):
        ask("raise type('Own', (errors.ToolMissingError,), {{}})('own')".replace("{{}}", "{}"))


def test_a_crash_is_a_tool_error_with_the_last_line_of_the_traceback(
    ask: Any, tmp_path: Path
) -> None:
    with pytest.raises(ToolError, match="asked failed with exit status 1") as caught:
        ask("print('Error: harmless'); {}['key']".replace("{}", "dict()"))
    assert caught.value.what.splitlines()[1:] == ["    KeyError: 'key'"]
    assert caught.value.log == tmp_path / "work/child.log"
    assert "Traceback" in caught.value.log.read_text()


def test_exhausted_memory_in_the_child_has_a_remedy(ask: Any) -> None:
    with pytest.raises(ToolError, match="MemoryError") as caught:
        ask("raise MemoryError")
    assert "memory" in caught.value.remedy


def test_a_segmentation_fault_leaves_the_python_stack_in_the_log(ask: Any, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="SIGSEGV"):
        ask("import ctypes; ctypes.string_at(0)")
    assert "string_at" in (tmp_path / "work/child.log").read_text()


def test_a_child_that_exits_quietly_without_an_answer_is_an_error(ask: Any) -> None:
    with pytest.raises(ToolError, match="did not do its work"):
        ask("os._exit(0)")


def test_a_child_is_stopped_at_its_deadline(ask: Any) -> None:
    with pytest.raises(ToolTimeoutError, match="asked did not end"):
        ask("import time; time.sleep(300)", deadline_s=1)


def test_a_module_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(ToolError, match="No module named 'nowhere'"):
        run_child("nowhere.child", REQUEST, Stream, cwd=tmp_path, log=log, step="s", deadline_s=60)
