"""The runs that ended with a verdict: one small file a run, beside the store's entries.

They live where the store does, so that everybody who shares the store shares the history, and
reading it needs no Prefect server.
"""

import logging

import fsspec
from pydantic import ValidationError

from tasks.errors import StoreError
from tasks.records import Run
from tasks.reporting.figures import percent

log = logging.getLogger(__name__)

COLUMNS = (
    "finished", "run", "model", "board", "verdict", "accuracy", "bit-exact", "inferences/s",
    "LUT", "clock",
)  # fmt: skip


def add(store_url: str, run: Run) -> None:
    """Keep a run.

    Raises:
        StoreError: it cannot be written.
    """
    files, root = fsspec.url_to_fs(store_url)
    try:
        files.makedirs(f"{root}/runs", exist_ok=True)
        # Written aside and moved: a reader never sees half a run.
        path = f"{root}/runs/{run.flow_run_id}.json"
        files.pipe(f"{path}.part", run.model_dump_json().encode())
        files.mv(f"{path}.part", path)
    except OSError as error:
        raise StoreError(
            f"the run cannot be kept: {error}", where=store_url, remedy="free space on that disk"
        ) from error


def runs(
    store_url: str, *, model: str | None = None, board: str | None = None, limit: int = 20
) -> tuple[Run, ...]:
    """The newest runs first; files that are no runs of this version are left out with a warning.

    Args:
        store_url: root of the store.
        model: only runs of this model file name.
        board: only runs on this board.
        limit: at most so many.
    """
    files, root = fsspec.url_to_fs(store_url)
    found = []
    for path in files.glob(f"{root}/runs/*.json"):
        try:
            found.append(Run.model_validate_json(files.cat_file(path)))
        except ValidationError:
            log.warning("%s is no run record of this version; left out", path)
    chosen = [
        run
        for run in found
        if model in {None, run.verdict.measurement.deployment.package.manifest.model_name}
        and board in {None, run.verdict.measurement.deployment.board}
    ]
    return tuple(sorted(chosen, key=lambda run: run.finished, reverse=True)[:limit])


def row(run: Run) -> tuple[str, ...]:
    """The figures of COLUMNS."""
    verdict = run.verdict
    measurement = verdict.measurement
    manifest = measurement.deployment.package.manifest
    used = manifest.utilisation.used if manifest.utilisation else None
    return (
        run.finished,
        run.flow_run_name,
        f"{manifest.model_name} {manifest.model_digest[:8]}",
        measurement.deployment.board,
        "passed" if verdict.passed else "FAILED",
        percent(verdict.accuracy_board),
        f"{verdict.bit_exact}/{verdict.samples}",
        f"{measurement.inferences_per_s:,.0f}" + (" (simulated)" if measurement.simulated else ""),
        f"{used.lut}" if used else "not known",
        f"{measurement.clock_mhz:g} MHz",
    )
