"""Store entries: their digest, the checksums of their files, and entry.json, which holds both.

An entry is a directory with `entry.json` and `files/`. entry.json contains a checksum of its own
content, so a change to any byte of an entry is detected.
"""

import errno
import hashlib
import json
import os
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

from tasks.core.records.base import Entry, Record, StepName

MANIFEST = "entry.json"
FILES = "files"
# No entry has a manifest so large; whatever claims to be one is not read into memory.
_MANIFEST_BYTES = 64 << 20
# Part of every digest: a new layout gives new entries.
_LAYOUT = 1


class EntryFile(NamedTuple):
    """Size in bytes and hex SHA-256 of a file."""

    size: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Self:
        """Read a file's size and compute its checksum."""
        with path.open("rb") as file:
            return cls(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


class EntryManifest(Record):
    """The content of entry.json.

    Attributes:
        label: a name for people, e.g. the project's.
        created: when it was made, UTC.
        inputs: the inputs that the digest was computed from.
        files: size and checksum by path relative to `files/`.
        record: the record that the build returned, as JSON.
    """

    entry: Entry
    label: str
    created: datetime
    inputs: dict[str, Any]
    files: dict[str, EntryFile]
    record: dict[str, Any]

    @classmethod
    def describe(
        cls, entry: Entry, label: str, inputs: Mapping[str, Any], record: Record, files: Path
    ) -> Self:
        """Describe an entry whose files are complete.

        Raises:
            ValueError: a link leads out of the entry, or the record holds NaN or infinity.
        """
        content = record.model_dump(mode="json")
        _canonical(content)  # raises on what pydantic would silently write as null
        return cls(
            entry=entry,
            label=label,
            created=datetime.now(UTC),
            inputs=dict(inputs),
            files=checksums(files),
            record=content,
        )

    @property
    def size(self) -> int:
        """Total size of all files in bytes."""
        return sum(file.size for file in self.files.values())

    def encode(self) -> str:
        """Return the text of entry.json."""
        content = self.model_dump(mode="json")
        return json.dumps({"checksum": _checksum(content), **content}, indent=1, allow_nan=False)

    def write(self, directory: Path) -> None:
        """Write entry.json and flush it to disk."""
        with (directory / MANIFEST).open("w") as file:
            file.write(self.encode())
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def decode(cls, text: str) -> Self:
        """Parse the text of entry.json; raise ValueError if what it says was changed.

        The bytes between what it says are not compared: that would take ten times as long, and
        lists of a thousand entries are read in this way.
        """
        try:
            content = json.loads(text)
            if not isinstance(content, dict):
                raise ValueError("not an object")  # noqa: TRY004 - bad data, not a bad call
            if content.pop("checksum", None) != _checksum(content):
                raise ValueError("checksum differs")
        except RecursionError:
            raise ValueError("nested too deeply") from None
        return cls.model_validate(content)


class EntryInfo(Record):
    """Summary of an entry for listings.

    Attributes:
        label: a name for people, e.g. the project's.
        created: when it was made, UTC.
        used: when it was last looked up, UTC.
        size: total size of its files in bytes.
    """

    entry: Entry
    label: str
    created: datetime
    used: datetime
    size: int


def digest(step: StepName, inputs: Mapping[str, Any]) -> str:
    """Return the digest (hex SHA-256) of a step's entry.

    Equal JSON gives equal digests, whatever the order of keys; 1 and 1.0 are not equal.

    Args:
        step: the step.
        inputs: everything that the result depends on, as plain JSON values.

    Raises:
        TypeError: a value is not plain JSON: a tuple, a path, a key that is not a string.
        ValueError: a value is NaN or infinity.
    """
    content = {"layout": _LAYOUT, "step": step, "inputs": dict(inputs)}
    text = _canonical(content)
    if json.loads(text) != content:  # json turns keys into strings and tuples into lists
        raise TypeError(f"not plain JSON: {content['inputs']}")
    return hashlib.sha256(text.encode()).hexdigest()


def checksums(files: Path) -> dict[str, EntryFile]:
    """Return size and checksum of all files in a directory, by path relative to it.

    Raises:
        ValueError: a link leads out of the directory, or will once the directory is renamed.
    """
    found = {}
    for path in sorted(files.rglob("*")):
        name = path.relative_to(files).as_posix()
        if path.is_symlink():
            target = path.readlink()
            if target.is_absolute() or not path.resolve().is_relative_to(files.resolve()):
                raise ValueError(f"the link {name} -> {target} leads out of the store entry")
        if path.is_file():
            found[name] = EntryFile.of(path)
    return found


def opened(directory: Path) -> BinaryIO:
    """Open the manifest in an entry's directory.

    Raises:
        FileNotFoundError: there is none.
        ValueError: something else than a file has its name, or it is too large to be one.
    """
    try:
        # A pipe of that name would keep its reader waiting.
        file = os.fdopen(
            os.open(directory / MANIFEST, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb"
        )
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.EISDIR}:
            raise ValueError(f"{MANIFEST} is not a file") from None
        raise
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode) or status.st_size > _MANIFEST_BYTES:
        file.close()
        raise ValueError(f"{MANIFEST} is not a file of at most {_MANIFEST_BYTES >> 20} MiB")
    return file


def load(directory: Path, entry: Entry, record_type: type[Record] | None = None) -> EntryManifest:
    """Verify all files of an entry's directory and return its manifest.

    Every byte is read, which takes about a second for 1 GB on one core.

    Raises:
        ValueError: something is missing or has changed, it is a different entry, or its record has
            another version of `record_type`.
    """
    try:
        with opened(directory) as file:
            text = file.read().decode()
    except FileNotFoundError:
        raise ValueError(f"{MANIFEST} is missing") from None
    manifest = EntryManifest.decode(text)
    if manifest.encode() != text:
        raise ValueError(f"{MANIFEST} has changed")
    if manifest.entry != entry:
        raise ValueError("it is a different entry")
    if record_type is not None:
        record_type.model_validate(manifest.record)
    for name, expected in manifest.files.items():
        path = directory / FILES / name
        if not path.is_file():
            raise ValueError(f"{name} is missing")
        # Compare sizes first: that costs nothing.
        if path.stat().st_size != expected.size or EntryFile.of(path) != expected:
            raise ValueError(f"{name} has changed")
    return manifest


def _checksum(content: object) -> str:
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
