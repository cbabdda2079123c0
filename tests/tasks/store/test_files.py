"""Small files of a store, whatever their names and wherever the store is."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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


def test_what_is_in_the_way_of_a_file_is_named(tmp_path: Path) -> None:
    files = Files(str(tmp_path))
    (tmp_path / "runs" / "a.json").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"runs/a\.json: Is a directory") as caught:
        files.write("runs/a.json", b"")
    assert "move away" in caught.value.remedy
    assert not caught.value.transient
    assert not list((tmp_path / "runs").rglob("*.part"))
    (tmp_path / "baselines").write_text("a file")
    with pytest.raises(StoreError, match="baselines: File exists"):
        files.write("baselines/a.json", b"")


@pytest.mark.slow
def test_what_keeps_a_file_from_being_written_is_named(tmp_path: Path) -> None:
    """A full disk, one that is read-only, a directory of somebody else."""
    files = Files(str(tmp_path))
    for options, words, remedy in (
        ("size=4k", "No space left on device", "free some space"),
        ("ro", "Read-only file system", "another place"),
    ):
        with mounted(tmp_path / "runs", options), pytest.raises(StoreError, match=words) as caught:
            files.write("runs/a.json", bytes(100_000))
        assert remedy in caught.value.remedy
    (tmp_path / "runs").chmod(0o500)
    script = (
        "import os, sys\n"
        "from tasks.store.files import Files\n"
        "files = Files(sys.argv[1])\n"
        "os.setuid(65534)\n"
        "files.write('runs/a.json', b'')\n"
    )
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(0o755)
    command = [sys.executable, "-c", script, str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    assert "StoreError" in told
    assert "Permission denied" in told
    assert "chmod" in told


@contextmanager
def mounted(directory: Path, options: str) -> Iterator[None]:
    directory.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(directory)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting takes root")
    try:
        yield
    finally:
        subprocess.run(["umount", str(directory)], check=True)
