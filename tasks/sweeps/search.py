"""Choose the points of a sweep: all of them, or batches picked by Optuna."""

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.core.errors import InputError, ToolMissingError
from tasks.sweeps.file import OptunaSearch, SweepFile
from tasks.sweeps.points import Point, count, expand, point
from tasks.sweeps.results import PointResult

# A sweep with more points than this must be confirmed; it may be a typing error.
ASK_ABOVE = 200


def refuse_too_many(file: SweepFile) -> None:
    """Raise InputError if the sweep has so many points that it must be confirmed."""
    number = count(file)
    if number > ASK_ABOVE:
        raise InputError(
            f"the sweep has {number} points",
            where=str(file.path),
            remedy="if intended, pass --yes, or set `many` in the UI; otherwise shorten an axis, "
            "or add random: {n: 50}",
        )


def batches(
    file: SweepFile, size: int, results: Mapping[str, PointResult]
) -> Iterator[list[Point]]:
    """Yield batches of points; before requesting the next batch, add the results of the last one.

    Args:
        file: the sweep.
        size: size of a batch, if the search depends on earlier results.
        results: results by the digest of their point.
    """
    if file.spec.optuna is None:
        yield expand(file)
    else:
        yield from _optuna(file, file.spec.optuna, size, results)


def _optuna(
    file: SweepFile, search: OptunaSearch, size: int, results: Mapping[str, PointResult]
) -> Iterator[list[Point]]:
    """Yield Optuna's batches; the same seed and results give the same points when resumed."""
    optuna = import_optuna()
    study = optuna.create_study(
        directions=list(search.objectives.values()),
        sampler=optuna.samplers.TPESampler(seed=search.seed),
    )
    axes = file.spec.axes
    # By index, because Optuna does not accept lists or mappings as choices.
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
    """Import Optuna and silence its log.

    Raises:
        ToolMissingError: Optuna is not installed.
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
    """Check all points of a sweep before anything starts, and return them.

    Of a search by Optuna, check and return one point per value of each axis.

    Raises:
        InputError: a setting is invalid.
        ToolMissingError: the sweep uses Optuna, which is not installed.
    """
    if file.spec.optuna is None:
        return expand(file)
    import_optuna()
    axes = file.spec.axes
    first = {name: values[0] for name, values in axes.items()}
    return [
        point(file, {**first, name: value}) for name, values in axes.items() for value in values
    ]
