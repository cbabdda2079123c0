"""Interprets a model's outputs, and compares other outputs with the framework's."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.conversion.dataset import chunks, value_range
from tasks.core.errors import InputError
from tasks.core.records.quality import Fidelity, Meaning, OutputQuality, Segment

Array = npt.NDArray[Any]

_SUMS_TO_ONE = 1e-3
_EXPECTED_YES = 0.5  # labels are 0 and 1, or -1 and 1
_BOUNDED = ("sigmoid", "hard_sigmoid", "softmax")
_UNBOUNDED = ("linear", "tanh")
# With fewer samples of a class, a single decision would change its share too much.
_FEW = 5
# An output that varies by at most this share of its magnitude counts as constant.
_STILL = 1e-3
_NOTHING = 1e-30  # smaller values count as 0
# With fewer samples, chance reaches too much to tell anything.
_ENOUGH = 50
_STANDARD_ERRORS = 2  # chance goes further in 2 % of all cases


def match_output(
    y: Array, shape: tuple[int, ...], activation: str = "", name: str = "y_test"
) -> tuple[Array, Meaning]:
    """Return the expected outputs in the output's shape, and what they mean.

    Class numbers (one integer per sample or pixel) become one-hot rows; a single output takes 0 and
    1. Rows along the last axis that are one-hot or probabilities are classes; other zeros and ones
    are decisions of each output; all else are values.

    Args:
        y: class numbers by sample; or samples x output shape.
        shape: of one sample of the model's output.
        activation: name of the model's last activation, if known.
        name: of the array in the data.

    Raises:
        InputError: y has none of these forms, or a class number has no output.
    """
    if y.shape[1:] != shape and y.shape[1:] in _numbered(shape):
        if shape[-1] > 1:
            return _one_hot(y, shape, name), Meaning(kind="classes")
        y = y.reshape(len(y), *shape)
    if y.shape[1:] != shape:
        raise InputError(
            f"{name} has samples of shape {y.shape[1:]}, the model gives {shape}",
            where=name,
            remedy="give class numbers (one integer a sample or pixel), one-hot rows, or targets",
        )
    if shape[-1] > 1 and _are_rows(y):
        soft = not _holds_only(y, (0, 1))
        return y, Meaning(kind="classes", soft=soft)
    if _holds_only(y, (0, 1)) or _holds_only(y, (-1, 1)):
        return y, Meaning(kind="decisions")
    if activation in _BOUNDED and _is_whole(y):
        lowest, highest = value_range(y)
        raise InputError(
            f"{name} has class numbers {lowest:g} to {highest:g}, the model has one output "
            f"({activation}), which distinguishes two classes",
            where=name,
            remedy="give 0 and 1, or a model with one output per class",
        )
    return y, Meaning(kind="values")


def _numbered(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the shapes of class numbers for an output: one per sample, or one per pixel."""
    pixels = shape[:-1]
    one_a_sample = [(), (1,)] if math.prod(pixels) == 1 else []
    return [pixels, (*pixels, 1), *one_a_sample]


def _one_hot(y: Array, shape: tuple[int, ...], name: str) -> Array:
    if not _is_whole(y):
        raise InputError(
            f"{name} has samples of shape {y.shape[1:]} that are not class numbers, the model "
            f"gives {shape}",
            where=name,
            remedy="give class numbers (one integer a sample or pixel), one-hot rows, or targets",
        )
    lowest, highest = value_range(y)
    classes = shape[-1]
    if lowest < 0 or highest >= classes:
        raise InputError(
            f"{name} has class numbers {lowest:g} to {highest:g}, "
            f"the model has classes 0 to {classes - 1}",
            where=name,
        )
    rows = np.eye(classes, dtype=np.float32)
    return rows[y.reshape(len(y), *shape[:-1]).astype(np.int64)]


def _are_rows(y: Array) -> bool:
    """Return whether all rows along the last axis are one-hot or probabilities."""
    return all(
        (y[part] >= 0).all() and (np.abs(y[part].sum(axis=-1) - 1) <= _SUMS_TO_ONE).all()
        for part in chunks(y)
    )


def _holds_only(y: Array, values: Sequence[int]) -> bool:
    return all(np.isin(y[part], values).all() for part in chunks(y))


def _is_whole(y: Array) -> bool:
    return all((y[part] == np.round(y[part])).all() for part in chunks(y))


def with_threshold(meaning: Meaning, activation: str, outputs: Array) -> Meaning:
    """Return the meaning of decisions with the threshold from which an output says yes.

    Args:
        meaning: of the outputs.
        activation: name of the model's last activation, if known.
        outputs: of the framework; used if the activation is unknown.
    """
    if meaning.kind != "decisions":
        return meaning
    bounded = activation in _BOUNDED
    if not bounded and activation not in _UNBOUNDED:
        lowest, highest = value_range(outputs)
        bounded = lowest >= 0 and highest <= 1
    return meaning.model_copy(update={"threshold": 0.5 if bounded else 0.0})


def decisions(outputs: Array, meaning: Meaning) -> npt.NDArray[np.int64]:
    """Return the class of each row along the last axis, or yes or no for each output; flat."""
    if meaning.kind == "classes":
        return np.asarray(outputs.argmax(axis=-1), dtype=np.int64).ravel()
    threshold = _EXPECTED_YES if meaning.threshold is None else meaning.threshold
    return (outputs.ravel() >= threshold).astype(np.int64)


def expected_decisions(expected: Array, meaning: Meaning) -> npt.NDArray[np.int64]:
    """Return the expected decisions."""
    return decisions(expected, meaning.model_copy(update={"threshold": _EXPECTED_YES}))


def accuracy(outputs: Array, expected: Array, meaning: Meaning) -> float | None:
    """Return the share of decisions that match the expected ones; None for values."""
    if meaning.kind == "values":
        return None
    right = total = 0
    for part in chunks(expected, outputs):
        wanted = expected_decisions(expected[part], meaning)
        right += int((decisions(outputs[part], meaning) == wanted).sum())
        total += wanted.size
    return right / total


def accuracy_by_chance(outputs: Array, expected: Array, meaning: Meaning) -> float | None:
    """Return the accuracy that the same decisions may reach if the samples are shuffled.

    Decisions that are always the same reach their own accuracy. The spread is that of Cohen's kappa
    without any agreement (Fleiss, Cohen and Everitt, 1969), corrected by half a sample.

    Args:
        outputs: samples x output shape.
        expected: in the same shape.
        meaning: of both.

    Returns:
        None for values, for several decisions a sample, and for few samples.
    """
    several = expected.shape[1:-1] if meaning.kind == "classes" else expected.shape[1:]
    samples = len(expected)
    if meaning.kind == "values" or math.prod(several) > 1 or samples < _ENOUGH:
        return None
    wanted, found = Counter[int](), Counter[int]()
    for part in chunks(expected, outputs):
        wanted.update(expected_decisions(expected[part], meaning).tolist())
        found.update(decisions(outputs[part], meaning).tolist())
    shares = [(wanted[each] / samples, found[each] / samples) for each in wanted]
    mean = sum(p * q for p, q in shares)
    variance = max(0.0, mean + mean**2 - sum(p * q * (p + q) for p, q in shares)) / samples
    return min(1.0, mean + _STANDARD_ERRORS * math.sqrt(variance) + 0.5 / samples)


def rmse(outputs: Array, expected: Array, meaning: Meaning) -> float | None:
    """Return the root mean square error of values and probabilities; None for other decisions."""
    if meaning.kind != "values" and not meaning.soft:
        return None
    return math.sqrt(_squares(outputs, expected) / expected.size)


def _squares(outputs: Array, expected: Array) -> float:
    total = 0.0
    for part in chunks(expected, outputs):
        difference = outputs[part].astype(np.float64) - expected[part]
        total += float((difference**2).sum())
    return total


def cut(row: Array, parts: Sequence[Segment]) -> list[Array]:
    """Split a row into the outputs of a model with several, which are concatenated in it.

    Args:
        row: samples x elements.
        parts: the outputs; `row` keeps its shape if there is only one.
    """
    if len(parts) == 1:
        return [row]
    ends = np.cumsum([part.size for part in parts])
    rows = np.split(row.reshape(len(row), -1), ends[:-1], axis=1)
    pairs = zip(rows, parts, strict=True)
    return [each.reshape(len(row), *part.shape) for each, part in pairs]


def judged(
    segment: Segment,
    meaning: Meaning,
    expected: Array,
    framework: Array,
    simulated: Array,
    *,
    drawn: bool = False,
) -> OutputQuality:
    """Return the quality of an output in the framework and in the C simulation.

    Args:
        segment: its name and shape.
        meaning: of the output.
        expected: expected values, samples x its shape.
        framework: the framework's, in the same shape.
        simulated: the C simulation's.
        drawn: whether the inputs were drawn at random, so that nothing is known to be expected.
    """
    scales = expected if meaning.kind == "values" and not drawn else None
    return OutputQuality(
        name=segment.name,
        shape=segment.shape,
        meaning=meaning,
        accuracy_framework=accuracy(framework, expected, meaning),
        accuracy_csim=accuracy(simulated, expected, meaning),
        accuracy_by_chance=accuracy_by_chance(framework, expected, meaning),
        rmse_framework=rmse(framework, expected, meaning),
        rmse_csim=rmse(simulated, expected, meaning),
        fidelity=compare(framework, simulated, meaning, scales),
    )


def compare(
    framework: Array, outputs: Array, meaning: Meaning, expected: Array | None = None
) -> Fidelity:
    """Compare outputs with the framework's.

    Args:
        framework: its outputs, samples x output shape.
        outputs: of a simulation or a board, in the same shape.
        meaning: of both.
        expected: targets. An output is as exact as its own target needs, however large others are.
    """
    tally = _Tally(framework.shape[1:])
    for part in chunks(framework, outputs):
        tally.add(framework[part], outputs[part], meaning)
    return tally.fidelity(meaning, None if expected is None else _reach(expected))


def _reach(y: Array) -> Array:
    """Return the difference between the largest and the smallest value of each output."""
    low = high = y[0].astype(np.float64)
    for part in chunks(y):
        low, high = np.minimum(low, y[part].min(axis=0)), np.maximum(high, y[part].max(axis=0))
    reach: Array = high - low
    return reach


class _Tally:
    """Statistics over the samples, accumulated chunk by chunk."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.samples = 0
        self.origin: Array | None = None
        self.first: Array | None = None
        self.constant = True
        self.largest = 0.0
        self.squares = np.zeros(shape)
        self.sums, self.powers, self.sizes = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self.seen: dict[int, int] = {}
        self.kept: dict[int, int] = {}

    def add(self, framework: Array, outputs: Array, meaning: Meaning) -> None:
        y, z = framework.astype(np.float64), outputs.astype(np.float64)
        if self.origin is None or self.first is None:
            self.origin, self.first = y[0], z[0]
        self.samples += len(y)
        self.constant &= bool((z == self.first).all())
        self.largest = max(self.largest, float(np.abs(z - y).max()))
        self.squares += ((z - y) ** 2).sum(axis=0)
        shifted = y - self.origin
        self.sums += shifted.sum(axis=0)
        self.powers += (shifted**2).sum(axis=0)
        self.sizes = np.maximum(self.sizes, np.abs(y).max(axis=0))
        if meaning.kind != "values":
            wanted, found = decisions(framework, meaning), decisions(outputs, meaning)
            same = wanted == found
            for each, count in zip(*np.unique(wanted, return_counts=True), strict=True):
                self.seen[int(each)] = self.seen.get(int(each), 0) + int(count)
            for each, count in zip(*np.unique(wanted[same], return_counts=True), strict=True):
                self.kept[int(each)] = self.kept.get(int(each), 0) + int(count)

    def fidelity(self, meaning: Meaning, reach: Array | None = None) -> Fidelity:
        means = self.sums / self.samples
        deviations = np.sqrt(np.maximum(self.powers / self.samples - means**2, 0))
        still = deviations <= _STILL * self.sizes
        varying = float(np.sqrt(np.mean(deviations**2)))
        spread = next(each for each in (varying, float(self.sizes.max()), 1.0) if each > _NOTHING)
        errors = np.sqrt(self.squares / self.samples)
        floors = np.where(still, np.maximum(self.sizes, spread / 16), deviations)
        # What varies less than the others, and not for its target's sake, is noise around nothing.
        noise = np.full(floors.shape, spread * _STILL)
        if reach is not None:
            noise[reach >= np.maximum(deviations, _NOTHING)] = _NOTHING
        shares = errors / np.maximum(floors, noise)
        common = [each for each, count in self.seen.items() if count >= _FEW]
        shares_kept = {each: self.kept.get(each, 0) / self.seen[each] for each in common}
        worst = min(shares_kept, key=lambda each: shares_kept[each], default=None)
        total = sum(self.seen.values())
        return Fidelity(
            agreement=sum(self.kept.values()) / total if meaning.kind != "values" else None,
            worst_class=worst,
            worst_class_agreement=None if worst is None else shares_kept[worst],
            rmse=float(np.sqrt(self.squares.sum() / (self.samples * self.squares.size))),
            worst_output_error=float(shares.max()),
            max_error=self.largest,
            spread=spread,
            constant=self.constant and bool((~still).any()),
        )
