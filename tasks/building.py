"""What a build gets from Prefect: a place in the queue for licences, and a bar of progress."""

import contextlib
import logging
from collections.abc import Iterator
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectNotFound

from tasks.toolchains.toolchain import Hooks, Progress

log = logging.getLogger(__name__)

# A limit of this name, where one exists, says how many licensed tools may run at the same time:
# prefect gcl create vivado-licences --limit 2
LICENCES = "vivado-licences"
# The shortest that Prefect takes is 60 s; renewed as long as this process lives.
_LEASE_S = 120.0


def hooks(step: str) -> Hooks:
    """Hooks for the build of a step, in the run of its task."""
    return Hooks(licence=_licence, listener=_Bar(step).show)


@contextlib.contextmanager
def _licence() -> Iterator[None]:
    """Wait in Prefect's queue; the licence server itself decides who gets one."""
    if not _exists():
        yield
        return
    log.info("waiting for the limit %s", LICENCES)
    with concurrency(LICENCES, lease_duration=_LEASE_S, raise_on_lease_renewal_failure=False):
        yield


def _exists() -> bool:
    with get_client(sync_client=True) as client:
        try:
            client.read_global_concurrency_limit_by_name(LICENCES)
        except ObjectNotFound:
            return False
    return True


class _Bar:
    """A progress artifact, made at the first news; a toolchain without news has none."""

    def __init__(self, step: str) -> None:
        self._step = step
        self._artifact: UUID | None = None

    def show(self, progress: Progress) -> None:
        percent = 100 * progress.fraction
        text = f"{self._step}: {progress.phase}"
        try:
            if self._artifact is None:
                made = create_progress_artifact(percent, description=text)
                self._artifact = made if isinstance(made, UUID) else None
            else:
                update_progress_artifact(self._artifact, percent, description=text)
        except Exception:
            log.debug("progress could not be shown", exc_info=True)
