import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tasks.conversion import meaning
from tasks.conversion.meaning import compare, judged, match_output
from tasks.core.errors import InputError
from tasks.core.records.quality import Meaning, Segment

CLASSES, VALUES = Meaning(kind="classes"), Meaning(kind="values")


@given(hnp.arrays(np.int64, st.integers(1, 20), elements=st.integers(0, 3)))
def test_class_numbers_and_one_hot_rows_mean_the_same(labels: np.ndarray) -> None:
    by_number, classes = match_output(labels, (4,))
    by_row, also_classes = match_output(np.eye(4)[labels], (4,))
    assert classes == also_classes == CLASSES
    assert np.array_equal(by_number, by_row)
    assert np.array_equal(meaning.decisions(by_number, classes), labels)


def test_a_column_of_class_numbers_is_accepted() -> None:
    one_hot, classes = match_output(np.array([[2], [0]]), (3,))
    assert classes == CLASSES
    assert one_hot.tolist() == [[0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1)])
def test_every_pixel_may_have_a_class_of_its_own(shape: tuple[int, ...]) -> None:
    labels = np.random.default_rng(2).integers(0, 3, (6, *shape))
    expected, found = match_output(labels, (4, 5, 3))
    assert found == CLASSES
    assert np.array_equal(meaning.decisions(expected, found), labels.ravel())
    assert meaning.accuracy(expected, expected, found) == 1


def test_a_mask_has_a_decision_for_every_pixel() -> None:
    mask = np.random.default_rng(3).integers(0, 2, (6, 4, 4))
    expected, found = match_output(mask, (4, 4, 1))
    found = meaning.with_threshold(found, "sigmoid", expected)
    assert (found.kind, found.threshold) == ("decisions", 0.5)
    assert meaning.accuracy(np.where(expected > 0, 0.6, 0.4), expected, found) == 1


def test_probabilities_of_a_teacher_are_classes_and_values() -> None:
    soft = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], np.float32)
    expected, found = match_output(soft, (3,))
    assert found == Meaning(kind="classes", soft=True)
    assert meaning.accuracy(soft[:, ::-1], expected, found) == 0
    assert meaning.rmse(soft + 0.1, expected, found) == pytest.approx(0.1, rel=1e-4)


def rows(labels: np.ndarray, classes: int = 4) -> np.ndarray:
    found: np.ndarray = np.eye(classes, dtype=np.float32)[labels]
    return found


def beats_chance(found: np.ndarray, wanted: np.ndarray) -> bool:
    reached = meaning.accuracy(rows(found), rows(wanted), CLASSES)
    by_chance = meaning.accuracy_by_chance(rows(found), rows(wanted), CLASSES)
    assert reached is not None
    assert by_chance is not None
    return reached >= by_chance


LABELS = hnp.arrays(np.int64, st.integers(50, 300), elements=st.integers(0, 3))


@given(LABELS, st.integers(0, 3))
def test_an_answer_that_is_always_the_same_is_no_better_than_chance(
    labels: np.ndarray, answer: int
) -> None:
    assert beats_chance(np.full_like(labels, answer), labels) == (labels == answer).all()


@given(LABELS)
def test_right_answers_are_better_than_chance_however_rare_a_class_is(labels: np.ndarray) -> None:
    assert beats_chance(labels, labels)


def test_answers_to_other_samples_are_no_better_than_chance() -> None:
    rng = np.random.default_rng(4)
    right = rng.integers(0, 4, 1000)
    answers = np.where(rng.random(1000) < 0.9, right, rng.integers(0, 4, 1000))
    assert beats_chance(answers, right)
    missed = [beats_chance(answers, np.roll(right, by)) for by in range(1, 200)]
    assert sum(missed) < 0.05 * len(missed)


def test_a_detector_that_finds_half_of_what_is_rare_is_better_than_chance() -> None:
    rare = (np.arange(1000) % 50 == 0).astype(np.int64)
    half = (np.arange(1000) % 100 == 0).astype(np.int64)
    assert beats_chance(half, rare)


def test_chance_is_not_known_for_values_few_samples_and_several_answers_a_sample() -> None:
    labels = np.arange(60) % 4
    y, pixels = rows(labels), rows(labels).reshape(15, 4, 4).repeat(4, axis=0)
    assert meaning.accuracy_by_chance(y, y, VALUES) is None
    assert meaning.accuracy_by_chance(y[:49], y[:49], CLASSES) is None
    assert meaning.accuracy_by_chance(pixels, pixels, CLASSES) is None
    yes = (labels[:, None] > 1).astype(np.float32)
    decided = Meaning(kind="decisions", threshold=0.5)
    assert meaning.accuracy_by_chance(yes, yes, decided) is not None
    assert meaning.accuracy_by_chance(y, y, decided) is None


@pytest.mark.parametrize(
    ("activation", "outputs", "threshold"),
    [
        ("sigmoid", [0.2, 0.7], 0.5),
        ("linear", [0.2, 0.7], 0.0),
        ("tanh", [0.2, 0.7], 0.0),
        ("", [0.2, 0.7], 0.5),  # not known, but it looks like a probability
        ("", [-3.0, 0.7], 0.0),
    ],
)
def test_a_logit_is_judged_at_0_and_a_probability_at_a_half(
    activation: str, outputs: list[float], threshold: float
) -> None:
    y = np.array(outputs)[:, None]
    _, found = match_output(np.array([0, 1]), (1,))
    assert meaning.with_threshold(found, activation, y).threshold == threshold


def test_logits_are_right_on_their_side_of_0() -> None:
    expected, found = match_output(np.array([0, 1, 1, 0]), (1,))
    outputs = np.array([[-0.2], [0.1], [0.3], [-0.01]])
    found = meaning.with_threshold(found, "linear", outputs)
    assert meaning.accuracy(outputs, expected, found) == 1


def test_labels_of_minus_1_and_1_are_decisions() -> None:
    expected, found = match_output(np.array([-1, 1, 1]), (1,))
    found = meaning.with_threshold(found, "tanh", np.array([[-0.9], [0.9], [-0.1]]))
    assert meaning.accuracy(np.array([[-0.9], [0.9], [-0.1]]), expected, found) == 2 / 3


def test_targets_of_the_outputs_shape_are_values() -> None:
    targets, found = match_output(np.array([[0.5, 0.25]]), (2,))
    assert found == VALUES
    assert targets.tolist() == [[0.5, 0.25]]


def test_whole_numbers_may_be_targets_of_a_regression() -> None:
    targets, found = match_output(np.array([3, 250, 17]), (1,), "linear")
    assert found == VALUES
    assert targets.tolist() == [[3], [250], [17]]


def test_class_numbers_for_one_probability_are_refused() -> None:
    with pytest.raises(InputError, match="class numbers 0 to 9, the model has one output"):
        match_output(np.arange(10), (1,), "sigmoid")


@pytest.mark.parametrize(
    ("y", "told"),
    [
        (np.array([0, 4]), "class numbers 0 to 4, the model has classes 0 to 3"),
        (np.array([-1, 0]), "class numbers -1 to 0"),
        (np.ones((2, 7)), r"shape \(7,\), the model gives \(4,\)"),
        (np.array([0.5, 1.0]), r"the model gives \(4,\)"),
    ],
)
def test_outputs_that_cannot_be_the_models_are_refused(y: np.ndarray, told: str) -> None:
    with pytest.raises(InputError, match=told):
        match_output(y, (4,))


def test_equal_outputs_are_as_faithful_as_can_be() -> None:
    y = np.random.default_rng(4).normal(size=(100, 3))
    found = compare(y, y, CLASSES)
    assert (found.agreement, found.worst_class_agreement, found.rmse, found.max_error) == (
        *(1, 1, 0, 0),
    )
    assert not found.constant


def test_a_class_that_is_never_found_shows_though_all_others_agree() -> None:
    y = np.zeros((100, 2))
    y[:, 0], y[:6, 1] = 0.5, 1
    z = y.copy()
    z[:6, 1] = 0.4
    found = compare(y, z, CLASSES)
    assert found.agreement == pytest.approx(0.94)
    assert (found.worst_class, found.worst_class_agreement) == (1, 0)


def test_outputs_that_never_change_are_constant_unless_the_framework_s_are() -> None:
    y = np.random.default_rng(5).normal(size=(50, 2))
    still = np.full((50, 2), 1 / 3)
    assert compare(y, still, VALUES).constant
    assert not compare(still, still, VALUES).constant


def test_errors_are_told_by_the_spread_of_all_and_of_the_worst_output() -> None:
    rng = np.random.default_rng(6)
    y = rng.normal(size=(4000, 2)) * [100, 1]
    found = compare(y, y + np.array([0, 1]), VALUES)
    assert found.spread == pytest.approx(100 / np.sqrt(2), rel=0.05)
    assert found.rmse / found.spread < 0.02
    assert found.worst_output_error == pytest.approx(1, rel=0.05)


def test_an_output_that_is_lost_beside_a_far_larger_one_shows() -> None:
    """A pressure in Pa and a valve's opening: one number format gives the opening no bit."""
    rng = np.random.default_rng(7)
    targets = rng.normal(size=(200, 2)) * [1e5, 0.3]
    lost = targets * [1, 0]
    found = judged(Segment(shape=(2,)), VALUES, targets, targets, lost)
    assert found.fidelity is not None
    assert found.fidelity.worst_output_error == pytest.approx(1, rel=0.05)


def test_an_output_without_a_varying_target_need_not_follow_the_framework_s_noise() -> None:
    rng = np.random.default_rng(8)
    targets = rng.normal(size=(200, 2)) * [1, 0]
    outputs = targets + rng.normal(size=(200, 2)) * 1e-5
    found = judged(Segment(shape=(2,)), VALUES, targets, outputs, targets)
    assert found.fidelity is not None
    assert found.fidelity.worst_output_error < 0.02


@given(
    hnp.arrays(np.float64, (30, 3), elements=st.floats(-1e3, 1e3)),
    hnp.arrays(np.float64, (30, 3), elements=st.floats(-1e3, 1e3)),
)
def test_chunks_add_up_to_the_whole(y: np.ndarray, z: np.ndarray) -> None:
    found = compare(y, z, VALUES)
    assert found.rmse == pytest.approx(np.sqrt(np.mean((y - z) ** 2)))
    assert found.max_error == np.abs(y - z).max()
    assert meaning.rmse(z, y, VALUES) == pytest.approx(found.rmse)
