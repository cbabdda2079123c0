"""Whether the board computes what the model does: outputs sample by sample, clock, accuracy."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tasks.conversion.meaning import accuracy, compare, rmse
from tasks.core.errors import BenchmarkError
from tasks.core.records.design import Gate
from tasks.core.records.measurement import Measurement, Verdict
from tasks.core.records.package import Manifest
from tasks.packaging.archive import read_array
from tasks.quality import gates
from tasks.quality.gates import GateSettings

FloatArray = npt.NDArray[np.float32]
SHOWN_MISMATCHES = 3


@dataclass(frozen=True)
class Outputs:
    """Outputs of all test samples, each samples x output shape.

    Attributes:
        expected: one-hot classes or targets.
        golden: the hls4ml C simulation's.
        board: what the board gave.
    """

    expected: FloatArray
    golden: FloatArray
    board: FloatArray


def outputs(measurement: Measurement, archive: Path) -> Outputs:
    """Read the golden outputs from the package and the board's from the measurement.

    Raises:
        BenchmarkError: y_hw.npy is not the one that was measured, or of another shape.
    """
    path = Path(measurement.directory) / "y_hw.npy"
    if hashlib.sha256(path.read_bytes()).hexdigest() != measurement.y_hw_digest:
        raise BenchmarkError(
            "is not the file that the board sent",
            where=str(path),
            remedy="run the benchmark again",
        )
    found = Outputs(
        expected=read_array(archive, "y_test.npy"),
        golden=read_array(archive, "y_csim.npy"),
        board=np.load(path, allow_pickle=False),
    )
    if found.board.shape != found.golden.shape:
        raise BenchmarkError(
            f"the board gave outputs of shape {found.board.shape}, "
            f"the C simulation {found.golden.shape}",
            where=measurement.deployment.board,
            remedy="check that design and test data belong together",
        )
    return found


def judge(measurement: Measurement, found: Outputs, settings: GateSettings) -> Verdict:
    """Hold the board's outputs and clock against what was asked."""
    manifest = measurement.deployment.package.manifest
    same = (found.board == found.golden).reshape(len(found.board), -1).all(axis=1)
    meaning = manifest.meaning
    board_accuracy = accuracy(found.board, found.expected, meaning)
    against = compare(found.golden, found.board, meaning)
    checks = [
        gates.at_most(
            "clock read back",
            abs(measurement.clock_mhz / manifest.clock_mhz - 1),
            settings.clock_error,
            settings.mode,
            f"the board runs at {measurement.clock_mhz:g} MHz, "
            f"the design was built for {manifest.clock_mhz:g} MHz",
        ),
        gates.at_least(
            "bit-exact samples",
            float(same.mean()),
            settings.bit_exact_share,
            settings.mode,
            f"{same.sum()} of {same.size} samples equal the C simulation"
            f"{_suspect(measurement)}{_first(found, same)}",
        ),
        Gate(
            name="deterministic",
            passed=measurement.deterministic,
            value=None,
            threshold=None,
            mode=settings.mode,
            message="all passes over the test samples gave the same outputs"
            if measurement.deterministic
            else "two passes over the test samples gave different outputs",
        ),
    ]
    checks += _as_good(manifest, board_accuracy, settings)
    if meaning.kind == "values" or meaning.soft:
        checks.append(
            gates.at_most(
                "board RMSE",
                against.rmse / against.spread,
                settings.csim_rmse,
                settings.mode,
                f"the board is off by {against.rmse:.4g} (RMSE), "
                f"{against.rmse / against.spread:.1%} of the spread of the C simulation's outputs",
            )
        )
    before = manifest.provenance.gates if manifest.provenance else ()
    return Verdict(
        measurement=measurement,
        gates=(*before, *checks),
        bit_exact=int(same.sum()),
        samples=len(same),
        accuracy_board=board_accuracy,
        rmse_board=rmse(found.board, found.expected, meaning),
        max_error_board=against.max_error,
    )


def _as_good(
    manifest: Manifest, board_accuracy: float | None, settings: GateSettings
) -> Iterator[Gate]:
    """The board is as accurate as the framework, or the C simulation where that is not known."""
    named = ("the framework", manifest.accuracy_framework)
    if manifest.accuracy_framework is None:
        named = ("the C simulation", manifest.accuracy_csim)
    who, wanted = named
    if board_accuracy is not None and wanted is not None:
        yield gates.at_most(
            "board accuracy",
            wanted - board_accuracy,
            settings.board_accuracy_drop,
            settings.mode,
            f"the board classifies {board_accuracy:.2%} right, {who} {wanted:.2%}",
        )


def _suspect(measurement: Measurement) -> str:
    """What the repeat of wrong samples points to, as text; empty if none were wrong."""
    if measurement.suspect is None:
        return ""
    outputs = "the same outputs" if measurement.suspect == "design" else "other outputs"
    return f"; run again, wrong samples gave {outputs}: suspect the {measurement.suspect}"


def _first(found: Outputs, same: npt.NDArray[np.bool_]) -> str:
    """The first mismatches, as text; empty if there are none."""
    wrong = np.flatnonzero(~same)[:SHOWN_MISMATCHES]
    if not len(wrong):
        return ""
    shown = "; ".join(
        f"sample {index}: board {found.board[index].ravel().tolist()}, "
        f"C simulation {found.golden[index].ravel().tolist()}"
        for index in wrong
    )
    return f"; first mismatches: {shown}"
