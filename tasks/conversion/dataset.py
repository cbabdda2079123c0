"""Test data of a model: read from an .npz file, checked before anything expensive starts."""

import logging
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.core.errors import InputError
from tasks.core.records.design import FixedPoint

log = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Dataset:
    """Held-out samples and what they should give.

    Attributes:
        x: samples x input shape, finite; the dtype of the file.
        y: samples, class numbers; or samples x outputs, one-hot or targets.
    """

    x: npt.NDArray[Any]
    y: npt.NDArray[Any]


def read(path: Path) -> Dataset:
    """Read `X_test` and `y_test` from an .npz file.

    Raises:
        InputError: no such file, not an .npz, an array is missing, empty, of another length,
            not numeric, or not finite.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            missing = [name for name in ("X_test", "y_test") if name not in arrays]
            if missing:
                raise InputError(
                    f"holds {', '.join(arrays) or 'nothing'}, but no {' and no '.join(missing)}",
                    where=str(path),
                    remedy="save it with numpy.savez(path, X_test=..., y_test=...)",
                )
            data = Dataset(arrays["X_test"], arrays["y_test"])
    except FileNotFoundError:
        raise InputError("no such data file", where=str(path)) from None
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        raise InputError(
            "is not an .npz file of plain arrays",
            where=str(path),
            remedy="save it with numpy.savez(path, X_test=..., y_test=...), no object arrays",
        ) from error
    return checked(data, path)


def checked(data: Dataset, path: Path) -> Dataset:
    """Return test data of numbers, one expected output a sample.

    Raises:
        InputError: an array is empty, not numeric, not finite, or shorter than the other.
    """
    where = str(path)
    for name, array in (("X_test", data.x), ("y_test", data.y)):
        if array.dtype.kind not in "fiub":
            raise InputError(f"{name} is of dtype {array.dtype}, not numeric", where=where)
        if array.ndim == 0 or array.size == 0:
            raise InputError(f"{name} is empty (shape {array.shape})", where=where)
        bad = int(np.count_nonzero(~np.isfinite(array)))
        if bad:
            first = np.argwhere(~np.isfinite(array))[0].tolist()
            raise InputError(
                f"{name} holds {bad} values that are NaN or infinite, the first at {first}",
                where=where,
                remedy="remove or replace them",
            )
    if len(data.x) != len(data.y):
        raise InputError(f"X_test has {len(data.x)} samples, y_test {len(data.y)}", where=where)
    return data


def drawn(shape: tuple[int, ...], element: FixedPoint, samples: int = 100) -> FloatArray:
    """Return random inputs within a number format's range; the same ones every time.

    Whole numbers are spread over the range. Numbers with a fraction follow the standard normal
    distribution, which training data are mostly scaled to.
    """
    rng = np.random.default_rng(0)
    step = 2.0**-element.fraction
    low = -(2.0 ** (element.integer - 1)) if element.signed else 0.0
    high = 2.0 ** (element.integer - element.signed) - step
    size = (samples, *shape)
    values = rng.uniform(low, high, size) if element.fraction <= 0 else rng.normal(size=size)
    return (np.round(np.clip(values, low, high) / step) * step).astype(np.float32)


def match_input(x: npt.NDArray[Any], shape: tuple[int, ...], dtype: str) -> FloatArray:
    """The samples as the model takes them.

    Args:
        x: samples x anything.
        shape: of one sample of the model's input.
        dtype: of the model's input.

    Raises:
        InputError: another shape than the model's, or numbers that its dtype does not hold.
    """
    if x.shape[1:] != shape:
        raise InputError(
            f"X_test has samples of shape {x.shape[1:]}, the model takes {shape}",
            where="X_test",
            remedy="reshape or rescale the samples as in training",
        )
    converted = x.astype(dtype)
    if not np.array_equal(converted.astype(np.float64), x.astype(np.float64)):
        raise InputError(
            f"X_test is {x.dtype}, and {dtype}, which the model takes, rounds its values",
            where="X_test",
            remedy=f"save X_test.astype('{dtype}'), after the scaling used in training",
        )
    if x.dtype != converted.dtype:
        log.info("converted X_test from %s to %s, without a change of value", x.dtype, dtype)
    return np.ascontiguousarray(converted, dtype=np.float32)


def match_output(y: npt.NDArray[Any], shape: tuple[int, ...]) -> tuple[FloatArray, bool]:
    """The expected outputs in the output's shape, and whether they are classes.

    Class numbers (one integer a sample) become one-hot rows; a single output takes 0 and 1.
    One-hot rows stay; other arrays of the output's shape are targets.

    Args:
        y: samples, or samples x 1, class numbers; or samples x output shape.
        shape: of one sample of the model's output.

    Raises:
        InputError: y fits neither form, or a class number has no output.
    """
    if y.shape[1:] == shape and not (shape == (1,) and _whole(y)):
        one_hot = np.isin(y, (0, 1)).all() and (y.reshape(len(y), -1).sum(axis=1) == 1).all()
        return y.astype(np.float32), bool(one_hot)
    if y.ndim > 2 or y.shape[1:] not in {(), (1,)} or not _whole(y):  # noqa: PLR2004
        raise InputError(
            f"y_test has samples of shape {y.shape[1:]}, the model gives {shape}",
            where="y_test",
            remedy="give class numbers (one integer a sample), one-hot rows, or targets",
        )
    labels = y.reshape(-1).astype(np.int64)
    classes = 2 if shape == (1,) else int(np.prod(shape))
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(
            f"y_test has class numbers {labels.min()} to {labels.max()}, "
            f"the model has classes 0 to {classes - 1}",
            where="y_test",
        )
    if shape == (1,):
        return labels.astype(np.float32).reshape(-1, 1), True
    return np.eye(classes, dtype=np.float32)[labels].reshape(-1, *shape), True


def _whole(y: npt.NDArray[Any]) -> bool:
    return bool((y == np.round(y)).all())


def class_numbers(outputs: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The class of each row: the largest output, or a single output at or above 0.5."""
    flat = outputs.reshape(len(outputs), -1)
    if flat.shape[1] == 1:
        return (flat[:, 0] >= 0.5).astype(np.int64)  # noqa: PLR2004
    return np.asarray(flat.argmax(axis=1), dtype=np.int64)


def accuracy(outputs: FloatArray, expected: FloatArray) -> float:
    """Share of samples whose class is the expected one."""
    return float(np.mean(class_numbers(outputs) == class_numbers(expected)))
