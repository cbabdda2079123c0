"""Small files of a store, whatever their names and wherever the store is."""

from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import StoreError
from tasks.store.files import Files

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1).filter(
    lambda name: name not in {".", ".."}
)


class LibraryError(Exception):
    """An exception of a library that does not derive from OSError, like botocore's."""


class Unreachable(MemoryFileSystem):  # type: ignore[misc]  # fsspec is untyped
    """A store behind a network that is down."""

    protocol = "unreachable"
    store: dict[str, object] = {}  # noqa: RUF012  the class it stands in for has it so

    def _down(self, *_args: object, **_kwargs: object) -> None:
        raise LibraryError

    cat_file = pipe_file = ls = rm_file = exists = makedirs = put_file = _down


fsspec.register_implementation("unreachable", Unreachable, clobber=True)


@pytest.mark.parametrize("where", ["lab[1]", "*", "plain"])
def test_no_character_of_a_path_is_a_pattern(tmp_path: Path, where: str) -> None:
    for url in (str(tmp_path / where), f"memory://{tmp_path.name}/{where}"):
        files = Files(url)
        for name in ("[a-z]*", "b", "a?"):
            files.write(f"runs/{name}", name.encode())
        assert files.names("runs") == ["[a-z]*", "a?", "b"]
        assert files.read("runs/[a-z]*") == b"[a-z]*"
        assert files.remove("runs/[a-z]*")
        assert files.names("runs") == ["a?", "b"]


@given(NAMES, st.binary())
def test_what_was_written_is_read(name: str, content: bytes) -> None:
    files = Files("memory://names")
    files.write(f"d/{name}", content)
    assert files.read(f"d/{name}") == content


def test_what_is_not_there_is_none(tmp_path: Path) -> None:
    files = Files(str(tmp_path / "none"))
    assert files.names("runs") == []
    assert files.read("runs/a") is None
    assert not files.remove("runs/a")


@pytest.mark.parametrize("name", ["../out", "a/../../out", "/out"])
def test_no_name_leads_out_of_the_store(name: str) -> None:
    with pytest.raises(ValueError, match="out of the store"):
        Files("memory://store").read(name)


def test_a_library_s_own_exception_is_a_store_error() -> None:
    files = Files("unreachable://store")
    calls = (
        lambda: files.read("a"),
        lambda: files.names("a"),
        lambda: files.write("a", b""),
        lambda: files.remove("a"),
        lambda: files.exists("a"),
    )
    for call in calls:
        with pytest.raises(StoreError, match="LibraryError") as caught:
            call()
        assert caught.value.transient
        assert "credentials" in caught.value.remedy
