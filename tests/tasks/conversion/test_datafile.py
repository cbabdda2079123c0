"""Test data in every form that people have them in."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tasks.conversion import datafile
from tasks.core.digests import digest_of
from tasks.core.errors import InputError, StoreError

X = np.array([[1.5, -2.0], [0.25, 3.0]], np.float32)
Y = np.array([1, 0])


def table(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_all_forms_hold_the_same_samples(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    np.savez(tmp_path / "data.npz", X_test=X, y_test=Y)
    np.save(tmp_path / "X_test.npy", X)
    np.save(tmp_path / "y_test.npy", Y)
    table(tmp_path / "data.csv", "a,label,b\n1.5,1,-2\n0.25,0,3\n")
    columns = {"a": X[:, 0], "label": Y, "b": X[:, 1]}
    parquet.write_table(pa.table(columns), tmp_path / "data.parquet")
    for name in ("data.npz", "X_test.npy", "data.csv", "data.parquet"):
        suffix = Path(name).suffix
        data = datafile.read(tmp_path / name, "label" if suffix in {".csv", ".parquet"} else "")
        assert np.array_equal(data.x["X_test"], X), name
        assert np.array_equal(data.y["y_test"], Y), name


def test_numbers_of_a_table_that_float32_rounds_are_named_by_column(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    path = tmp_path / "data.parquet"
    for exact in (np.array([1, 2**24]), np.array([0.5, -2.0]), np.array([0.1], np.float32)):
        parquet.write_table(pa.table({"a": exact, "label": exact * 0}), path)
        assert np.array_equal(datafile.read(path, "label").x["X_test"][:, 0], exact)
    for rounded in (np.array([1, 2**24 + 1]), np.array([0.5, 0.1]), np.array([1.0, 1e300])):
        parquet.write_table(pa.table({"a": rounded, "label": rounded * 0}), path)
        with pytest.raises(InputError, match=r"column a has .* rounds\n(?s:.*)astype\('float32'\)"):
            datafile.read(path, "label")
    text = table(tmp_path / "data.csv", "a,label\n0.1,1\n")
    assert datafile.read(text, "label").x["X_test"] == np.float32(0.1)
    with pytest.raises(InputError, match="column a has 16777217"):
        datafile.read(table(tmp_path / "data.csv", "a,label\n16777217,1\n"), "label")


def test_both_files_of_a_pair_make_its_digest(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", Y)
    before = digest_of(datafile.files(tmp_path / "X.npy"))
    np.save(tmp_path / "y.npy", Y + 1)
    assert digest_of(datafile.files(tmp_path / "X.npy")) != before


@pytest.mark.parametrize("name", ["X_test.npy", "samples.npy"])
def test_a_pair_without_its_second_file_is_refused(tmp_path: Path, name: str) -> None:
    np.save(tmp_path / name, X)
    with pytest.raises(InputError, match="has no partner"):
        datafile.read(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "target", "named"),
    [
        ("a,label\n1,0\n", "", "but no target column is given\n.*a, label"),
        ("a,label\n1,0\n", "class", "no column 'class'\n.*a, label"),
        ("a,label\n1,cat\n", "label", "could not convert string to float: 'cat'"),
        ("1,2\n3,4\n", "1", "no line of column names"),
        ("a,label\n1\n", "label", "rows of different lengths"),
        ("a,label\n1,\n", "label", "not a CSV file of numbers"),
        ("a,label\nnan,0\n", "label", "NaN or infinite"),
        ("a,label\n", "label", "empty"),
        ("", "label", "no line of column names"),
    ],
)
def test_a_table_that_is_none_is_refused(
    tmp_path: Path, text: str, target: str, named: str
) -> None:
    with pytest.raises(InputError, match=named):
        datafile.read(table(tmp_path / "data.csv", text), target)


def test_binary_content_under_the_suffix_of_a_table_is_refused(tmp_path: Path) -> None:
    for name in ("data.csv", "data.parquet"):
        (tmp_path / name).write_bytes(b"\xff\x00\xfe")
        with pytest.raises(InputError, match="of numbers"):
            datafile.read(tmp_path / name, "label")


def test_a_target_is_for_tables_alone(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", X_test=X, y_test=Y)
    with pytest.raises(InputError, match="is not a table"):
        datafile.read(tmp_path / "data.npz", "label")


def test_data_whose_copies_would_fill_the_disk_are_refused_before_any_is_made(
    tmp_path: Path,
) -> None:
    values = shutil.disk_usage(tmp_path).free // 8 + 1_000_000
    with (tmp_path / "X_test.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": (values, 1)}
        )
        file.truncate(file.tell() + 4 * values)  # takes no space until it is written
    np.save(tmp_path / "y_test.npy", np.zeros(1))
    small = tmp_path / "small.npz"
    np.savez(small, X_test=X, y_test=Y)
    datafile.require_room(small, tmp_path)
    with pytest.raises(StoreError, match=r"(?s)writes about .* GB, .* GB are free.*fewer samples"):
        datafile.require_room(tmp_path / "X_test.npy", tmp_path)


def test_a_table_larger_than_memory_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = table(tmp_path / "data.csv", "a,label\n" + "1,0\n" * 20_000)
    with path.open("ab") as file:
        file.truncate(1 << 40)
    with pytest.raises(InputError, match=r"(?s)takes about .* GB of memory, .* available.*savez"):
        datafile.read(path, "label")
