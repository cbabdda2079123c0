"""Manages the lease of this board: the right to use it, described by one file on the board.

The host sends this file's text and REQUEST, which is JSON, over standard input
(tasks/boards/python.py):

    {"action": "hold", "record": RECORD, "duration_s": N, "silence_s": N}
                                   take the lease, or rejoin it after a lost connection, and hold it
    {"action": "reserve", "record": RECORD, "duration_s": N}    reserve the board for a person
    {"action": "release", "owner": OWNER}    end a person's reservation
    {"action": "show"}

The answer is one JSON line: {"lease": RECORD or null, "taken_over": RECORD or null, "heard_s": N,
"free": BOOL}, or {"busy": RECORD or null}. RECORD has id, owner, purpose, flow_run_id,
flow_run_name, held, since and expires; the last two are seconds since 1970 by the board's clock,
for display. The wall clock of a board has no battery and jumps when NTP sets it, so the lease ends
by `ends`, on the monotonic clock, which is valid for the boot identified by `boot`. After a reboot
only `expires` is left.

`hold` keeps running while its standard input is open, on which the host sends a line every few
seconds; the line `release` ends the lease. It also ends if the host is silent for silence_s, if
the session is gone, or when the lease expires.

The file's lock says whether anybody works under the lease that the file describes: the process that
holds the lease and the runner share it, and a new lease needs it exclusively. So the board changes
hands only when the last of them has ended. If the file is removed, the processes that have it
locked notice within WATCH_S and end, and a process that creates a new file waits for that. A
reservation is not held by a process but lasts until it expires; runs of the same person work under
it and leave it in place (`under`). The file's modification time is the heartbeat. A file with
invalid content counts as no lease.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import json
import os
import select
import sys
import time
from pathlib import Path
from typing import Any, Dict

# Survives a reboot and is writable for everybody. A twin shares its machine's /var/tmp, so its
# sessions set the variable.
DEFAULT_PATH = "/var/tmp/overlayflow.lease"  # noqa: S108  # links are not followed
VARIABLE = "OVERLAYFLOW_LEASE"
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
LONGEST_S = 30 * 86400.0
# A holder notices within WATCH_S that its file was removed; a new file's creator waits SETTLE_S.
WATCH_S = 0.5
SETTLE_S = 2.0
_LATEST = 1e11  # in seconds since 1970; far below what a date can hold
_BYTES = 65536
_TRIES, _MOMENT_S = 3, 0.02
_TEXTS = ("id", "owner", "purpose", "flow_run_id", "flow_run_name")

Record = Dict[str, Any]


class BusyError(Exception):
    """The board is taken by somebody else.

    Attributes:
        record: of their lease; None if the file does not say.
    """

    def __init__(self, record: Record | None) -> None:
        super().__init__(worded(record))
        self.record = record


class LeaseFile:
    """The board's lease file, opened; closing it drops the lock."""

    def __init__(self) -> None:
        self._path = os.environ.get(VARIABLE, DEFAULT_PATH)
        self._fd = self._open()

    def _open(self) -> int:
        # Not O_CREAT alone: in a sticky directory the kernel denies even root an O_CREAT open of
        # another user's file (fs.protected_regular).
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        while True:
            with contextlib.suppress(FileNotFoundError):
                return os.open(self._path, flags)
            with contextlib.suppress(FileExistsError):
                made = os.open(self._path, flags | os.O_CREAT | os.O_EXCL, 0o666)
                os.fchmod(made, 0o666)  # for every user of the board, whatever the umask
                fcntl.flock(made, fcntl.LOCK_EX)
                time.sleep(SETTLE_S)
                fcntl.flock(made, fcntl.LOCK_UN)
                return made

    def close(self) -> None:
        """Drop the lock and leave the content."""
        os.close(self._fd)

    def is_current(self) -> bool:
        """Return whether this process's open file is still the board's lease file."""
        try:
            return os.path.samestat(Path(self._path).stat(), os.fstat(self._fd))
        except FileNotFoundError:
            return False

    def read(self) -> Record | None:
        """Return the lease that the file describes, whether it is in force or not."""
        try:
            return checked(json.loads(os.pread(self._fd, _BYTES, 0).decode("utf-8")))
        except (ValueError, RecursionError):  # empty, or truncated by a power cut
            return None

    def heard_s(self) -> float:
        """Return the seconds since the last heartbeat, by the board's clock."""
        return max(0.0, time.time() - os.fstat(self._fd).st_mtime)

    def take(self, record: Record, duration_s: float) -> tuple[Record, Record | None]:
        """Take the board; the lock is then shared.

        Returns:
            The lease, and somebody else's abandoned or expired lease that it replaces.

        Raises:
            BusyError: somebody works on the board, or has reserved it.
        """
        before = self._lock_exclusively(record["owner"])
        reserved = _reserved(before)
        mine = reserved is not None and reserved["owner"] == record["owner"]
        lease = self._write(record, duration_s, under=reserved if mine else None)
        # The kernel drops one lock before it grants the other: somebody may get in between.
        fcntl.flock(self._fd, fcntl.LOCK_SH)
        found = self.read()
        if found is None or found["id"] != record["id"]:
            raise BusyError(found)
        return lease, None if mine else before

    def join(self, lease_id: str) -> Record:
        """Work under an existing lease; the lock is then shared.

        Raises:
            BusyError: the lease has ended.
        """
        fcntl.flock(self._fd, fcntl.LOCK_SH)
        found = self.read()
        if found is None or found["id"] != lease_id:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
            raise BusyError(found)
        return found

    def reserve(self, record: Record, duration_s: float) -> tuple[Record, Record | None]:
        """Reserve the board for a person until the lease expires, without a process to hold it.

        Raises:
            BusyError: somebody works on the board, or somebody else has reserved it.
        """
        before = self._lock_exclusively(record["owner"])
        lease = self._write(record, duration_s)
        reserved = _reserved(before)
        mine = reserved is not None and reserved["owner"] == record["owner"]
        return lease, None if mine else before

    def beat(self) -> None:
        """Record a heartbeat."""
        os.utime(self._fd)

    def give_back(self) -> None:
        """End the lease that this process joined or took; a reservation under it stays."""
        found = self.read()
        reserved = _reserved(found)
        os.ftruncate(self._fd, 0)
        if found is not None and found["held"] and reserved is not None:
            self._put(reserved)

    def release(self, owner: str) -> Record | None:
        """End `owner`'s reservation, or a lease that its holder abandoned.

        Raises:
            BusyError: it is not theirs, or a process works under it.
        """
        before = self._lock_exclusively(owner)
        os.ftruncate(self._fd, 0)
        return _reserved(before) or before

    def is_free(self) -> bool:
        """Return whether the board is free, by taking the lock for a moment."""
        try:
            self._lock_exclusively(None)
        except BusyError:
            return False
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        return True

    def _lock_exclusively(self, owner: str | None) -> Record | None:
        """Lock the file; return the ended lease or `owner`'s own; BusyError if one is in force."""
        self._lock_file()
        while not self.is_current():
            os.close(self._fd)
            self._fd = self._open()
            self._lock_file()
        record = self.read()
        reserved = _reserved(record)
        if reserved is not None and reserved["owner"] != owner:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
            raise BusyError(reserved)
        return record

    def _lock_file(self) -> None:
        """Take the lock exclusively; raise BusyError while somebody else has it."""
        for _ in range(_TRIES):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            time.sleep(_MOMENT_S)  # the lock may be held only for a look
        raise BusyError(self.read())

    def _write(self, record: Record, duration_s: float, under: Record | None = None) -> Record:
        duration_s = min(duration_s, LONGEST_S)
        now = time.time()
        lease = {
            **{name: record[name] for name in (*_TEXTS, "held")},
            "since": now,
            "expires": now + duration_s,
            "boot": _boot(),
            "ends": _uptime() + duration_s,
            "under": under,
        }
        self._put(lease)
        return lease

    def _put(self, lease: Record) -> None:
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, json.dumps(lease).encode(), 0)


def checked(content: object) -> Record | None:
    """Return `content` as a record, or None if it is not valid."""
    if not isinstance(content, dict) or not all(isinstance(content.get(n), str) for n in _TEXTS):
        return None
    since, expires, ends = (_number(content.get(name)) for name in ("since", "expires", "ends"))
    # Comparisons are written so that NaN fails, too.
    times = 0 <= since <= _LATEST and 0 <= expires - since <= LONGEST_S and 0 <= ends <= _LATEST
    if not times or not isinstance(content.get("held"), bool):
        return None
    return {**content, "boot": str(content.get("boot")), "under": checked(content.get("under"))}


def _number(value: object) -> float:
    """Return a number as a float, and NaN for anything else."""
    try:
        return float(value) if type(value) in {int, float} else float("nan")  # type: ignore[arg-type]
    except OverflowError:
        return float("nan")


def left_s(record: Record) -> float:
    """Return the seconds until a lease expires."""
    if record["boot"] == _boot():
        return float(record["ends"]) - _uptime()
    now = time.time()
    if now >= record["since"]:
        return float(record["expires"]) - now
    # The clock may not have been set since booting: never more than the lease's full duration.
    return float(record["expires"] - record["since"]) - _uptime()


def _reserved(record: Record | None) -> Record | None:
    """Return the reservation in force: the lease itself, or the one that it was taken under."""
    if record is not None and record["held"]:
        record = record["under"]
    return record if record is not None and left_s(record) > 0 else None


def _uptime() -> float:
    """Return the seconds since booting, including sleep, by a clock that is never set."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _boot() -> str:
    """Return the kernel's id of this boot; empty where no /proc is mounted."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except FileNotFoundError:
        return ""


def worded(record: Record | None) -> str:
    """Describe the holder of the board in words."""
    if record is None:
        return "unknown holder"
    run = " in flow run {flow_run_name}".format(**record) if record["flow_run_name"] else ""
    # Not by time.gmtime, which ends in 2038 on 32-bit boards.
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
            _live(file, left_s(lease), request["silence_s"])
        elif request["action"] == "reserve":
            _answer(file, *file.reserve(request["record"], request["duration_s"]))
        elif request["action"] == "release":
            _answer(file, file.release(request["owner"]), None)
        else:
            _answer(file, file.read(), None, free=file.is_free())
    except BusyError as error:
        _say({"busy": error.record})
    return 0


def _answer(
    file: LeaseFile, lease: Record | None, taken_over: Record | None, *, free: bool = False
) -> None:
    _say({"lease": lease, "taken_over": taken_over, "heard_s": file.heard_s(), "free": free})


def _say(answer: Record) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _hold(file: LeaseFile, record: Record, duration_s: float) -> tuple[Record, Record | None]:
    found = file.read()
    if found is not None and found["id"] == record["id"]:
        return file.join(record["id"]), None
    return file.take(record, duration_s)


def _live(file: LeaseFile, left: float, silence_s: float) -> None:
    """Hold the lease until the host releases it or is gone; in that case the record stays."""
    now = time.monotonic()
    end, heard_until = now + left, now + silence_s
    while now < min(end, heard_until) and file.is_current():
        pause_s = min(WATCH_S, end - now, heard_until - now)
        readable, _, _ = select.select([0], [], [], pause_s)
        now = time.monotonic()
        if not readable:
            continue
        said = os.read(0, 4096)
        if b"release" in said:
            file.give_back()
        if not said or b"release" in said:
            return
        file.beat()
        heard_until = now + silence_s


if __name__ == "__main__":
    sys.exit(main())
