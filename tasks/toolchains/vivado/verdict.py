"""Whether a run of a tool did its work, and if not, why."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from tasks.errors import BuildError, FailureClass
from tasks.toolchains import diagnosis
from tasks.toolchains.diagnosis import Diagnosis, Log
from tasks.toolchains.process import ToolRun, failure
from tasks.toolchains.tool_log import first_errors
from tasks.toolchains.vivado.supervised import Step

_SHELL = 128  # a shell adds it to the number of the signal that ended a command


def judge(
    run: ToolRun,
    step: Step,
    *,
    unfinished: Sequence[str],
    logs: Sequence[Path] = (),
    otherwise: FailureClass = "permanent",
) -> BuildError | None:
    """The error of a run; None if it did its work.

    Args:
        run: that has ended.
        step: whose it was.
        unfinished: what it should have done and did not, by files and markers.
        logs: of runs that it started and that failed, in the order in which they did; they tell
            more than its own log.
        otherwise: the class of a failure that nobody knows.
    """
    proven = diagnosis.fatal(run.log, step=step.entry.step, tool=step.tool)
    if run.returncode == 0 and not unfinished and not proven:
        return None
    found = _diagnose(run, step, logs)
    cause = [found.cause, found.line] if found else first_errors(run.log)
    told = failure(
        step.tool, run, cwd=step.project, step=step.entry.step, cause=[*unfinished, *cause]
    )
    return BuildError(
        told.what,
        tool=step.tool,
        version=step.version,
        failure_class=found.failure_class if found else otherwise,
        where=step.entry.step,
        remedy=(found.remedy if found else told.remedy) or "see the log, and what was kept",
        signature=found.signature if found else "",
        returncode=run.returncode,
        log=run.log,
    )


def _diagnose(run: ToolRun, step: Step, logs: Sequence[Path]) -> Diagnosis | None:
    """The cause by the logs; where the tool itself was ended by a signal, by its own log first.

    What it wrote when it crashed stands before its own log, which says only that it crashed.
    """
    own: tuple[Log, int | None] = (run.log, run.returncode)
    if reports := step.crash_reports():
        own = (itertools.chain.from_iterable(map(_lines, (*reports, run.log))), run.returncode)
    others: list[tuple[Log, int | None]] = [(log, None) for log in logs]
    ended = run.returncode < 0 or run.returncode > _SHELL
    for log, returncode in (own, *others) if ended else (*others, own):
        found = diagnosis.diagnose(log, step=step.entry.step, tool=step.tool, returncode=returncode)
        if found is not None:
            return found
    return None


def _lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines()
