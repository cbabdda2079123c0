"""Run our own modules in child processes that take a record and return a record.

A step that needs TensorFlow or builds a large graph runs in a child process, so that its memory is
freed when it ends and a crash does not take the flow down. The module ends with

    if __name__ == "__main__":
        child_main(Request, function)

and `run_child("package.module", request, Answer, ...)` calls `function(request)` in a supervised
child process. An OverlayflowError raised there is raised here again, same class and message. Any
other exception becomes a ToolError with the last line of the traceback; the log has all of it.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from tasks.core import errors
from tasks.core.errors import OverlayflowError, ToolError
from tasks.core.records.base import Record
from tasks.processes.log import last_exception
from tasks.processes.run import failure, supervise

_Request = TypeVar("_Request", bound=Record)
_Answer = TypeVar("_Answer", bound=Record)

_ROOT = Path(__file__).resolve().parents[2]
# Imports the same `tasks` as this process; at the end of the path, so that no file beside the
# packages shadows a module.
_START = (
    "import runpy, sys; sys.path.append(sys.argv.pop(1)); "
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)
_FIELDS = ("what", "where", "remedy", "transient", "returncode", "log")


def run_child(
    module: str,
    request: Record,
    answer_type: type[_Answer],
    *,
    cwd: Path,
    log: Path,
    step: str,
    deadline_s: float,
    packages: Path | None = None,
    on_line: Callable[[str], None] | None = None,
) -> _Answer:
    """Call the function behind a module's `child_main` in a supervised child process.

    Args:
        module: the module's full name, e.g. `tasks.conversion.child`.
        request: the function's argument.
        answer_type: type of the function's result.
        cwd: working directory of the child.
        log: file for the child's stdout and stderr; overwritten.
        step: step to name in errors.
        deadline_s: seconds after which the child is stopped.
        packages: directory of Python packages that precede those of this environment.
        on_line: as in `run_tool`.

    Raises:
        OverlayflowError: the function raised it.
        ToolTimeoutError: the child was stopped at its deadline.
        ToolError: the child crashed.
    """
    with tempfile.TemporaryDirectory(prefix="overlayflow-") as directory:
        question, answer = Path(directory, "request.json"), Path(directory, "answer.json")
        question.write_text(request.model_dump_json())
        run = supervise(
            module,
            # -P: a file in the working directory must not shadow a module.
            [
                *(sys.executable, "-P", "-u", "-X", "faulthandler", "-c", _START),
                *(_ROOT, module, question, answer),
            ],
            cwd=cwd,
            log=log,
            step=step,
            deadline_s=deadline_s,
            # What frameworks leave among temporary files is removed with the question.
            env={"PYTHONPATH": _python_path(packages), "TMPDIR": directory},
            on_line=on_line,
        )
        if run.returncode != 0 or not answer.exists():
            raise failure(module, run, cwd=cwd, step=step, cause=last_exception(log))
        outcome = json.loads(answer.read_text())
    if "error" in outcome:
        raise _decoded(outcome["error"])
    return answer_type.model_validate(outcome["record"])


def child_main(request_type: type[_Request], function: Callable[[_Request], Record]) -> None:
    """Serve one `run_child` call; this is the whole main program of a child module."""
    question, answer = map(Path, sys.argv[1:])
    request = request_type.model_validate_json(question.read_text())
    outcome: dict[str, object]
    try:
        outcome = {"record": function(request).model_dump(mode="json")}
    except OverlayflowError as error:
        outcome = {"error": _encoded(error)}
    answer.write_text(json.dumps(outcome))


def _python_path(packages: Path | None) -> str:
    """Return this process's PYTHONPATH behind a front end's own packages."""
    own, inherited = packages and str(packages), os.environ.get("PYTHONPATH")
    return os.pathsep.join(path for path in (own, inherited) if path)


def _encoded(error: OverlayflowError) -> dict[str, object]:
    known = next(cls for cls in type(error).__mro__ if cls.__module__ == errors.__name__)
    fields = {name: getattr(error, name) for name in _FIELDS if hasattr(error, name)}
    if isinstance(error, ToolError) and error.log is not None:
        fields["log"] = str(error.log)
    return {"type": known.__name__, **fields}


def _decoded(error: dict[str, Any]) -> OverlayflowError:
    fields = dict(error)
    cls: type[OverlayflowError] = getattr(errors, str(fields.pop("type")))
    if fields.get("log") is not None:
        fields["log"] = Path(str(fields["log"]))
    return cls(**fields)
