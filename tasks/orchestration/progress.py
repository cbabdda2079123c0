"""What Prefect gives a build: a place in the queue for licences, and a progress bar."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from tasks.orchestration.queues import slot
from tasks.toolchains.base import Hooks, Progress, times

log = logging.getLogger(__name__)

# If a limit of this name exists, it says how many licensed tools may run at the same time.
# deployments/apply.py creates it; administrators choose its number.
LICENCES = "vivado-licences"
# Called with the progress of all steps in this process, e.g. to show it in a terminal.
Watcher = Callable[[str, Progress], None]
_watchers: list[Watcher] = []
_SLOT_S = 120.0


def hooks(step: str) -> Hooks:
    """Return hooks for the build of a step, within its task run."""
    artifact = _Artifact(step)

    def tell(progress: Progress) -> None:
        try:
            for watcher in _watchers:
                watcher(step, progress)
            artifact.show(progress)
        except Exception:  # no failure here is worth losing a build
            log.debug("cannot show progress", exc_info=True)

    return Hooks(licence=_licence, listener=tell)


@contextlib.contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Call a watcher with the progress of all steps for the duration of the block."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def _licence() -> AbstractContextManager[None]:
    """Wait in Prefect's queue, if there is one; the licence server itself grants the licence."""
    return slot(LICENCES, lasts_s=_SLOT_S)


class _Artifact:
    """A progress artifact, created at the first report; a silent toolchain has none."""

    def __init__(self, step: str) -> None:
        self._step = step
        self._artifact: UUID | None = None

    def show(self, progress: Progress) -> None:
        percent = 100 * progress.fraction
        taken = times(progress.elapsed_s, progress.left_s)
        text = f"{self._step}: {progress.phase}, {taken}"
        if self._artifact is None:
            made = create_progress_artifact(percent, key=f"{self._step}-progress", description=text)
            self._artifact = made if isinstance(made, UUID) else None
        else:
            update_progress_artifact(self._artifact, percent, description=text)
