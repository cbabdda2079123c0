"""Reads and writes the files in a twin's directory, such as the record of a running twin."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .processes import start_time

USER = "xilinx"
HOST = "127.0.0.1"


@dataclass(frozen=True)
class TwinRecord:
    """A running twin. Its server writes the record, and removes it when it stops.

    Attributes:
        name: unique within a state directory.
        kind: an entry of kinds.toml.
        pynq: version of pynq on it.
        pid: of the server process.
        started: start time of that process, in clock ticks since boot: tells it from a later
            process with the same pid.
        host: address it listens on.
        port: TCP port.
        user: login name.
        host_key: public host key, as in known_hosts ("ssh-ed25519 AAAA...").
        client_key: file with a private key that may log in, mode 0600.
        home: the user's home directory.
        log: the server's log.
    """

    name: str
    kind: str
    pynq: str
    pid: int
    started: int
    host: str
    port: int
    user: str
    host_key: str
    client_key: str
    home: str
    log: str


@dataclass(frozen=True)
class TwinSettings:
    """The settings that a server is started with.

    Attributes:
        name: of the twin.
        kind: an entry of kinds.toml.
        python: interpreter of the board's Python environment.
        pynq: the version of pynq in it.
        host: address to listen on.
        port: to listen on; 0 takes a free one.
        password: of the user, for login and sudo.
    """

    name: str
    kind: str
    python: str
    pynq: str
    host: str
    port: int
    password: str


class TwinDirectory:
    """The files of one twin.

    Attributes:
        root: the directory.
        settings: TwinSettings as JSON.
        record: TwinRecord as JSON; exists while the twin runs.
        lock: held while the twin is started or stopped.
        log: the server's log.
        host_key: the server's private key.
        client_key: a private key that may log in.
        commands: replacements for a board's commands.
        faults: one file per fault that is set; see faults.py.
        temporary: TMPDIR of its programs; like a board's /tmp, a reboot empties it.
        home: the user's home directory.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.settings = root / "settings.json"
        self.record = root / "record.json"
        self.lock = root / "lock"
        self.log = root / "server.log"
        self.host_key = root / "host_key"
        self.client_key = root / "client_key"
        self.commands = root / "bin"
        self.faults = root / "faults"
        self.temporary = root / "tmp"
        self.home = root / "home" / USER

    def read_settings(self) -> TwinSettings:
        """Read the settings of the last start."""
        return TwinSettings(**_read(self.settings))

    def write_settings(self, settings: TwinSettings) -> None:
        """Write the settings for the next start."""
        _write(self.settings, asdict(settings))

    def read_record(self) -> TwinRecord | None:
        """Read the record; None if there is none or it is of another version."""
        try:
            return TwinRecord(**_read(self.record))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def running(self) -> TwinRecord | None:
        """Return the record of the twin if it runs."""
        record = self.read_record()
        if record is None or start_time(record.pid) != record.started:
            return None
        return record

    def write_record(self, record: TwinRecord) -> None:
        """Write the record atomically."""
        _write(self.record, asdict(record))


def _read(path: Path) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return fields


def _write(path: Path, fields: dict[str, Any]) -> None:
    aside = path.with_suffix(f".{os.getpid()}")
    aside.touch(mode=0o600)
    aside.write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")
    aside.replace(path)
