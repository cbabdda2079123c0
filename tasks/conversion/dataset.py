"""Checks and arranges a model's test data, whose arrays may be mapped and larger than memory."""

import logging
import math
import mmap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.core.errors import InputError
from tasks.core.records.design import FixedPoint

log = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float32]

Arrays = Mapping[str, npt.NDArray[Any]]

NAMES = ("X_test", "y_test")
CHUNK_BYTES = 1 << 22
_DRAWN_ELEMENTS = 1 << 19
"""Of random inputs: each sample of a large image is simulated for millions of clocks."""


@dataclass(frozen=True)
class Dataset:
    """Test samples and expected outputs: X_test and y_test, or X_test_NAME ....

    Attributes:
        x: samples x input shape, finite; in the file's dtype.
        y: class numbers by sample; or samples x outputs, one-hot or targets.
    """

    x: Arrays
    y: Arrays


def in_order(arrays: Arrays, kind: str, names: Sequence[str]) -> Arrays:
    """Return the arrays of a model's inputs or outputs, in its order.

    Args:
        arrays: of the data.
        kind: X_test or y_test.
        names: of the model's inputs or outputs.

    Raises:
        InputError: there is not exactly one array for each.
    """
    by_name = [f"{kind}_{name}" for name in names]
    by_number = [f"{kind}_{number}" for number in range(len(names))]
    for wanted in ([kind], by_name, by_number):
        if set(wanted) == set(arrays) and len(wanted) == len(names):
            return {name: arrays[name] for name in wanted}
    what = "input" if kind == "X_test" else "output"
    raise InputError(
        f"the data contain {', '.join(arrays)}, the model has "
        + (f"{len(names)} {what}s ({', '.join(names)})" if len(names) > 1 else f"one {what}"),
        where=kind,
        remedy="give an .npz file with "
        + (f"{', '.join(by_name)}: one array per {what}" if len(names) > 1 else kind),
    )


def joined(path: Path, parts: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Concatenate arrays of samples, sample by sample, as float32.

    Args:
        path: .npy file for the result; not written for a single array, which stays as it is.
        parts: samples x any shape.
    """
    if len(parts) == 1:
        return parts[0]
    sizes = [math.prod(part.shape[1:]) for part in parts]
    row = np.lib.format.open_memmap(path, "w+", np.float32, (len(parts[0]), sum(sizes)))
    start = 0
    for part, size in zip(parts, sizes, strict=True):
        for some in chunks(part, row):
            row[some, start : start + size] = part[some].reshape(-1, size)
        start += size
    return row


def require_samples(
    arrays: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]], path: Path
) -> None:
    """Refuse arrays that are not numbers, are empty, or differ in their number of samples.

    Args:
        arrays: shape and dtype of each.
        path: of the data.

    Raises:
        InputError: an array is one of these.
    """
    for name, (shape, dtype) in arrays.items():
        if dtype.kind not in "fiub":
            raise InputError(
                f"{name} is of dtype {dtype}, not numeric",
                where=str(path),
                remedy="save real numbers; classes by their numbers",
            )
        if not shape or not math.prod(shape):
            raise InputError(
                f"{name} is empty (shape {shape})",
                where=str(path),
                remedy="give at least one sample, along the first axis",
            )
    first, *others = ((name, shape[0]) for name, (shape, _) in arrays.items())
    for name, samples in others:
        if samples != first[1]:
            raise InputError(
                f"{first[0]} has {first[1]} samples, {name} {samples}",
                where=str(path),
                remedy="give one expected output for each sample",
            )


def require_finite(
    blocks: Iterable[npt.NDArray[Any]],
    shape: tuple[int, ...],
    name: str,
    where: str,
    *,
    fortran: bool = False,
) -> None:
    """Refuse values that are NaN or infinite, or fewer than the shape says, and name the first.

    Args:
        blocks: the array's values, in the order of its file.
        shape: of the array.
        name: of the array.
        where: for the message.
        fortran: whether the first axis varies fastest.

    Raises:
        InputError: there are such values.
    """
    bad, first, passed = 0, None, 0
    for block in blocks:
        wrong = np.flatnonzero(~np.isfinite(block))
        if len(wrong) and first is None:
            extents = shape[::-1] if fortran else shape
            place = [int(each) for each in np.unravel_index(passed + int(wrong[0]), extents)]
            first = place[::-1] if fortran else place
        bad += len(wrong)
        passed += len(block)
    if passed != math.prod(shape):  # an archive's directory may promise more than it has
        raise InputError(
            f"{name} holds {passed} of the {math.prod(shape)} values of its shape",
            where=where,
            remedy="save it again",
        )
    if bad:
        raise InputError(
            f"{name} holds {bad} values that are NaN or infinite, the first at {first}",
            where=where,
            remedy="remove or replace them",
        )


def chunks(array: npt.NDArray[Any], *others: npt.NDArray[Any]) -> Iterator[slice]:
    """Yield slices of the samples that take some megabytes each.

    Args:
        array: samples.
        others: what is read or written along with them, sample by sample.
    """
    step = max(1, CHUNK_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), step):
        yield slice(start, min(start + step, len(array)))
        release(array, *others)


def release(*arrays: npt.NDArray[Any]) -> None:
    """Give the memory of mapped arrays back: what was read or written of a file counts as ours."""
    for array in arrays:
        owner: Any = array
        while isinstance(owner, np.ndarray):
            owner = owner.base
        if isinstance(owner, mmap.mmap):
            owner.madvise(mmap.MADV_DONTNEED)


def value_range(array: npt.NDArray[Any]) -> tuple[float, float]:
    """Return the smallest and the largest value."""
    ranges = [(array[part].min(), array[part].max()) for part in chunks(array)]
    return float(min(low for low, _ in ranges)), float(max(high for _, high in ranges))


def checked(data: Dataset, path: Path) -> Dataset:
    """Return test data, checked to be numbers with one expected output per sample.

    Raises:
        InputError: an array is empty, not numeric, not finite, or shorter than the other.
    """
    arrays = {**data.x, **data.y}
    require_samples({name: (each.shape, each.dtype) for name, each in arrays.items()}, path)
    for name, array in arrays.items():
        check_finite(array, name, str(path))
    return data


def check_finite(array: npt.NDArray[Any], name: str, where: str) -> None:
    """Refuse an array with NaN or infinite values, and name the first.

    Raises:
        InputError: there are such values.
    """
    require_finite((np.ravel(array[part]) for part in chunks(array)), array.shape, name, where)


def drawn(shape: tuple[int, ...], element: FixedPoint) -> FloatArray:
    """Return 100 random inputs within a number format's range, fewer large ones; deterministic.

    Integers are spread over the range. Numbers with a fraction follow the standard normal
    distribution, to which training data are usually scaled.
    """
    rng = np.random.default_rng(0)
    step = 2.0**-element.fraction
    size = (min(max(_DRAWN_ELEMENTS // math.prod(shape), 2), 100), *shape)
    values = (
        rng.uniform(element.low, element.high, size)
        if element.fraction <= 0
        else rng.normal(size=size)
    )
    inside = np.clip(values, element.low, element.high)
    return (np.round(inside / step) * step).astype(np.float32)


def match_input(
    x: npt.NDArray[Any], shape: tuple[int, ...], dtype: str, name: str = "X_test"
) -> None:
    """Check that samples fit the model's input.

    Args:
        x: samples x anything.
        shape: of one sample of the model's input.
        dtype: of the model's input.
        name: of the array in the data.

    Raises:
        InputError: the shape differs from the model's, or its dtype cannot represent the values.
    """
    if x.shape[1:] != shape:
        raise InputError(
            f"{name} has samples of shape {x.shape[1:]}, the model takes {shape}",
            where=name,
            remedy="reshape or rescale the samples as in training",
        )
    for part in chunks(x):
        converted = x[part].astype(dtype)
        if not np.array_equal(converted.astype(np.float64), x[part].astype(np.float64)):
            raise InputError(
                f"{name} is {x.dtype}, and {dtype}, which the model takes, rounds its values",
                where=name,
                remedy=f"save {name}.astype('{dtype}'), after the scaling used in training",
            )
    if x.dtype != np.dtype(dtype):
        log.info("%s is converted from %s to %s without changing values", name, x.dtype, dtype)


def write_floats(
    path: Path, array: npt.NDArray[Any], arrange: Callable[[Any], Any] = np.asarray
) -> FloatArray:
    """Save an array as float32 samples in C order, and map it; `path` may be the array's own.

    Args:
        path: of the .npy file.
        array: samples.
        arrange: reorders the axes of some samples.
    """
    aside = path.with_suffix(".part.npy")
    shape = (len(array), *arrange(array[:1]).shape[1:])
    target = np.lib.format.open_memmap(aside, "w+", np.float32, shape)
    for part in chunks(array, target):
        target[part] = arrange(array[part])
    target.flush()
    aside.replace(path)
    mapped: FloatArray = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped
