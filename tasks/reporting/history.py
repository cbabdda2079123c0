"""History of the runs that ended with a verdict: a record and a page for each, in the store.

Whoever shares the store shares the history, and reading it needs no Prefect server. A file's name
is time~project~board~id, so the newest runs of a board are found without reading the others.
"""

import logging
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pydantic import ValidationError

from tasks.core.errors import InputError
from tasks.core.records.measurement import Run
from tasks.reporting.figures import quality
from tasks.store.files import Files

log = logging.getLogger(__name__)

COLUMNS = (
    "finished", "run", "model", "board", "verdict", "accuracy", "bit-exact", "latency",
    "inferences/s", "LUT", "clock",
)  # fmt: skip
RUNS = "runs"
# Files that are read at a time: an object store answers many at once.
BATCH = 50


class _Name(NamedTuple):
    """What the name of a run's files says."""

    finished: str
    project: str
    board: str
    flow_run_id: str

    @property
    def stem(self) -> str:
        return "~".join(self)


def add(store_url: str, run: Run, page: str) -> None:
    """Keep a run and its page.

    Raises:
        StoreError: the store cannot be written.
    """
    deployment = run.verdict.measurement.deployment
    project = deployment.package.manifest.project_name
    name = _Name(run.finished.replace(":", ""), project, deployment.board, run.flow_run_id).stem
    files = Files(store_url)
    files.write(f"{RUNS}/{name}.html", page.encode())
    files.write(f"{RUNS}/{name}.json", run.model_dump_json().encode())


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

    Raises:
        StoreError: the store cannot be reached.
    """
    found: list[Run] = []
    wanted = _read(
        store_url, lambda name: project in {None, name.project} and board in {None, name.board}
    )
    for run in wanted:
        if model in {None, run.verdict.measurement.deployment.package.manifest.model_name}:
            found.append(run)
        if len(found) == limit:
            break
    return tuple(found)


def find(store_url: str, name: str) -> tuple[Run, str]:
    """Return a run and its page, which is empty for runs of versions that kept none.

    Args:
        store_url: root of the store.
        name: the flow run's id; or its name, for the newest run of that name; or the beginning of
            the id of one run.

    Raises:
        InputError: no run matches, or several do.
        StoreError: the store cannot be reached.
    """
    exact = of_flow_run(store_url, name)
    if exact is None:
        every = _read(store_url, lambda _: True)
        exact = next((run for run in every if run.flow_run_name == name), None)
    chosen = [exact] if exact else []
    if not chosen and _is_id(name):
        chosen = list(_read(store_url, lambda each: each.flow_run_id.startswith(name)))
    if len(chosen) > 1:
        raise InputError(
            f"{len(chosen)} runs match", where=f"run {name}", remedy="give more of the id"
        )
    if not chosen:
        raise InputError(
            "no run with this id or name reached a verdict",
            where=f"run {name}",
            remedy="list the ids with `overlayflow history --json`",
        )
    return chosen[0], _page(store_url, chosen[0].flow_run_id)


def of_flow_run(store_url: str, flow_run_id: str) -> Run | None:
    """Return a flow run's record, or None if it did not reach a verdict."""
    return next(_read(store_url, lambda name: name.flow_run_id == flow_run_id), None)


def _is_id(name: str) -> bool:
    return bool(name) and set(name) <= set("0123456789abcdef-")


def _page(store_url: str, flow_run_id: str) -> str:
    files = Files(store_url)
    for stem, name in _names(files, ".html"):
        if name.flow_run_id == flow_run_id:
            return (files.read(f"{RUNS}/{stem}.html") or b"").decode()
    return ""


def _read(store_url: str, wanted: Callable[[_Name], bool]) -> Iterator[Run]:
    """Yield the runs whose file name is wanted, newest first."""
    files = Files(store_url)
    paths = [f"{RUNS}/{stem}.json" for stem, name in _names(files, ".json") if wanted(name)]
    paths.reverse()
    for start in range(0, len(paths), BATCH):
        for path, content in files.read_each(paths[start : start + BATCH]):
            try:
                yield Run.model_validate_json(content or b"")
            except ValidationError:
                log.warning("skipping %s: not a run record of this version", path)


def _names(files: Files, suffix: str) -> Iterator[tuple[str, _Name]]:
    """Yield the stems of the files with a suffix, oldest first, and what they say."""
    for file in files.names(RUNS):
        stem = file.removesuffix(suffix)
        parts = stem.split("~")
        if stem != file and len(parts) == len(_Name._fields):
            yield stem, _Name(*parts)


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
        quality(verdict),
        f"{verdict.bit_exact}/{verdict.samples}",
        f"{1e6 * measurement.latency_s['p50']:.3g} µs",
        f"{measurement.inferences_per_s:,.0f}" + (" (simulated)" if measurement.simulated else ""),
        f"{used.lut}" if used else "not known",
        f"{measurement.clock_mhz:g} MHz",
    )
