"""Baselines: accepted runs, each of which later runs of the same are compared with.

The same is a project with the same settings on the same board: another point of a sweep is no
regression. They are kept beside the history, in small files.
"""

import hashlib
import logging
from collections.abc import Iterator

from pydantic import ValidationError

from tasks.core.errors import InputError
from tasks.core.records.design import Gate, resource_label
from tasks.core.records.measurement import Measurement, Run, Verdict
from tasks.core.records.package import Manifest
from tasks.quality.gates import GateSettings, at_most, resource_shares
from tasks.store.files import Files

log = logging.getLogger(__name__)

PREFIX = "baseline "
BASELINES = "baselines"


def accept(store_url: str, run: Run) -> None:
    """Make a run the baseline of its project, settings and board; it replaces one that was.

    Raises:
        StoreError: the store cannot be written.
    """
    files, manifest = Files(store_url), run.verdict.manifest
    board = run.verdict.measurement.deployment.board
    for path in _paths(files, manifest.project_name, board):
        kept = _run(files, path)
        if kept is not None and _alike(kept.verdict.manifest, manifest):
            files.remove(path)
    content = run.model_dump_json().encode()
    name = f"{manifest.project_name}~{board}~{hashlib.sha256(content).hexdigest()[:16]}.json"
    files.write(f"{BASELINES}/{name}", content)


def find(store_url: str, manifest: Manifest, board: str) -> Run | None:
    """Return the accepted run of a package's project with its settings on a board.

    Raises:
        StoreError: the store cannot be reached.
    """
    files = Files(store_url)
    kept = (_run(files, path) for path in _paths(files, manifest.project_name, board))
    return next((run for run in kept if run and _alike(run.verdict.manifest, manifest)), None)


def every(store_url: str) -> tuple[Run, ...]:
    """Return all accepted runs, by project and board; skip records of other versions.

    Raises:
        StoreError: the store cannot be reached.
    """
    files = Files(store_url)
    names = [name for name in files.names(BASELINES) if name.endswith(".json")]
    found = (_run(files, f"{BASELINES}/{name}") for name in names)
    return tuple(run for run in found if run is not None)


def remove(store_url: str, project: str, board: str) -> None:
    """Forget the baselines of a project on a board.

    Raises:
        InputError: there is none.
        StoreError: the store cannot be written.
    """
    files = Files(store_url)
    paths = _paths(files, project, board)
    for path in paths:
        files.remove(path)
    if not paths:
        raise InputError(
            "there is no such baseline",
            where=f"{project} on {board}",
            remedy="overlayflow baseline list",
        )


def compare(verdict: Verdict, baseline: Run, settings: GateSettings) -> tuple[Gate, ...]:
    """Compare a run's accuracy, latency, throughput and utilisation with its baseline.

    Args:
        verdict: of the new run.
        baseline: the accepted run of the same project on the same board.
        settings: tolerances, and the mode of these gates.

    Returns:
        One gate per figure that both runs have; none if baselines are ignored.
    """
    if settings.baseline == "ignore":
        return ()
    gates = (
        *_speed(verdict.measurement, baseline.verdict.measurement, settings),
        *_accuracy(verdict.accuracy_board, baseline.verdict.accuracy_board, settings),
        *_error(verdict.rmse_board, baseline.verdict.rmse_board, settings),
        *_utilisation(verdict.manifest, baseline.verdict.manifest, settings),
    )
    since = f" (baseline: {baseline.flow_run_name}, {baseline.finished})"
    return tuple(
        gate.model_copy(
            update={
                "name": PREFIX + gate.name,
                "mode": settings.baseline,
                "message": gate.message + since,
            }
        )
        for gate in gates
    )


def regressed(verdict: Verdict) -> bool:
    """Return whether the run is worse than its baseline in any figure."""
    return any(gate.name.startswith(PREFIX) and not gate.passed for gate in verdict.gates)


def _speed(new: Measurement, old: Measurement, settings: GateSettings) -> Iterator[Gate]:
    allowed = f"allowed: {settings.slowdown:.0%} slower"
    now, then = new.latency_s["p50"], old.latency_s["p50"]
    yield at_most(
        "latency",
        now / then - 1,
        settings.slowdown,
        settings.mode,
        f"batch 1 takes {now * 1e6:.4g} µs, before {then * 1e6:.4g} µs; {allowed}",
    )
    yield at_most(
        "throughput",
        old.inferences_per_s / new.inferences_per_s - 1,
        settings.slowdown,
        settings.mode,
        f"{new.inferences_per_s:,.0f} inferences/s, before {old.inferences_per_s:,.0f}; {allowed}",
    )


def _accuracy(new: float | None, old: float | None, settings: GateSettings) -> Iterator[Gate]:
    if new is not None and old is not None:
        yield at_most(
            "accuracy",
            old - new,
            settings.accuracy_loss,
            settings.mode,
            f"the board classifies {new:.2%} correctly, before {old:.2%}; "
            f"allowed loss: {settings.accuracy_loss:.2%}",
        )


def _error(new: float | None, old: float | None, settings: GateSettings) -> Iterator[Gate]:
    if new is not None and old is not None:
        yield at_most(
            "error",
            new / old - 1 if old else new,
            settings.error_growth,
            settings.mode,
            f"RMSE against y_test: {new:.4g}, baseline {old:.4g}; "
            f"allowed increase: {settings.error_growth:.0%}",
        )


def _utilisation(new: Manifest, old: Manifest, settings: GateSettings) -> Iterator[Gate]:
    """Yield the gate for the resource whose share of the part has grown most."""
    if new.utilisation is None or old.utilisation is None or new.part != old.part:
        return
    before, after = resource_shares(old.utilisation), resource_shares(new.utilisation)
    most = max(after, key=lambda name: after[name] - before[name])
    yield at_most(
        "utilisation",
        after[most] - before[most],
        settings.growth,
        settings.mode,
        f"{resource_label(most)} takes {after[most]:.1%} of the part, before {before[most]:.1%}; "
        f"allowed: {settings.growth:.1%} more",
    )


def _alike(one: Manifest, other: Manifest) -> bool:
    """Whether two packages are meant to be the same design."""
    return (one.settings, one.target) == (other.settings, other.target)


def _paths(files: Files, project: str, board: str) -> list[str]:
    """Return the files of a project's baselines on a board; version 0.1.0 kept one of each."""
    stem = f"{project}~{board}"
    return [
        f"{BASELINES}/{name}"
        for name in files.names(BASELINES)
        if name == f"{stem}.json" or (name.startswith(f"{stem}~") and name.endswith(".json"))
    ]


def _run(files: Files, path: str) -> Run | None:
    content = files.read(path)
    if content is None:
        return None
    try:
        return Run.model_validate_json(content)
    except ValidationError:
        log.warning("skipping %s: not a run record of this version", path)
        return None
