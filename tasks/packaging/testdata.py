"""Test samples and golden outputs for a package whose conversion is not ours."""

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
# hls4ml's test bench prints six significant digits: enough for outputs of so many bits.
MAX_PRINTED_BITS = 18


@dataclass(frozen=True)
class GoldenData:
    """What a board is measured with, all float32.

    Attributes:
        x: samples x input shape.
        y: samples x output shape: one-hot classes, or targets.
        golden: samples x output shape: the C simulation's outputs.
        accuracy_csim: share of samples that the C simulation classifies right; None for targets.
    """

    x: FloatArray
    y: FloatArray
    golden: FloatArray
    accuracy_csim: float | None

    def write(self, directory: Path) -> dict[str, Path]:
        """Saves them as a package has them: their paths by file name."""
        arrays = {"X_test.npy": self.x, "y_test.npy": self.y, "y_csim.npy": self.golden}
        for name, array in arrays.items():
            np.save(directory / name, array)
        return {name: directory / name for name in arrays}


def from_npz(path: Path) -> GoldenData:
    """Reads X_test, y_test and y_csim from an .npz file.

    Raises:
        InputError: an array is missing, or they do not fit together.
    """
    data = dataset.read(path)
    with np.load(path, allow_pickle=False) as arrays:
        if GOLDEN not in arrays:
            raise InputError(
                f"holds no {GOLDEN}, the outputs that the board must give",
                where=str(path),
                remedy="save it with numpy.savez(path, X_test=..., y_test=..., "
                "y_csim=hls_model.predict(X_test))",
            )
        golden = np.asarray(arrays[GOLDEN], dtype=np.float32)
    golden = golden.reshape(len(golden), -1) if golden.ndim == 1 else golden
    return _fitting(np.asarray(data.x, dtype=np.float32), data.y, golden, path)


def from_test_bench(directory: Path, output: FixedPoint) -> GoldenData:
    """Reads what hls4ml's test bench took and gave, in tb_data/.

    Args:
        directory: hls4ml's output directory.
        output: format of the outputs, to which their printed form is rounded.

    Raises:
        InputError: a file is missing or is no table of numbers, or has too few digits.
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
            "there are no test data",
            where=str(path),
            remedy="give --data with X_test, y_test and y_csim",
        ) from None
    except ValueError as error:
        raise InputError(f"is no table of numbers: {error}", where=str(path)) from None


def _fitting(x: FloatArray, y: np.ndarray, golden: FloatArray, where: Path) -> GoldenData:
    if not len(x) == len(y) == len(golden):
        raise InputError(
            f"{len(x)} inputs, {len(y)} expected and {len(golden)} golden outputs do not belong "
            "together",
            where=str(where),
        )
    expected, classes = dataset.match_output(y, golden.shape[1:])
    accuracy = dataset.accuracy(golden, expected) if classes else None
    return GoldenData(np.ascontiguousarray(x), expected, golden, accuracy)
