"""The right to use this board: a lease, which one file of the board tells of.

The host sends this file's text over SSH: `python3 -I -S -c TEXT REQUEST`, and REQUEST is JSON:

    {"action": "hold", "record": RECORD, "duration_s": N, "silence_s": N}
                                   take the lease, or rejoin it after a lost connection, and hold it
    {"action": "reserve", "record": RECORD, "duration_s": N}    keep the board for a person
    {"action": "release", "owner": OWNER}    end what a person reserved
    {"action": "show"}

The answer is one JSON line: {"lease": RECORD or null, "taken_over": RECORD or null, "heartbeat": T,
"now": T}, or {"busy": RECORD or null}. RECORD has id, owner, purpose, flow_run_id, flow_run_name,
held, since and expires. All times are seconds since 1970 by the board's clock.

`hold` then lives as long as its standard input, on which the host says something every few
seconds; the line `release` ends the lease. It ends by itself when the host is silent for
silence_s, when the session is gone, or at the lease's end.

The file's lock says whether anybody works under the lease that the file tells of: the process that
holds it and the runner both have it shared, and who wants a new lease needs it exclusively. So the
board changes hands only when the last of them is gone. What a person reserved is not held by a
process but kept until it expires. The file's time of change is the heartbeat.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
import select
import sys
import time
from typing import Any, Dict

# Survives a reboot, and everybody may write there. A twin is a home directory, not a machine: its
# sessions set the variable.
DEFAULT_PATH = "/var/tmp/overlayflow.lease"  # noqa: S108  # links are not followed
VARIABLE = "OVERLAYFLOW_LEASE"
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)

Record = Dict[str, Any]


class BusyError(Exception):
    """Somebody else has the board.

    Attributes:
        record: of their lease; None where the file does not tell.
    """

    def __init__(self, record: Record | None) -> None:
        super().__init__(worded(record))
        self.record = record


class LeaseFile:
    """The board's lease file, opened; closing it drops the lock."""

    def __init__(self) -> None:
        path = os.environ.get(VARIABLE, DEFAULT_PATH)
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            # Without O_CREAT first: in a sticky directory the kernel denies even root an O_CREAT
            # open of another user's file (fs.protected_regular).
            self._fd = os.open(path, flags)
        except FileNotFoundError:
            self._fd = os.open(path, flags | os.O_CREAT, 0o666)
            os.fchmod(self._fd, 0o666)  # whoever uses the board, whatever the umask

    def close(self) -> None:
        """Drop the lock; what the file says stays."""
        os.close(self._fd)

    def read(self) -> Record | None:
        """The lease that the file tells of, in force or not."""
        try:
            record = json.loads(os.pread(self._fd, 65536, 0).decode("utf-8"))
        except ValueError:  # empty, or cut off with the power
            return None
        return record if isinstance(record, dict) else None

    def heartbeat(self) -> float:
        """When the holder was last heard of, in seconds since 1970."""
        return os.fstat(self._fd).st_mtime

    def take(self, record: Record, duration_s: float) -> tuple[Record, Record | None]:
        """Take the board; the lock is then shared.

        Returns:
            The lease, and the one of another that was left behind or has expired.

        Raises:
            BusyError: somebody works on the board, or has reserved it.
        """
        before = self._lock_exclusively()
        now = time.time()
        lease = {**record, "since": now, "expires": now + duration_s}
        self._write(lease)
        # The kernel drops the one lock before it gives the other: somebody may come in between.
        fcntl.flock(self._fd, fcntl.LOCK_SH)
        found = self.read()
        if found is None or found["id"] != record["id"]:
            raise BusyError(found)
        return lease, before

    def join(self, lease_id: str) -> Record:
        """Work under a lease that was taken before; the lock is then shared.

        Raises:
            BusyError: that lease is over.
        """
        fcntl.flock(self._fd, fcntl.LOCK_SH)
        found = self.read()
        if found is None or found["id"] != lease_id:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
            raise BusyError(found)
        return found

    def reserve(self, record: Record, duration_s: float) -> tuple[Record, Record | None]:
        """Keep the board for a person until the lease expires; no process needs to live.

        Raises:
            BusyError: somebody works on the board, or has reserved it.
        """
        before = self._lock_exclusively()
        now = time.time()
        lease = {**record, "since": now, "expires": now + duration_s}
        self._write(lease)
        return lease, before

    def beat(self) -> None:
        """Say that the holder is there."""
        os.utime(self._fd)

    def give_back(self) -> None:
        """End the lease that this process has joined or taken."""
        os.ftruncate(self._fd, 0)

    def release(self, owner: str) -> Record | None:
        """End what `owner` reserved, or what an end without a word has left.

        Raises:
            BusyError: it is not theirs, or a process works under it.
        """
        before = self._lock_exclusively(owner)
        self.give_back()
        return before

    def _lock_exclusively(self, owner: str | None = None) -> Record | None:
        """Returns the lease that is over; BusyError while one is in force."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(self.read()) from None
        record = self.read()
        if record is None or record["held"] or record["expires"] <= time.time():
            return record
        if record["owner"] != owner:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
            raise BusyError(record)
        return record

    def _write(self, record: Record) -> None:
        content = json.dumps(record).encode()
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, content, 0)


def worded(record: Record | None) -> str:
    """Who has the board, in words."""
    if record is None:
        return "somebody who has not said who"
    run = " in flow run {flow_run_name}".format(**record) if record["flow_run_name"] else ""
    # Not by time.gmtime, which ends in 2038 on boards of 32 bits.
    until = EPOCH + dt.timedelta(seconds=record["expires"])
    return "{owner}{run} until {until:%Y-%m-%d %H:%M:%S} UTC at the latest ({purpose})".format(
        run=run, until=until, **record
    )


def main() -> int:
    """Answer one request."""
    request = json.loads(sys.argv[1])
    file = LeaseFile()
    try:
        if request["action"] == "hold":
            lease, taken_over = _hold(file, request["record"], request["duration_s"])
            _answer(file, lease, taken_over)
            _live(file, lease["expires"] - time.time(), request["silence_s"])
        elif request["action"] == "reserve":
            _answer(file, *file.reserve(request["record"], request["duration_s"]))
        elif request["action"] == "release":
            _answer(file, file.release(request["owner"]), None)
        else:
            _answer(file, file.read(), None)
    except BusyError as error:
        _say({"busy": error.record})
    return 0


def _answer(file: LeaseFile, lease: Record | None, taken_over: Record | None) -> None:
    heard = {"heartbeat": file.heartbeat(), "now": time.time()}
    _say({"lease": lease, "taken_over": taken_over, **heard})


def _say(answer: Record) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _hold(file: LeaseFile, record: Record, duration_s: float) -> tuple[Record, Record | None]:
    found = file.read()
    if found is not None and found["id"] == record["id"]:
        return file.join(record["id"]), None
    return file.take(record, duration_s)


def _live(file: LeaseFile, left_s: float, silence_s: float) -> None:
    """Hold the lease until the host gives it back, or is gone: then the file still tells whose."""
    end = time.monotonic() + left_s
    while time.monotonic() < end:
        readable, _, _ = select.select([0], [], [], min(silence_s, end - time.monotonic()))
        said = os.read(0, 4096) if readable else b""
        if b"release" in said:
            file.give_back()
        if not said or b"release" in said:
            return
        file.beat()


if __name__ == "__main__":
    sys.exit(main())
