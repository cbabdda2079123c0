"""Test samples and golden outputs for a package that was not converted by overlayflow."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.conversion import dataset
from tasks.conversion.dataset import FloatArray
from tasks.core.errors import InputError
from tasks.core.records.design import FixedPoint

GOLDEN = "y_csim"
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
        accuracy_csim: share of samples that the C simulation classifies correctly; None for
            targets.
    """

    x: FloatArray
    y: FloatArray
    golden: FloatArray
    accuracy_csim: float | None

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
    data = dataset.read(path)
    with np.load(path, allow_pickle=False) as arrays:
        if GOLDEN not in arrays:
            raise InputError(
                f"contains no {GOLDEN}, the outputs expected from the board",
                where=str(path),
                remedy="save it with numpy.savez(path, X_test=..., y_test=..., "
                "y_csim=hls_model.predict(X_test))",
            )
        golden = np.asarray(arrays[GOLDEN], dtype=np.float32)
    golden = golden.reshape(len(golden), -1) if golden.ndim == 1 else golden
    return _fitting(np.asarray(data.x, dtype=np.float32), data.y, golden, path)


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
    expected, classes = dataset.match_output(y, golden.shape[1:])
    accuracy = dataset.accuracy(golden, expected) if classes else None
    return GoldenData(np.ascontiguousarray(x), expected, golden, accuracy)
