"""A pipe or a device in place of a file is refused: reading a pipe may wait for ever."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.conversion import datafile
from tasks.conversion.modelfile import identify
from tasks.core.digests import digest_of
from tasks.core.errors import InputError
from tasks.packaging.inspection import inspect
from tasks.sweeps.file import SweepFile


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("model.keras", identify),
        ("model.h5", identify),
        ("model.onnx", identify),
        ("model.pt2", identify),
        ("data.npz", datafile.check),
        ("data.csv", datafile.check),
        ("sweep.yaml", SweepFile),
        ("package.tar.gz", lambda path: digest_of([path])),
    ],
)
def test_a_device_is_refused_where_a_file_is_needed(
    tmp_path: Path, name: str, read: Callable[[Path], object]
) -> None:
    (tmp_path / name).symlink_to("/dev/null")  # which, unlike a pipe, hangs no test
    with pytest.raises(InputError, match="is a pipe or a device, not a file"):
        read(tmp_path / name)


@pytest.mark.parametrize(
    ("suffix", "read"),
    [
        (".keras", identify),
        (".npz", datafile.check),
        (".npy", datafile.check),
        (".tar.gz", inspect),
    ],
)
def test_a_name_too_long_for_a_file_is_refused(
    tmp_path: Path, suffix: str, read: Callable[[Path], object]
) -> None:
    with pytest.raises(InputError, match="cannot be read: File name too long"):
        read(tmp_path / ("m" * 300 + suffix))


@pytest.mark.parametrize(
    ("suffix", "read"), [(".keras", identify), (".csv", datafile.check), (".npz", datafile.check)]
)
def test_a_file_that_is_closed_to_this_user_is_refused(
    tmp_path: Path, suffix: str, read: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"file{suffix}"
    path.write_bytes(b"")
    path.chmod(0)
    if os.access(path, os.R_OK):  # root reads all files
        monkeypatch.setattr(Path, "open", closed)
    with pytest.raises(InputError, match=r"(?s)cannot be read: Permission denied.*let .* read it"):
        read(path)


def closed(path: Path, *_: object, **__: object) -> None:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def test_a_link_without_a_file_is_named_with_its_target(tmp_path: Path) -> None:
    for name, target in (("gone.keras", "nowhere"), ("loop.keras", "loop.keras")):
        (tmp_path / name).symlink_to(target)
        with pytest.raises(InputError, match=f"(?s)cannot be read.*it is a link to {target}"):
            identify(tmp_path / name)
