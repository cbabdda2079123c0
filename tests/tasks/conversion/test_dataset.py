import io
import re
import struct
import tempfile
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tasks.conversion import dataset, meaning, npz
from tasks.core.errors import InputError
from tasks.core.records.quality import Meaning, Segment


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
        ({"X_test": np.ones((2, 3)), "y_test": [1]}, "2 samples, y_test 1"),
        ({"X_test": np.array([["a"]]), "y_test": [1]}, "not numeric"),
    ],
)
def test_unusable_arrays_are_refused_by_name(
    tmp_path: Path, arrays: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        npz.check(saved(tmp_path, **arrays))


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_the_first_value_that_is_no_number_is_named(tmp_path: Path, value: float) -> None:
    x = np.ones((dataset.CHUNK_BYTES // 8 + 10, 1))
    x[-2] = value
    file = saved(tmp_path, X_test=x, y_test=np.zeros(len(x)))
    with pytest.raises(InputError, match=rf"1 values .*NaN or infinite.*\[{len(x) - 2}, 0\]"):
        npz.unpack(file, tmp_path)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 broken"])
def test_a_file_that_is_no_npz_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "data.npz"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"is not an \.npz file"):
        npz.check(file)


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    file = saved(tmp_path, X_test=np.array([{"a": 1}], dtype=object), y_test=[1])
    with pytest.raises(InputError, match=r"is not an \.npz file of plain arrays"):
        npz.check(file)


def claimed(directory: Path, shape: tuple[int, ...], held: int) -> tuple[Path, int]:
    """Return an archive whose headers claim a shape above some bytes, and a header's length."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    file = directory / "data.npz"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in dataset.NAMES:
            archive.writestr(f"{name}.npy", header.getvalue() + bytes(held))
    return file, len(header.getvalue())


@pytest.mark.parametrize(("shape", "held"), [((10**12,), 8), ((-1, -4), 16)])
def test_a_shape_that_the_file_does_not_hold_is_refused(
    shape: tuple[int, ...], held: int, tmp_path: Path
) -> None:
    file, _ = claimed(tmp_path, shape, held)
    for read in (npz.check, lambda path: npz.unpack(path, tmp_path)):
        with pytest.raises(InputError, match=r"is not an \.npz file of plain arrays"):
            read(file)


def test_a_header_of_200_mb_is_not_read(tmp_path: Path) -> None:
    size = 200_000_000
    file = tmp_path / "data.npz"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in dataset.NAMES:
            archive.writestr(
                f"{name}.npy", b"\x93NUMPY\x02\x00" + size.to_bytes(4, "little") + bytes(size)
            )
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"is not an \.npz file of plain arrays"):
            npz.check(file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000


def test_an_archive_whose_directory_promises_more_than_it_has_is_refused(tmp_path: Path) -> None:
    file, header = claimed(tmp_path, (10**6,), 100)
    promised = struct.pack("<I", header + 4 * 10**6)
    content = bytearray(file.read_bytes())
    for head, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        for found in re.finditer(head, bytes(content)):
            content[found.start() + at : found.start() + at + 4] = promised
    file.write_bytes(content)
    for read in (npz.check, lambda path: npz.unpack(path, tmp_path)):
        with pytest.raises(InputError, match=r"X_test holds 25 of the 1000000 values of its shape"):
            read(file)


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    content = saved(tmp_path, X_test=[[1.0]], y_test=[1]).read_bytes()
    file = tmp_path / "locked.npz"
    for head, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # of a member, of the directory
        content = re.sub(
            re.escape(head) + b"." * (flags - 4) + b".",
            lambda found: found[0][:-1] + bytes([found[0][-1] | 1]),
            content,
            flags=re.DOTALL,
        )
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"is not an \.npz file of plain arrays"):
        npz.check(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.npz: no such data file"):
        npz.check(tmp_path / "nowhere.npz")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_unpacked_arrays_are_those_saved_whatever_their_order(
    tmp_path: Path, save: Any, order: Any
) -> None:
    x = np.asarray(np.random.default_rng(1).normal(size=(50, 4, 3)), np.float32, order=order)
    save(tmp_path / "data.npz", X_test=x, y_test=np.arange(50))
    data = npz.unpack(tmp_path / "data.npz", tmp_path)
    written = dataset.write_floats(tmp_path / "X_test.npy", data.x["X_test"])
    assert np.array_equal(written, x)
    assert written.flags["C_CONTIGUOUS"]
    assert np.array_equal(data.y["y_test"], np.arange(50))


def test_arrays_are_taken_in_the_models_order_by_name_or_number() -> None:
    first, second = np.zeros((2, 1)), np.ones((2, 1))
    for names in (("right", "left"), ("1", "0")):
        arrays = {f"X_test_{name}": each for name, each in zip(names, (second, first), strict=True)}
        taken = dataset.in_order(arrays, "X_test", ["left", "right"])
        assert [
            each is wanted for each, wanted in zip(taken.values(), (first, second), strict=True)
        ]
    assert list(dataset.in_order({"y_test": first}, "y_test", ["scores"])) == ["y_test"]


@pytest.mark.parametrize(
    ("held", "names", "told"),
    [
        (["X_test"], ["left", "right"], r"contain X_test, the model has 2 inputs \(left, right\)"),
        (["X_test_left"], ["left", "right"], "X_test_left, X_test_right: one array per"),
        (["X_test_a", "X_test_b"], ["x"], r"the model has one input\n.*file with X_test$"),
        (["X_test_left", "X_test_1"], ["left", "right"], "contain X_test_left, X_test_1"),
    ],
)
def test_arrays_that_are_not_the_models_are_refused(
    held: list[str], names: list[str], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        dataset.in_order(dict.fromkeys(held, np.zeros((2, 1))), "X_test", names)


def test_a_file_holds_arrays_by_name_of_as_many_samples(tmp_path: Path) -> None:
    arrays = {"X_test_a": np.ones((3, 2)), "X_test_b": np.ones((3, 1)), "y_test": np.ones(3)}
    data = npz.unpack(saved(tmp_path, **arrays), tmp_path)
    assert (list(data.x), list(data.y)) == (["X_test_a", "X_test_b"], ["y_test"])
    with pytest.raises(InputError, match="X_test_a has 3 samples, X_test_b 2"):
        npz.check(saved(tmp_path, **(arrays | {"X_test_b": np.ones((2, 1))})))


@given(st.lists(hnp.array_shapes(max_dims=3, max_side=3), min_size=2, max_size=3))
def test_joined_samples_are_cut_into_the_same_parts(shapes: list[tuple[int, ...]]) -> None:
    rng = np.random.default_rng(7)
    parts = [rng.normal(size=(4, *shape)).astype(np.float32) for shape in shapes]
    with tempfile.TemporaryDirectory() as directory:
        row = dataset.joined(Path(directory) / "row.npy", parts)
        cut = meaning.cut(row, [Segment(shape=shape) for shape in shapes])
        assert all(np.array_equal(*pair) for pair in zip(cut, parts, strict=True))


def test_samples_must_have_the_shape_and_type_of_the_models_input() -> None:
    x = np.ones((5, 4), dtype=np.float32)
    dataset.match_input(x, (4,), "float32")
    with pytest.raises(InputError, match=r"shape \(4,\), the model takes \(2, 2\)"):
        dataset.match_input(x, (2, 2), "float32")


@given(hnp.arrays(np.float64, (3, 2), elements=st.floats(-1e6, 1e6)))
def test_numbers_are_taken_only_where_conversion_changes_none(x: np.ndarray) -> None:
    if np.array_equal(x.astype(np.float32), x):
        dataset.match_input(x, (2,), "float32")
    else:
        with pytest.raises(InputError, match=r"(?s)rounds its values.*astype\('float32'\)"):
            dataset.match_input(x, (2,), "float32")


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float16", "float64", "bool"])
def test_whole_numbers_of_any_dtype_are_taken_and_written_as_float32(
    tmp_path: Path, dtype: str
) -> None:
    x = np.array([[0, 1], [1, 0]], dtype=dtype)
    dataset.match_input(x, (2,), "float32")
    written = dataset.write_floats(tmp_path / "X_test.npy", x)
    assert written.dtype == np.float32
    assert np.array_equal(written, x)


def test_numbers_that_an_integer_input_does_not_hold_are_refused() -> None:
    with pytest.raises(InputError, match=r"and uint8, which the model takes, rounds"):
        dataset.match_input(np.array([[0.5]]), (1,), "uint8")


def in_memory_of_files() -> int:
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"RssFile:\s+(\d+) kB", status)[0]) * 1024


def test_data_larger_than_memory_pass_through_it(tmp_path: Path) -> None:
    shape = (1000, 50_000)  # 200 MB
    np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, shape)
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    before, most = in_memory_of_files(), 0
    dataset.match_input(x, x.shape[1:], "float32")
    written = dataset.write_floats(tmp_path / "written.npy", x)
    for part in dataset.chunks(x, written):
        assert np.array_equal(x[part], written[part])
        most = max(most, in_memory_of_files())
    assert meaning.accuracy(x, written, Meaning(kind="classes")) == 1
    assert most - before < 4 * dataset.CHUNK_BYTES
    assert in_memory_of_files() - before < 4 * dataset.CHUNK_BYTES
