"""The history of runs that reached a verdict: a record and a report per run, kept in the store.

Everybody who shares the store shares the history, and reading it needs no Prefect server. File
names contain time, project and board, so the newest runs of a board are found without reading the
others.
"""

import logging
from collections.abc import Iterator

import fsspec
from pydantic import ValidationError

from tasks.core.errors import InputError, StoreError
from tasks.core.records.measurement import Run
from tasks.reporting.figures import percent

log = logging.getLogger(__name__)

COLUMNS = (
    "finished", "run", "model", "board", "verdict", "accuracy", "bit-exact", "latency",
    "inferences/s", "LUT", "clock",
)  # fmt: skip
# Files to read at a time: an object store serves many at once.
BATCH = 50


def add(store_url: str, run: Run, report: str) -> None:
    """Keep a run and its report in Markdown.

    Raises:
        StoreError: the store cannot be written.
    """
    files, root = fsspec.url_to_fs(store_url)
    measurement = run.verdict.measurement
    name = "~".join(
        (
            run.finished.replace(":", ""),
            measurement.deployment.package.manifest.project_name,
            measurement.deployment.board,
            run.flow_run_id,
        )
    )
    try:
        files.makedirs(f"{root}/runs", exist_ok=True)
        files.pipe(f"{root}/runs/{name}.md", report.encode())
        # Write to a temporary name, then rename, so readers never see half a run.
        path = f"{root}/runs/{name}.json"
        files.pipe(f"{path}.part", run.model_dump_json().encode())
        files.mv(f"{path}.part", path)
    except OSError as error:
        raise StoreError(
            f"cannot keep the run: {error}", where=store_url, remedy="free space on that disk"
        ) from error


def runs(
    store_url: str,
    *,
    model: str | None = None,
    project: str | None = None,
    board: str | None = None,
    limit: int = 20,
) -> tuple[Run, ...]:
    """Return runs, newest first; skip files that are not runs of this version, with a warning.

    Args:
        store_url: root of the store.
        model: only runs with this model file name.
        project: only runs of this project.
        board: only runs on this board.
        limit: maximum number of runs.
    """
    found: list[Run] = []
    for run in _read(store_url, f"*~{project or '*'}~{board or '*'}~*"):
        if model in {None, run.verdict.measurement.deployment.package.manifest.model_name}:
            found.append(run)
        if len(found) == limit:
            break
    return tuple(found)


def find(store_url: str, name: str) -> tuple[Run, str]:
    """Return a run and its report.

    Args:
        store_url: root of the store.
        name: the flow run's id or the beginning of it, or its name, which selects the newest run
            of that name.

    Raises:
        InputError: no run or several runs match.
    """
    chosen = list(_read(store_url, f"*~{name}*")) if _is_id(name) else []
    if len(chosen) > 1:
        raise InputError(
            f"{len(chosen)} runs match", where=f"run {name}", remedy="give more of the id"
        )
    if not chosen:
        chosen = [run for run in _read(store_url, "*") if run.flow_run_name == name][:1]
    if not chosen:
        raise InputError(
            "no run with this id or name reached a verdict",
            where=f"run {name}",
            remedy="list the ids with `overlayflow history --json`",
        )
    files, root = fsspec.url_to_fs(store_url)
    (path,) = files.glob(f"{root}/runs/*~{chosen[0].flow_run_id}.md")
    return chosen[0], files.cat_file(path).decode()


def of_flow_run(store_url: str, flow_run_id: str) -> Run | None:
    """Return a flow run's record, or None if it did not reach a verdict."""
    return next(_read(store_url, f"*~{flow_run_id}"), None)


def _is_id(name: str) -> bool:
    return bool(name) and set(name) <= set("0123456789abcdef-")


def _read(store_url: str, pattern: str) -> Iterator[Run]:
    """Yield the runs whose file name matches, newest first."""
    files, root = fsspec.url_to_fs(store_url)
    paths = sorted(files.glob(f"{root}/runs/{pattern}.json"), reverse=True)
    for start in range(0, len(paths), BATCH):
        batch = paths[start : start + BATCH]
        contents = files.cat(batch)
        for path in batch:
            try:
                yield Run.model_validate_json(contents[path])
            except ValidationError:
                log.warning("skipping %s: not a run record of this version", path)


def row(run: Run) -> tuple[str, ...]:
    """Return the figures named by COLUMNS."""
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
        f"{1e6 * measurement.latency_s['p50']:.3g} µs",
        f"{measurement.inferences_per_s:,.0f}" + (" (simulated)" if measurement.simulated else ""),
        f"{used.lut}" if used else "not known",
        f"{measurement.clock_mhz:g} MHz",
    )
