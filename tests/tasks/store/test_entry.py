"""Promises of tasks/store/entry.py."""

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.records.base import Entry
from tasks.core.records.design import FixedPoint
from tasks.store.entry import FILES, MANIFEST, EntryManifest, checksums, digest, load

ENTRY = Entry(step="convert", digest="0" * 64)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
FINITE = SCALARS.filter(lambda value: not (isinstance(value, float) and math.isinf(value)))
VALUES = st.recursive(
    FINITE, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)
INPUTS = st.dictionaries(st.text(), VALUES, max_size=5)


def reordered(value: Any) -> Any:
    """Return the same JSON with the keys the other way round."""
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [reordered(item) for item in value]
    return value


@settings(deadline=None)
@given(INPUTS)
def test_a_digest_does_not_depend_on_the_order_of_keys(inputs: dict[str, Any]) -> None:
    assert digest("convert", inputs) == digest("convert", reordered(inputs))


@settings(deadline=None)
@given(INPUTS, INPUTS)
def test_other_inputs_have_another_digest(one: dict[str, Any], other: dict[str, Any]) -> None:
    same_text = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (digest("convert", one) == digest("convert", other)) == same_text


@settings(deadline=None)
@given(INPUTS, st.text(), FINITE, FINITE)
def test_a_digest_depends_on_every_value(
    inputs: dict[str, Any], key: str, one: object, other: object
) -> None:
    if json.dumps(one) != json.dumps(other):
        with_one = digest("convert", inputs | {key: one})
        assert with_one != digest("convert", inputs | {key: other})


def test_a_digest_depends_on_step_and_inputs() -> None:
    digests = {
        digest("convert", {}),
        digest("package", {}),
        digest("convert", {"x": 1}),
        digest("convert", {"x": "1"}),
        digest("convert", {"step": "package"}),
    }
    assert len(digests) == 5


def test_a_digest_is_the_same_in_every_process() -> None:
    expected = "4ee77c4c7e78150415a6e796808d28fbefc06864b581e72f08bbe2577ba901c3"
    assert digest("convert", {"é": [1, 1.5, True, None, "\ud800"]}) == expected


@pytest.mark.parametrize(
    "value", [(1, 2), {1: "key"}, {True: 1}, {"a", "b"}, b"bytes", Path("path"), object(), 1j]
)
def test_what_is_not_plain_json_has_no_digest(value: object) -> None:
    with pytest.raises(TypeError):
        digest("convert", {"nested": [value]})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_have_no_digest(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest("convert", {"value": value})


@settings(deadline=None)
@given(INPUTS, st.text(), st.datetimes(timezones=st.just(UTC)))
def test_a_manifest_is_read_as_it_was_written(
    inputs: dict[str, Any], label: str, created: datetime
) -> None:
    manifest = EntryManifest(
        entry=ENTRY, label=label, created=created, inputs=inputs, files={}, record={"a": 1.5}
    )
    assert EntryManifest.decode(manifest.encode()) == manifest


def make_entry(directory: Path) -> EntryManifest:
    files = directory / FILES
    (files / "sub").mkdir(parents=True)
    (files / "empty").touch()
    (files / "sub/weights.txt").write_text("0.5, -0.25")
    (files / "core.bin").write_bytes(bytes(range(256)))
    manifest = EntryManifest.describe(
        ENTRY, "digits", {"a": 1}, FixedPoint(width=8, integer=2), files
    )
    manifest.write(directory)
    return manifest


def test_a_whole_entry_is_loaded(tmp_path: Path) -> None:
    manifest = make_entry(tmp_path)
    assert load(tmp_path, ENTRY, FixedPoint) == manifest
    assert set(manifest.files) == {"empty", "sub/weights.txt", "core.bin"}
    assert manifest.size == 256 + 10


@pytest.mark.parametrize("name", [MANIFEST, "files/core.bin", "files/sub/weights.txt"])
def test_a_change_of_any_byte_is_found(tmp_path: Path, name: str) -> None:
    make_entry(tmp_path)
    path = tmp_path / name
    whole = path.read_bytes()
    for position in range(len(whole)):
        for flip in (0x01, 0x20):
            changed = bytearray(whole)
            changed[position] ^= flip
            path.write_bytes(changed)
            with pytest.raises(ValueError, match=r"."):
                load(tmp_path, ENTRY)
    path.write_bytes(whole)
    load(tmp_path, ENTRY)


@pytest.mark.parametrize("name", [MANIFEST, "files/core.bin", "files/empty"])
def test_a_file_that_is_missing_longer_or_shorter_is_found(tmp_path: Path, name: str) -> None:
    make_entry(tmp_path)
    path = tmp_path / name
    whole = path.read_bytes()
    for content in (whole + b"x", whole[:-1] if whole else b"y"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"."):
            load(tmp_path, ENTRY)
    path.unlink()
    with pytest.raises(ValueError, match="is missing"):
        load(tmp_path, ENTRY)


def test_an_entry_in_the_place_of_another_is_found(tmp_path: Path) -> None:
    make_entry(tmp_path)
    with pytest.raises(ValueError, match="a different entry"):
        load(tmp_path, Entry(step="convert", digest="1" * 64))


def test_links_inside_an_entry_are_followed(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("content")
    (tmp_path / "b").symlink_to("a")
    found = checksums(tmp_path)
    assert found["a"] == found["b"]


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside"])
def test_links_out_of_an_entry_are_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files/link").symlink_to(target)
    with pytest.raises(ValueError, match="leads out of"):
        checksums(tmp_path / "files")
