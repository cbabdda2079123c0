"""Test samples and golden outputs for a package that was not converted by overlayflow."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.conversion import dataset, npz
from tasks.conversion.dataset import FloatArray
from tasks.conversion.meaning import accuracy, match_output, rmse, with_threshold
from tasks.core.errors import InputError
from tasks.core.records.design import FixedPoint
from tasks.core.records.quality import Meaning

GOLDEN = "y_csim"
_SAVE = "save it with numpy.savez(path, X_test=..., y_test=..., y_csim=hls_model.predict(X_test))"
INPUTS, EXPECTED, SIMULATED = (
    *("tb_input_features.dat", "tb_output_predictions.dat"),
    "csim_results.log",
)
# hls4ml's test bench prints six significant digits, which suffice for outputs up to this width.
MAX_PRINTED_BITS = 18


@dataclass(frozen=True)
class GoldenData:
    """The arrays that a board is measured with, all float32.

    Attributes:
        x: inputs, samples x input shape.
        y: one-hot classes or targets, samples x output shape.
        golden: outputs of the C simulation, samples x output shape.
        meaning: what the outputs say, and so how they are judged.
        accuracy_csim: share of correct decisions of the C simulation; None for values.
        rmse_csim: its root mean square error against y; None where only decisions count.
    """

    x: FloatArray
    y: FloatArray
    golden: FloatArray
    meaning: Meaning
    accuracy_csim: float | None
    rmse_csim: float | None

    def write(self, directory: Path) -> dict[str, Path]:
        """Save the arrays as a package stores them; return their paths by file name."""
        arrays = {"X_test.npy": self.x, "y_test.npy": self.y, "y_csim.npy": self.golden}
        for name, array in arrays.items():
            np.save(directory / name, array)
        return {name: directory / name for name in arrays}


def from_npz(path: Path) -> GoldenData:
    """Read X_test, y_test and y_csim from an .npz file.

    Raises:
        InputError: an array is missing, or their shapes do not match.
    """
    npz.check(path)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if GOLDEN not in arrays:
                raise InputError(
                    f"contains no {GOLDEN}, the outputs expected from the board",
                    where=str(path),
                    remedy=_SAVE,
                )
            if not set(dataset.NAMES) <= set(arrays):
                raise InputError(
                    "contains several inputs or outputs, and a package has one of each",
                    where=str(path),
                    remedy=_SAVE,
                )
            x, y, golden = (arrays[name] for name in (*dataset.NAMES, GOLDEN))
    except ValueError as error:  # Python objects
        raise InputError(f"{GOLDEN} is not a plain array", where=str(path), remedy=_SAVE) from error
    if golden.dtype.kind not in "fiub" or golden.ndim == 0 or golden.size == 0:
        raise InputError(
            f"{GOLDEN} is not numeric, or no samples (dtype {golden.dtype}, shape {golden.shape})",
            where=str(path),
            remedy=_SAVE,
        )
    for name, array in zip((*dataset.NAMES, GOLDEN), (x, y, golden), strict=True):
        dataset.check_finite(array, name, str(path))
    golden = golden.reshape(len(golden), -1) if golden.ndim == 1 else golden
    return _fitting(np.asarray(x, dtype=np.float32), y, np.asarray(golden, dtype=np.float32), path)


def from_test_bench(directory: Path, output: FixedPoint) -> GoldenData:
    """Read the inputs and outputs of hls4ml's test bench from tb_data/.

    Args:
        directory: hls4ml's output directory.
        output: format of the outputs, to which the printed numbers are rounded.

    Raises:
        InputError: a file is missing, is not a table of numbers, or has too few digits.
    """
    bench = directory / "tb_data"
    if output.width > MAX_PRINTED_BITS:
        raise InputError(
            f"the test bench prints too few digits for outputs of {output.width} bits",
            where=str(bench),
            remedy="give --data with X_test, y_test and y_csim",
        )
    x, expected, printed = (_table(bench / name) for name in (INPUTS, EXPECTED, SIMULATED))
    step = 2.0**-output.fraction
    golden = (np.round(printed / step) * step).astype(np.float32)
    return _fitting(x, expected, golden, bench)


def _table(path: Path) -> FloatArray:
    try:
        return np.loadtxt(path, dtype=np.float64, ndmin=2).astype(np.float32)
    except FileNotFoundError:
        raise InputError(
            "no test data found",
            where=str(path),
            remedy="give --data with X_test, y_test and y_csim",
        ) from None
    except ValueError as error:
        raise InputError(f"not a table of numbers: {error}", where=str(path)) from None


def _fitting(x: FloatArray, y: np.ndarray, golden: FloatArray, where: Path) -> GoldenData:
    if not len(x) == len(y) == len(golden):
        raise InputError(
            f"the numbers of samples differ: {len(x)} inputs, {len(y)} expected outputs, "
            f"{len(golden)} golden outputs",
            where=str(where),
        )
    expected, meaning = match_output(y, golden.shape[1:])
    meaning = with_threshold(meaning, "", golden)
    return GoldenData(
        x=np.ascontiguousarray(x),
        y=np.asarray(expected, dtype=np.float32),
        golden=golden,
        meaning=meaning,
        accuracy_csim=accuracy(golden, expected, meaning),
        rmse_csim=rmse(golden, expected, meaning),
    )


def check_design(
    data: GoldenData, sizes: tuple[int, int] | None, output: FixedPoint, where: Path
) -> None:
    """Check that data belong to a design.

    Args:
        data: samples and golden outputs.
        sizes: elements of the design's input and output; None where they are not known.
        output: format of the design's outputs.
        where: the design lies.

    Raises:
        InputError: the data are of another width, or the golden outputs not those of the design.
    """
    found = (int(np.prod(data.x.shape[1:])), int(np.prod(data.golden.shape[1:])))
    if sizes is not None and found != sizes:
        raise InputError(
            f"the data have {found[0]} inputs and {found[1]} outputs, the design has {sizes[0]} "
            f"and {sizes[1]}",
            where=str(where),
            remedy="give --data of this model",
        )
    steps = data.golden.astype(np.float64) * 2.0**output.fraction
    wrong = (steps != np.round(steps)) | (data.golden < output.low) | (data.golden > output.high)
    if wrong.any():
        value = float(data.golden[wrong][0])
        raise InputError(
            f"{GOLDEN} holds {np.count_nonzero(wrong)} values that no output of the design can "
            f"have, like {value:g}: it gives {output.text}",
            where=str(where),
            remedy="give the outputs of hls_model.predict(X_test), not those of the framework",
        )
