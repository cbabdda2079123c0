"""A pipe or a device in place of a file is refused: reading a pipe may wait for ever."""

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
