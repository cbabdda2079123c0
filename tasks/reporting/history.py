"""History of the runs that ended with a verdict: a record and a page for each, in the store.

Whoever shares the store shares the history, and reading it needs no Prefect server. A file's name
is time~project~board~id, so the newest runs of a board are found without reading the others. While
a shared store is away, runs wait on the machine that made them.
"""

import csv
import difflib
import heapq
import io
import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from tasks.core.errors import InputError, StoreError, near
from tasks.core.records.measurement import Run
from tasks.core.records.settings import ConvertSettings
from tasks.reporting import key_figures
from tasks.reporting.figures import quality
from tasks.reporting.key_figures import Cell
from tasks.store.files import Files
from tasks.store.store import cache_of

log = logging.getLogger(__name__)

COLUMNS = (
    "run", "name", "finished", "model", "differs", "board", "verdict",
    *(column for column, _ in key_figures.COLUMNS.values()), "simulated",
)  # fmt: skip
# What fits a line of 80 characters.
LINE = ("run", "when", "model", "differs", "verdict", "accuracy", "latency", "LUT")
SIMULATED = "\\* simulated: measured on a twin, in clock cycles of the design"
RUNS = "runs"
# Files that are read at a time: an object store answers many at once.
BATCH = 50
# Digits of an id that people type, and names in a message.
SHORT = 8
MOST_NAMED = 10
RECENT = timedelta(days=180)


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
    """Keep a run and its page, on this machine if a shared store is away; that is logged.

    Raises:
        StoreError: nothing can be written here.
    """
    deployment = run.verdict.measurement.deployment
    project = deployment.package.manifest.project_name
    name = _Name(run.finished.replace(":", ""), project, deployment.board, run.flow_run_id).stem
    here, *shared = _places(store_url)
    here.write(f"{RUNS}/{name}.html", page.encode())
    here.write(f"{RUNS}/{name}.json", run.model_dump_json().encode())
    try:
        for files in shared:
            _move(here, files)
    except StoreError as error:
        log.warning("the run stays on this machine until another one can be shared: %s", error)


def _places(store_url: str) -> tuple[Files, ...]:
    """Return where runs are written, and where they go from there if the store is shared."""
    if "://" not in store_url:
        return (Files(store_url),)
    return Files(str(cache_of(store_url))), Files(store_url)


def _move(here: Files, shared: Files) -> None:
    for suffix in (".html", ".json"):  # only who has the record looks for its page
        for stem, _ in _names(here, suffix):
            path = f"{RUNS}/{stem}{suffix}"
            content = here.read(path)
            if content is not None:  # another process may have moved it
                shared.write(path, content)
                here.remove(path)


class Wanted(NamedTuple):
    """Which runs somebody wants to see; None where it does not matter.

    Attributes:
        model: the model's file name.
        since: the earliest end.
        until: the latest end.
    """

    model: str | None = None
    project: str | None = None
    board: str | None = None
    passed: bool | None = None
    since: datetime | None = None
    until: datetime | None = None

    def by_name(self, name: _Name) -> bool:
        """Return whether a run may be wanted, by the name of its file alone."""
        return self.project in {None, name.project} and self.board in {None, name.board}

    def fits(self, run: Run) -> bool:
        """Return whether a run of such a name is wanted."""
        finished = datetime.fromisoformat(run.finished)
        return (
            self.model in {None, run.verdict.manifest.model_name}
            and self.passed in {None, run.verdict.passed}
            and (self.since is None or finished >= self.since)
            and (self.until is None or finished <= self.until)
        )


EVERY = Wanted()


def runs(store_url: str, wanted: Wanted = EVERY, *, limit: int = 20) -> tuple[Run, ...]:
    """Return runs, newest first; skip files that are not runs of this version, with a warning.

    Raises:
        StoreError: the store cannot be reached.
    """
    fitting = (run for run in _read(store_url, wanted.by_name) if wanted.fits(run))
    return tuple(itertools.islice(fitting, limit))


def require_known(store_url: str, wanted: Wanted) -> None:
    """Check that there are runs of the model, project and board that are wanted, if any are.

    Raises:
        InputError: no run has one of these names; the message names those that are near.
        StoreError: the store cannot be reached.
    """
    names = [name for files in _places(store_url) for _, name in _names(files, ".json")]
    if not names:
        return
    known: dict[str, set[str]] = {
        "project": {each.project for each in names},
        "board": {each.board for each in names},
    }
    if wanted.model is not None:
        known["model"] = {
            run.verdict.manifest.model_name for run in _read(store_url, lambda _: True)
        }
    for what, there in known.items():
        name = getattr(wanted, what)
        if name is not None and name not in there:
            raise InputError(
                f"no run has this {what}{near(name, there)}",
                where=f"{what} {name}",
                remedy=f"{what}s with runs: {', '.join(sorted(there)[:MOST_NAMED])}",
            )


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
    for files in _places(store_url):
        run = _find_in(files, name)
        if run is not None:
            return run, _page(files, run.flow_run_id)
    raise _unknown(store_url, name)


def _find_in(files: Files, name: str) -> Run | None:
    """Return the run that `find` means, if it is here; raise InputError if there are several."""
    exact = next(_read_in(files, lambda each: each.flow_run_id == name), None)
    if exact is None:
        every = _read_in(files, lambda _: True)
        exact = next((run for run in every if run.flow_run_name == name), None)
    if exact is not None or not _is_id(name):
        return exact
    chosen = list(_read_in(files, lambda each: each.flow_run_id.startswith(name)))
    if len(chosen) > 1:
        raise InputError(
            f"{len(chosen)} runs match", where=f"run {name}", remedy="give more of the id"
        )
    return chosen[0] if chosen else None


def _unknown(store_url: str, name: str) -> InputError:
    """Return the error for a name that no run has, with those that come near."""
    known = {
        text: f"{run.flow_run_name} ({run.flow_run_id[:SHORT]})"
        for run in _read(store_url, lambda _: True)
        for text in (run.flow_run_name, run.flow_run_id[:SHORT])
    }
    close = difflib.get_close_matches(name, known, n=3)
    meant = list(dict.fromkeys(known[each] for each in close))
    return InputError(
        "no run with this id or name reached a verdict"
        + (f": did you mean {' or '.join(meant)}?" if meant else ""),
        where=f"run {name}",
        remedy="list the runs with: overlayflow history",
    )


def of_flow_run(store_url: str, flow_run_id: str) -> Run | None:
    """Return a flow run's record, or None if it did not reach a verdict."""
    for files in _places(store_url):
        for run in _read_in(files, lambda name: name.flow_run_id == flow_run_id):
            return run
    return None


def _is_id(name: str) -> bool:
    return bool(name) and set(name) <= set("0123456789abcdef-")


def _page(files: Files, flow_run_id: str) -> str:
    for stem, name in _names(files, ".html"):
        if name.flow_run_id == flow_run_id:
            return (files.read(f"{RUNS}/{stem}.html") or b"").decode()
    return ""


def _read(store_url: str, wanted: Callable[[_Name], bool]) -> Iterator[Run]:
    """Return the runs whose file name is wanted, newest first."""
    found = (_read_in(files, wanted) for files in _places(store_url))
    return heapq.merge(*found, key=lambda run: run.finished, reverse=True)


def _read_in(files: Files, wanted: Callable[[_Name], bool]) -> Iterator[Run]:
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


def line(run: Run) -> tuple[str, ...]:
    """Return the figures named by LINE; times are UTC."""
    found = run.figures
    latency = "" if found.latency_us is None else f"{found.latency_us:.3g} µs"
    return (
        run.flow_run_id[:SHORT],
        _when(datetime.fromisoformat(run.finished)),
        Path(run.verdict.manifest.model_name).stem,
        key_figures.differs(run),
        _verdict(run),
        quality(run.verdict) if found.accuracy is None else f"{found.accuracy:.2%}",
        latency + ("*" if found.simulated else ""),
        key_figures.text("LUT", found.lut),
    )


def _when(finished: datetime) -> str:
    """Return a time of the last months to the minute, an older one to the day, as `ls` does."""
    is_recent = datetime.now(UTC) - finished < RECENT
    return finished.strftime("%m-%d %H:%M" if is_recent else "%Y-%m-%d")


def row(run: Run) -> tuple[str, ...]:
    """Return the figures named by COLUMNS, as text."""
    return tuple(key_figures.text(column, value) for column, value in cells(run).items())


def cells(run: Run) -> dict[str, Cell]:
    """Return the figures named by COLUMNS; None for what is not known."""
    manifest = run.verdict.manifest
    return {
        "run": run.flow_run_id[:SHORT],
        "name": run.flow_run_name,
        "finished": run.finished,
        "model": f"{manifest.model_name} {manifest.model_digest[:8]}",
        "differs": key_figures.differs(run),
        "board": run.verdict.measurement.deployment.board,
        "verdict": _verdict(run),
        **key_figures.cells(run.figures),
        "simulated": "yes" if run.verdict.measurement.simulated else "no",
    }


def as_csv(runs: Sequence[Run]) -> str:
    """Return every figure and setting of runs as CSV; unknown values are empty."""
    settings = [name for name in ConvertSettings.model_fields if name != "project_name"]
    text = io.StringIO()
    writer = csv.DictWriter(text, [*COLUMNS, "project", *settings, "flow run"], lineterminator="\n")
    writer.writeheader()
    for run in runs:
        manifest = run.verdict.manifest
        given = {} if manifest.settings is None else manifest.settings.model_dump()
        writer.writerow(
            {
                **cells(run),
                "project": manifest.project_name,
                **{name: given.get(name) for name in settings},
                "flow run": run.flow_run_id,
            }
        )
    return text.getvalue()


def _verdict(run: Run) -> str:
    return "passed" if run.verdict.passed else "FAILED"
