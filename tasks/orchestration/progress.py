"""What a build gets from Prefect: a place in the queue for licences, and a bar of progress."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from tasks.orchestration.queues import slot
from tasks.toolchains.base import Hooks, Progress, times

log = logging.getLogger(__name__)

# A limit of this name, where one exists, says how many licensed tools may run at the same time.
# deployments/apply.py makes it; its number is its owner's.
LICENCES = "vivado-licences"
# Who else hears of the progress of all steps in this process: a terminal.
Watcher = Callable[[str, Progress], None]
_watchers: list[Watcher] = []
_SLOT_S = 120.0


def hooks(step: str) -> Hooks:
    """Hooks for the build of a step, in the run of its task."""
    artifact = _Artifact(step)

    def tell(progress: Progress) -> None:
        try:
            for watcher in _watchers:
                watcher(step, progress)
            artifact.show(progress)
        except Exception:  # whatever it is, it is no reason to lose a build
            log.debug("progress could not be shown", exc_info=True)

    return Hooks(licence=_licence, listener=tell)


@contextlib.contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Let somebody hear of the progress of all steps, meanwhile."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def _licence() -> AbstractContextManager[None]:
    """Prefect's queue, if there is one; the licence server itself decides who gets one."""
    return slot(LICENCES, lasts_s=_SLOT_S)


class _Artifact:
    """A progress artifact, made at the first news; a toolchain without news has none."""

    def __init__(self, step: str) -> None:
        self._step = step
        self._artifact: UUID | None = None

    def show(self, progress: Progress) -> None:
        percent = 100 * progress.fraction
        taken = times(progress.elapsed_s, progress.left_s)
        text = f"{self._step}: {progress.phase}, {taken}"
        if self._artifact is None:
            made = create_progress_artifact(percent, description=text)
            self._artifact = made if isinstance(made, UUID) else None
        else:
            update_progress_artifact(self._artifact, percent, description=text)
