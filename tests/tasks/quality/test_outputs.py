import hashlib
from pathlib import Path

import numpy as np
import pytest

from tasks.core.errors import BenchmarkError
from tasks.core.records.measurement import Verdict
from tasks.core.records.quality import Meaning, OutputQuality
from tasks.quality import outputs
from tasks.quality.gates import GateSettings
from tests.tasks import samples

EXPECTED = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], dtype=np.float32)
GOLDEN = np.array([[0.5, 0.25], [0.25, 0.5], [0.5, 0.25], [0.25, 0.5]], dtype=np.float32)


def judged(board: np.ndarray, **changes: object) -> Verdict:
    found = outputs.Outputs(EXPECTED, GOLDEN, board)
    return outputs.judge(samples.measurement(**changes), found, GateSettings())


def failed(found: Verdict) -> list[str]:
    return [gate.name for gate in found.gates if not gate.passed]


def test_a_board_that_equals_the_simulation_passes_every_gate() -> None:
    found = judged(GOLDEN)
    assert found.passed
    assert (found.bit_exact, found.samples, found.accuracy_board) == (4, 4, 1.0)


def test_one_wrong_bit_fails_and_is_shown_with_both_values() -> None:
    board = GOLDEN.copy()
    board[2, 1] = np.nextafter(board[2, 1], 1, dtype=np.float32)
    found = judged(board)
    assert failed(found) == ["bit-exact samples"]
    (gate,) = (gate for gate in found.gates if gate.name == "bit-exact samples")
    assert "3 of 4 samples" in gate.message
    assert "sample 2: board [0.5, 0.250000" in gate.message


@pytest.mark.parametrize(
    ("suspect", "told"),
    [("design", "gave the same outputs: suspect the design"), ("board", "suspect the board")],
)
def test_a_repeat_of_wrong_samples_tells_what_to_suspect(suspect: str, told: str) -> None:
    (gate,) = (gate for gate in judged(GOLDEN + 1, suspect=suspect).gates if not gate.passed)
    assert told in gate.message


def test_a_package_without_a_framework_s_accuracy_has_the_boards() -> None:
    """Packages of build directories know no framework."""
    measured = samples.measurement()
    package = measured.deployment.package
    manifest = package.manifest.model_copy(update={"accuracy_framework": None})
    deployment = measured.deployment.model_copy(
        update={"package": package.model_copy(update={"manifest": manifest})}
    )
    measured = measured.model_copy(update={"deployment": deployment})
    found = outputs.judge(measured, outputs.Outputs(EXPECTED, GOLDEN, GOLDEN), GateSettings())
    assert found.accuracy_board == 1.0


def test_lost_accuracy_is_a_gate_of_its_own() -> None:
    assert failed(judged(GOLDEN[:, ::-1])) == ["bit-exact samples", "board accuracy"]


def test_each_of_several_outputs_is_judged_by_what_it_says() -> None:
    kind = OutputQuality(name="kind", shape=(2,), accuracy_framework=1.0)
    place = OutputQuality(name="place", shape=(1, 2), meaning=Meaning(kind="values"))
    measured = samples.measurement()
    package = measured.deployment.package
    manifest = package.manifest.model_copy(update={"outputs": (kind, place)})
    deployment = measured.deployment.model_copy(
        update={"package": package.model_copy(update={"manifest": manifest})}
    )
    golden = np.concatenate([GOLDEN, 3 * EXPECTED], axis=1)
    board = np.concatenate([GOLDEN, -3 * EXPECTED], axis=1)
    found = outputs.judge(
        measured.model_copy(update={"deployment": deployment}),
        outputs.Outputs(np.concatenate([EXPECTED, EXPECTED], axis=1), golden, board),
        GateSettings(),
    )
    assert failed(found) == ["bit-exact samples", "board RMSE of place"]
    assert [(each.name, each.accuracy, each.max_error) for each in found.outputs] == [
        ("kind", 1.0, 0.0),
        ("place", None, 6.0),
    ]


def test_a_clock_that_differs_from_the_built_one_fails() -> None:
    assert failed(judged(GOLDEN, clock_mhz=50.0)) == ["clock read back"]


def test_a_board_that_gives_other_outputs_each_pass_fails() -> None:
    assert failed(judged(GOLDEN, deterministic=False)) == ["deterministic"]


def test_outputs_that_are_not_those_measured_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "y_hw.npy", GOLDEN)
    measured = samples.measurement(directory=str(tmp_path))
    with pytest.raises(BenchmarkError, match="is not the file that the board sent"):
        outputs.outputs(measured, tmp_path / "package.tar.gz")
    digest = hashlib.sha256((tmp_path / "y_hw.npy").read_bytes()).hexdigest()
    assert digest != measured.y_hw_digest
