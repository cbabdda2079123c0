"""Baselines: for a project on a board, the accepted run that later runs are held against.

They are kept beside the history: one small file a project and board.
"""

from collections.abc import Iterator
from typing import Any

import fsspec

from tasks.core.errors import InputError, StoreError
from tasks.core.records.design import Gate
from tasks.core.records.measurement import Measurement, Run, Verdict
from tasks.core.records.package import Manifest
from tasks.quality.gates import GateSettings, at_most, resource_shares

PREFIX = "baseline "


def accept(store_url: str, run: Run) -> None:
    """Make a run the baseline of its project on its board.

    Raises:
        StoreError: it cannot be written.
    """
    deployment = run.verdict.measurement.deployment
    files, root = fsspec.url_to_fs(store_url)
    path = _path(root, deployment.package.manifest.project_name, deployment.board)
    try:
        files.makedirs(f"{root}/baselines", exist_ok=True)
        files.pipe(f"{path}.part", run.model_dump_json().encode())
        files.mv(f"{path}.part", path)
    except OSError as error:
        raise StoreError(
            f"the baseline cannot be kept: {error}",
            where=store_url,
            remedy="free space on that disk",
        ) from error


def find(store_url: str, project: str, board: str) -> Run | None:
    """The accepted run of a project on a board."""
    files, root = fsspec.url_to_fs(store_url)
    try:
        return _run(files, _path(root, project, board))
    except FileNotFoundError:
        return None


def every(store_url: str) -> tuple[Run, ...]:
    """All accepted runs, by project and board."""
    files, root = fsspec.url_to_fs(store_url)
    return tuple(_run(files, path) for path in sorted(files.glob(f"{root}/baselines/*.json")))


def remove(store_url: str, project: str, board: str) -> None:
    """Forget a baseline.

    Raises:
        InputError: there is none.
    """
    files, root = fsspec.url_to_fs(store_url)
    try:
        files.rm_file(_path(root, project, board))
    except FileNotFoundError as error:
        raise InputError(
            "there is no such baseline",
            where=f"{project} on {board}",
            remedy="overlayflow baseline list",
        ) from error


def compare(verdict: Verdict, baseline: Run, settings: GateSettings) -> tuple[Gate, ...]:
    """Hold accuracy, latency, throughput and utilisation of a run against its baseline's.

    Args:
        verdict: of the new run.
        baseline: the accepted run of the same project on the same board.
        settings: tolerances, and what a regression does.

    Returns:
        One gate a figure that both runs have; none where baselines are ignored.
    """
    if settings.baseline == "ignore":
        return ()
    gates = (
        *_speed(verdict.measurement, baseline.verdict.measurement, settings),
        *_accuracy(verdict.accuracy_board, baseline.verdict.accuracy_board, settings),
        *_utilisation(_manifest(verdict), _manifest(baseline.verdict), settings),
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
    """Whether the run is worse than its baseline in any figure."""
    return any(gate.name.startswith(PREFIX) and not gate.passed for gate in verdict.gates)


def _speed(new: Measurement, old: Measurement, settings: GateSettings) -> Iterator[Gate]:
    allowed = f"allowed: {settings.slowdown:.0%} slower"
    now, then = new.latency_s["p50"], old.latency_s["p50"]
    yield at_most(
        "latency",
        now / then - 1,
        settings.slowdown,
        settings.mode,
        f"batch 1 takes {now * 1e6:.4g} µs, it took {then * 1e6:.4g} µs; {allowed}",
    )
    yield at_most(
        "throughput",
        old.inferences_per_s / new.inferences_per_s - 1,
        settings.slowdown,
        settings.mode,
        f"{new.inferences_per_s:,.0f} inferences/s, there were {old.inferences_per_s:,.0f}; "
        f"{allowed}",
    )


def _accuracy(new: float | None, old: float | None, settings: GateSettings) -> Iterator[Gate]:
    if new is not None and old is not None:
        yield at_most(
            "accuracy",
            old - new,
            settings.accuracy_loss,
            settings.mode,
            f"the board classifies {new:.2%} right, it was {old:.2%}; "
            f"allowed loss: {settings.accuracy_loss:.2%}",
        )


def _utilisation(new: Manifest, old: Manifest, settings: GateSettings) -> Iterator[Gate]:
    """The resource whose share of the part has grown most."""
    if new.utilisation is None or old.utilisation is None or new.part != old.part:
        return
    before, after = resource_shares(old.utilisation), resource_shares(new.utilisation)
    most = max(after, key=lambda name: after[name] - before[name])
    yield at_most(
        "utilisation",
        after[most] - before[most],
        settings.growth,
        settings.mode,
        f"{most} takes {after[most]:.1%} of the part, it took {before[most]:.1%}; "
        f"allowed: {settings.growth:.1%} more",
    )


def _manifest(verdict: Verdict) -> Manifest:
    return verdict.measurement.deployment.package.manifest


def _path(root: str, project: str, board: str) -> str:
    return f"{root}/baselines/{project}~{board}.json"


def _run(files: Any, path: str) -> Run:
    return Run.model_validate_json(files.cat_file(path))
