"""Judges a measurement: outputs sample by sample, clock and accuracy."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tasks.conversion.dataset import chunks
from tasks.conversion.meaning import accuracy, compare, cut, rmse
from tasks.core.digests import file_digest
from tasks.core.errors import BenchmarkError
from tasks.core.records.design import Gate
from tasks.core.records.measurement import BoardOutput, Measurement, Verdict
from tasks.core.records.package import Manifest
from tasks.core.records.quality import Fidelity, OutputQuality
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
        board: the board's.
    """

    expected: FloatArray
    golden: FloatArray
    board: FloatArray


def outputs(measurement: Measurement, archive: Path) -> Outputs:
    """Read the golden outputs from the package and the board's from the measurement.

    Raises:
        BenchmarkError: y_hw.npy is not the measured file, or has another shape.
    """
    path = Path(measurement.directory) / "y_hw.npy"
    if file_digest(path) != measurement.y_hw_digest:
        raise BenchmarkError(
            "is not the file that the board sent",
            where=str(path),
            remedy="run the benchmark again",
        )
    found = Outputs(
        expected=read_array(archive, "y_test.npy"),
        golden=read_array(archive, "y_csim.npy"),
        board=np.load(path, mmap_mode="r", allow_pickle=False),
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
    """Compare the board's outputs with the golden ones, and its clock with the built one."""
    manifest = measurement.deployment.package.manifest
    same = _same(found.board, found.golden)
    boards, judged = _by_output(manifest, found, settings)
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
        gates.holds(
            "deterministic",
            measurement.deterministic,
            settings.mode,
            "all passes over the test samples gave the same outputs",
            "two passes over the test samples gave different outputs",
        ),
        *judged,
    ]
    largest = max(board.max_error for board in boards)
    whole = boards[0] if len(boards) == 1 else BoardOutput(max_error=largest)
    before = manifest.provenance.gates if manifest.provenance else ()
    return Verdict(
        measurement=measurement,
        gates=(*before, *checks),
        bit_exact=int(same.sum()),
        samples=len(same),
        accuracy_board=whole.accuracy,
        rmse_board=whole.rmse,
        max_error_board=largest,
        outputs=tuple(boards) if len(boards) > 1 else (),
    )


def _same(board: FloatArray, golden: FloatArray) -> npt.NDArray[np.bool_]:
    """Return which samples have equal outputs."""
    parts = [
        (board[part] == golden[part]).reshape(part.stop - part.start, -1).all(axis=1)
        for part in chunks(board, golden)
    ]
    return np.concatenate(parts)


def _by_output(
    manifest: Manifest, found: Outputs, settings: GateSettings
) -> tuple[list[BoardOutput], list[Gate]]:
    """Return the board's quality for each output, and the gates on it."""
    outputs = manifest.each_output
    arrays = (found.expected, found.golden, found.board)
    parts = zip(*(cut(array, outputs) for array in arrays), strict=True)
    boards, checks = [], []
    for output, (expected, golden, board) in zip(outputs, parts, strict=True):
        against = compare(golden, board, output.meaning)
        given = BoardOutput(
            name=output.name,
            accuracy=accuracy(board, expected, output.meaning),
            rmse=rmse(board, expected, output.meaning),
            max_error=against.max_error,
        )
        boards.append(given)
        judged = (*_as_good(output, given, settings), *_as_close(output, against, settings))
        checks += [gates.of_output(output.name, gate) for gate in judged]
    return boards, checks


def _as_good(output: OutputQuality, board: BoardOutput, settings: GateSettings) -> Iterator[Gate]:
    """Check the board's accuracy against the framework's, or the C simulation's if unknown."""
    named = ("the framework", output.accuracy_framework)
    if output.accuracy_framework is None:
        named = ("the C simulation", output.accuracy_csim)
    who, wanted = named
    if board.accuracy is not None and wanted is not None:
        yield gates.at_most(
            "board accuracy",
            wanted - board.accuracy,
            settings.board_accuracy_drop,
            settings.mode,
            f"the board classifies {board.accuracy:.2%} correctly, {who} {wanted:.2%}",
        )


def _as_close(output: OutputQuality, against: Fidelity, settings: GateSettings) -> Iterator[Gate]:
    """Values and probabilities are close to the C simulation's."""
    if output.meaning.kind == "values" or output.meaning.soft:
        yield gates.at_most(
            "board RMSE",
            against.rmse / against.spread,
            settings.csim_rmse,
            settings.mode,
            f"the board is off by {against.rmse:.4g} (RMSE), "
            f"{against.rmse / against.spread:.1%} of the spread of the C simulation's outputs",
        )


def _suspect(measurement: Measurement) -> str:
    """Return what the rerun of wrong samples points to; empty if none were wrong."""
    if measurement.suspect is None:
        return ""
    outputs = "the same outputs" if measurement.suspect == "design" else "other outputs"
    return f"; when rerun, wrong samples gave {outputs}: suspect the {measurement.suspect}"


def _first(found: Outputs, same: npt.NDArray[np.bool_]) -> str:
    """Return the first mismatches as text; empty if there are none."""
    wrong = np.flatnonzero(~same)[:SHOWN_MISMATCHES]
    if not len(wrong):
        return ""
    shown = "; ".join(
        f"sample {index}: board {found.board[index].ravel().tolist()}, "
        f"C simulation {found.golden[index].ravel().tolist()}"
        for index in wrong
    )
    return f"; first mismatches: {shown}"
