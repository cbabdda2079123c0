"""A package from elsewhere is looked through before it is used, and trusted by its digest."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.core.digests import file_digest
from tasks.core.errors import InputError
from tasks.packaging import archive, inspection, manifest, trust
from tests.tasks import samples

Contents = dict[str, bytes]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    design, project = samples.write_design_files(tmp_path)
    made = samples.implementation()
    tarball = tmp_path / archive.PACKAGE_FILE
    archive.write(tarball, archive.members(made, design, project), manifest.describe(made))
    return tarball


def changed(package: Path, change: Callable[[Contents], None]) -> Path:
    """The package with other contents."""
    with tarfile.open(package) as tar:
        contents = {name: tar.extractfile(name).read() for name in tar.getnames()}  # type: ignore[union-attr]
    change(contents)
    with tarfile.open(package, "w:gz", compresslevel=1) as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return package


def telling(**fields: Any) -> Callable[[Contents], None]:
    """Change what the manifest says."""

    def change(contents: Contents) -> None:
        told = json.loads(contents["manifest.json"])
        contents["manifest.json"] = json.dumps(told | fields).encode()

    return change


def with_file(name: str, content: bytes) -> Callable[[Contents], None]:
    """Change a file, and what the manifest says of it."""

    def change(contents: Contents) -> None:
        contents[name] = content
        told = json.loads(contents["manifest.json"])
        told["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        contents["manifest.json"] = json.dumps(told).encode()

    return change


def header(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    written = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        written, {"descr": descr, "fortran_order": False, "shape": shape}
    )
    return written.getvalue()


def test_a_package_of_ours_is_what_it_says(package: Path) -> None:
    assert inspection.inspect(package) == inspection.read_manifest(package)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("project_name", "a/b"),
        ("project_name", "[a-z]*"),
        ("project_name", "a~b"),
        ("project_name", "x" * 64),
        ("project_name", ""),
        ("board_kind", "../etc"),
        ("part", "x;reboot"),
        ("clock_mhz", float("nan")),
        ("clock_mhz", 0),
        ("clock_mhz", 1e300),
        ("samples", 0),
        ("samples", -3),
        ("accuracy_framework", 1.5),
        ("model_name", "\x1b[2Jx"),
        ("model_name", "x" * 300),
        ("model_digest", "none"),
        ("versions", {"a": "b\n"}),
        ("target", "phone"),
        ("files", {"a": {"sha256": "0", "size": -1}}),
        ("more", 1),
    ],
)
def test_every_field_of_a_manifest_has_bounds(package: Path, field: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"not an overlayflow package.*{field}"):
        inspection.read_manifest(changed(package, telling(**{field: value})))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda contents: contents.update({"more": b""}), "'more' is not what"),
        (lambda contents: contents.update({"hls4ml_nn.bit": b"other"}), "'hls4ml_nn.bit' is not"),
        (lambda contents: contents.pop("y_csim.npy"), "'y_csim.npy' is not what"),
        (lambda contents: contents.pop("manifest.json"), "contains no manifest.json"),
        (lambda contents: contents.update({"../out": b""}), "leads out"),
        (lambda contents: contents.update({"/out": b""}), "leads out"),
        (with_file("X_test.npy", header((10**12,)) + b"1234"), "its header says"),
        (with_file("more.npy", header((-1, -4)) + bytes(16)), "its header says"),
        (with_file("X_test.npy", header((1,), "|O") + b"12345678"), "objects"),
        (with_file("X_test.npy", b"\x93NUMPY\x02\x00"), "version"),
        (with_file("X_test.npy", b"nothing"), "X_test.npy"),
        (with_file("y_csim.npy", header((2, 1)) + bytes(8)), "has shape"),
        (telling(padding=" " * (2 << 20)), "more than 1048576 bytes"),
    ],
)
def test_what_is_not_as_the_manifest_says_is_refused(
    package: Path, change: Callable[[Contents], None], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        inspection.inspect(changed(package, change))


def test_more_files_or_bytes_than_any_package_has_are_refused(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = changed(package, lambda all_: all_.update({f"f{n}": b"" for n in range(20)}))
    monkeypatch.setattr(inspection, "MEMBERS", 10)
    with pytest.raises(InputError, match="more than 10 files"):
        inspection.inspect(many)
    monkeypatch.setattr(inspection, "UNPACKED_BYTES", 100)
    with pytest.raises(InputError, match="GiB unpacked"):
        inspection.inspect(many)


def test_a_member_that_unpacks_to_a_terabyte_is_refused_by_its_header(tmp_path: Path) -> None:
    bomb = tmp_path / "package.tar.gz"
    member = tarfile.TarInfo("manifest.json")
    member.size = 1 << 40
    bomb.write_bytes(gzip.compress(member.tobuf()))
    with pytest.raises(InputError, match="GiB unpacked"):
        inspection.inspect(bomb)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_what_is_no_plain_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "package.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo("manifest.json")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    with pytest.raises(InputError, match="not a plain file"):
        inspection.inspect(path)


@pytest.mark.parametrize("content", [b"", b"no archive", gzip.compress(b"no tar" * 1000, mtime=0)])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "package.tar.gz"
    path.write_bytes(content)
    with pytest.raises(InputError):
        inspection.inspect(path)


def test_an_archive_that_was_cut_off_is_refused(package: Path) -> None:
    package.write_bytes(package.read_bytes()[:-2000])
    with pytest.raises(InputError):
        inspection.inspect(package)


def test_an_array_that_claims_more_than_it_has_allocates_nothing(package: Path) -> None:
    changed(package, with_file("y_csim.npy", header((10**12,)) + b"1234"))
    with pytest.raises(InputError, match=r"no readable y_csim\.npy"):
        archive.read_array(package, "y_csim.npy")


def test_a_package_from_elsewhere_is_trusted_once_by_its_digest(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVERLAYFLOW_HOME", str(tmp_path / "home"))
    with pytest.raises(InputError, match="not made by this user") as refused:
        trust.admit(package, trusted=False)
    assert "--trust" in refused.value.remedy
    assert file_digest(package) in refused.value.what
    digest, _ = trust.admit(package, trusted=True)
    assert trust.admit(package, trusted=False)[0] == digest
    changed(package, with_file("axi_stream_driver.py", b"other"))
    with pytest.raises(InputError, match="not made by this user"):
        trust.admit(package, trusted=False)


def test_what_is_no_package_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERLAYFLOW_HOME", str(tmp_path / "home"))
    (tmp_path / "package.tar.gz").write_bytes(b"nothing")
    with pytest.raises(InputError):
        trust.admit(tmp_path / "package.tar.gz", trusted=True)
    assert not (tmp_path / "home").exists()
