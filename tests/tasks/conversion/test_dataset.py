from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tasks.conversion import dataset
from tasks.core.errors import InputError


def saved(path: Path, **arrays: Any) -> Path:
    file = path / "data.npz"
    np.savez(file, **arrays)
    return file


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"X_test": np.ones((2, 3))}, "no y_test"),
        ({}, "no X_test and no y_test"),
        ({"X_test": np.ones((0, 3)), "y_test": np.ones(0)}, "X_test is empty"),
        ({"X_test": np.array([[1.0, np.nan]]), "y_test": [1]}, r"NaN or infinite.*\[0, 1\]"),
        ({"X_test": np.array([[1.0, -np.inf]]), "y_test": [1]}, "NaN or infinite"),
        ({"X_test": np.ones((2, 3)), "y_test": [1]}, "2 samples, y_test 1"),
        ({"X_test": np.array([["a"]]), "y_test": [1]}, "not numeric"),
    ],
)
def test_unusable_arrays_are_refused_by_name(
    tmp_path: Path, arrays: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        dataset.read(saved(tmp_path, **arrays))


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 broken"])
def test_a_file_that_is_no_npz_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "data.npz"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"is not an \.npz file"):
        dataset.read(file)


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    file = saved(tmp_path, X_test=np.array([{"a": 1}], dtype=object), y_test=[1])
    with pytest.raises(InputError, match=r"is not an \.npz file of plain arrays"):
        dataset.read(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.npz: no such data file"):
        dataset.read(tmp_path / "nowhere.npz")


def test_samples_must_have_the_shape_and_type_of_the_models_input() -> None:
    x = np.ones((5, 4), dtype=np.float32)
    assert dataset.match_input(x, (4,), "float32").shape == (5, 4)
    with pytest.raises(InputError, match=r"shape \(4,\), the model takes \(2, 2\)"):
        dataset.match_input(x, (2, 2), "float32")


@given(hnp.arrays(np.float64, (3, 2), elements=st.floats(-1e6, 1e6)))
def test_numbers_are_converted_only_where_that_changes_none(x: np.ndarray) -> None:
    if np.array_equal(x.astype(np.float32), x):
        assert np.array_equal(dataset.match_input(x, (2,), "float32"), x)
    else:
        with pytest.raises(InputError, match=r"(?s)rounds its values.*astype\('float32'\)"):
            dataset.match_input(x, (2,), "float32")


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float16", "float64", "bool"])
def test_whole_numbers_of_any_dtype_are_taken(dtype: str) -> None:
    x = np.array([[0, 1], [1, 0]], dtype=dtype)
    assert dataset.match_input(x, (2,), "float32").dtype == np.float32


def test_numbers_that_an_integer_input_does_not_hold_are_refused() -> None:
    with pytest.raises(InputError, match=r"and uint8, which the model takes, rounds"):
        dataset.match_input(np.array([[0.5]]), (1,), "uint8")


@given(hnp.arrays(np.int64, st.integers(1, 20), elements=st.integers(0, 3)))
def test_class_numbers_and_one_hot_rows_mean_the_same(labels: np.ndarray) -> None:
    by_number, classes = dataset.match_output(labels, (4,))
    by_row, also_classes = dataset.match_output(np.eye(4)[labels], (4,))
    assert classes
    assert also_classes
    assert np.array_equal(by_number, by_row)
    assert np.array_equal(dataset.class_numbers(by_number), labels)


def test_a_column_of_class_numbers_is_accepted() -> None:
    one_hot, classes = dataset.match_output(np.array([[2], [0]]), (3,))
    assert classes
    assert one_hot.tolist() == [[0, 0, 1], [1, 0, 0]]


def test_a_single_output_takes_zero_and_one() -> None:
    expected, classes = dataset.match_output(np.array([0, 1, 1]), (1,))
    assert classes
    assert expected.shape == (3, 1)
    assert dataset.accuracy(np.array([[0.2], [0.7], [0.4]], np.float32), expected) == 2 / 3


def test_targets_of_the_outputs_shape_are_no_classes() -> None:
    targets, classes = dataset.match_output(np.array([[0.5, 0.25]]), (2,))
    assert not classes
    assert targets.tolist() == [[0.5, 0.25]]


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
        dataset.match_output(y, (4,))
