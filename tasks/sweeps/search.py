"""Which points a sweep tries: all of them at once, or those that Optuna picks batch by batch."""

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.core.errors import InputError, ToolMissingError
from tasks.sweeps.file import OptunaSearch, SweepFile
from tasks.sweeps.points import Point, count, expand, point
from tasks.sweeps.results import PointResult

# More points than anybody means to start by a slip of the pen.
ASK_ABOVE = 200


def refuse_too_many(file: SweepFile) -> None:
    """Raise InputError for more points than somebody may have meant."""
    number = count(file)
    if number > ASK_ABOVE:
        raise InputError(
            f"the sweep has {number} points",
            where=str(file.path),
            remedy="if that is meant, say --yes, or `many` in the UI; else shorten an axis, or add "
            "random: {n: 50}",
        )


def batches(
    file: SweepFile, size: int, results: Mapping[str, PointResult]
) -> Iterator[list[Point]]:
    """Points to try; when the next batch is asked for, `results` holds those of the one before.

    Args:
        file: the sweep.
        size: points at a time, where a search goes by earlier results.
        results: by the digest of the point.
    """
    if file.spec.optuna is None:
        yield expand(file)
    else:
        yield from _optuna(file, file.spec.optuna, size, results)


def _optuna(
    file: SweepFile, search: OptunaSearch, size: int, results: Mapping[str, PointResult]
) -> Iterator[list[Point]]:
    """The same seed and results give the same points, so a sweep that goes on repeats none."""
    optuna = import_optuna()
    study = optuna.create_study(
        directions=list(search.objectives.values()),
        sampler=optuna.samplers.TPESampler(seed=search.seed),
    )
    axes = file.spec.axes
    # By number: Optuna takes no lists or mappings as choices.
    space = {
        name: optuna.distributions.CategoricalDistribution(range(len(values)))
        for name, values in axes.items()
    }
    left = count(file)
    while left > 0:
        trials = [study.ask(space) for _ in range(min(size, left))]
        left -= len(trials)
        chosen = [
            point(file, {name: axes[name][trial.params[name]] for name in axes}) for trial in trials
        ]
        yield list({each.digest: each for each in chosen if each.digest not in results}.values())
        for trial, each in zip(trials, chosen, strict=True):
            _tell(study, trial, search, results.get(each.digest))


def _tell(study: Any, trial: Any, search: OptunaSearch, found: PointResult | None) -> None:
    values = (
        [getattr(found.figures, name) for name in search.objectives]
        if (found and found.figures)
        else [None]
    )
    if None in values:
        study.tell(trial, state=import_optuna().trial.TrialState.FAIL)
    else:
        study.tell(trial, values)


def import_optuna() -> Any:
    """Optuna, quiet.

    Raises:
        ToolMissingError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise ToolMissingError(
            "Optuna is not installed",
            where="optuna",
            remedy="pip install 'overlayflow[optuna]', or use a grid or random",
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def check(file: SweepFile) -> list[Point]:
    """Find what is wrong with a sweep's points before anything starts; return a grid's points.

    Raises:
        InputError: a setting that no point can have.
        ToolMissingError: Optuna is asked for and not installed.
    """
    if file.spec.optuna is None:
        return expand(file)
    import_optuna()
    axes = file.spec.axes
    if not all(axes.values()):
        raise InputError("an axis has no values", where=file.where("axes"))
    first = {name: values[0] for name, values in axes.items()}
    return [
        point(file, {**first, name: value}) for name, values in axes.items() for value in values
    ]
