"""Checks that a board is of its kind and has what a measurement needs."""

import contextlib
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from board.kinds import BoardKind, board_kinds
from tasks.boards import program, runtime
from tasks.boards.address import BoardAddress
from tasks.boards.lease import lease
from tasks.boards.ssh import Connection, connect
from tasks.core.errors import (
    BoardError,
    BoardUnreachableError,
    HostKeyError,
    LoginError,
    OverlayflowError,
)
from tasks.core.records.base import Record
from tasks.core.requirements import Finding

MIN_DISK_MB = 200
MIN_CMA_MB = 16
MAX_CLOCK_S = 60
MAX_TEMPERATURE_C = 85
_PROGRAM_S = 120.0
# The design for twins may have to be compiled first.
_LEASE_S = 600.0
BASE = "base.bit"
_ON_BOARD = (
    f"{BASE} comes with PYNQ's images for its own boards; if it exists, power-cycle the board"
)
_ON_TWIN = "clear its faults with `overlayflow twin clear`; otherwise stop and start it"

# Writes a loopback design for a twin of that kind into a directory: a .bit file and its .hwh.
KnownGood = Callable[[BoardKind, Path], Path]


class BoardCheck(Record):
    """Findings about one board; without those that an earlier failure prevented."""

    board: str
    kind: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether the board can be used."""
        return all(finding.ok for finding in self.findings)


def check(address: BoardAddress, *, known_good: KnownGood | None = None) -> BoardCheck:
    """Check a board step by step, from its network to its fabric, until a failure.

    Args:
        address: of the board.
        known_good: if given, also load a design under a lease, replacing the loaded one: PYNQ's
            base overlay on real boards, on twins the one that this function writes.
    """
    findings = tuple(_findings(address, known_good))
    return BoardCheck(board=address.name, kind=address.kind, findings=findings)


def _findings(address: BoardAddress, known_good: KnownGood | None) -> Iterator[Finding]:
    kind = board_kinds()[address.kind]
    with contextlib.ExitStack() as stack:
        passed = ("reachable", "host key", "login")
        try:
            connection = stack.enter_context(connect(address))
        except BoardError as error:
            yield from _refused(passed, error)
            return
        yield from (Finding(name=name, ok=True, detail="ok") for name in passed)
        sudo = _sudo(connection)
        yield sudo
        root = sudo.ok and not _is_twin(address)
        try:
            facts = _facts(connection, kind, root=root)
        except BoardError as error:
            yield _failed("python", error)
            return
        yield from judge(facts, kind, now=time.time())
        if known_good is None:
            detail = "not checked, as it replaces the loaded design; request it with --overlay"
            yield Finding(name="overlay", ok=True, detail=detail, checked=False)
            return
        try:
            stack.enter_context(lease([address], "check", duration_s=_LEASE_S))
            if facts["twin"] is None:
                yield answered(_facts(connection, kind, BASE, root=root), _ON_BOARD)
            else:
                yield answered(_on_twin(connection, kind, known_good), _ON_TWIN)
        except OverlayflowError as error:
            yield _failed("overlay", error)


def judge(facts: dict[str, Any], kind: BoardKind, *, now: float) -> Iterator[Finding]:
    """Compare the facts about a board with its kind.

    Args:
        facts: from board/check.py.
        kind: the kind that the board was added as.
        now: time of this host's clock.
    """
    yield Finding(name="python", ok=True, detail=facts["python"])
    yield Finding(
        name="pynq",
        ok=facts["pynq_error"] is None,
        detail=facts["pynq_error"] or facts["pynq"],
        remedy="over SSH pynq needs root, XILINX_XRT and the image's Python environment"
        f" ({kind.environment_file})",
    )
    yield Finding(
        name="environment",
        ok=facts["profile"] or facts["twin"] is not None,
        detail=f"{kind.environment_file} {'exists' if facts['profile'] else 'does not exist'}",
        remedy="install a PYNQ image, 2.7 or later",
    )
    told = facts["twin"] or facts["board"]
    yield Finding(
        name="kind",
        ok=told is None or _same(told, kind.name),
        detail=told or facts["model"] or "unknown to the board",
        remedy=f"it was added as a {kind.name}: remove it, and add it with the right kind",
    )
    yield from _figures(facts, now)


def answered(facts: dict[str, Any], remedy: str) -> Finding:
    """Judge a board's report about a known-good design that it loaded."""
    error = facts.get("error")
    detail = error or f"loaded, {facts['parts']} IPs"
    if not error and facts["echoes"] is not None:
        detail += ", echoes its input" if facts["echoes"] else ", echoes wrong words"
    return Finding(
        name="overlay",
        ok=not error and facts["loaded"] and facts["echoes"] is not False,
        detail=detail,
        remedy=remedy,
    )


def _on_twin(connection: Connection, kind: BoardKind, known_good: KnownGood) -> dict[str, Any]:
    """Send the known-good design, load it, and remove it."""
    made = connection.execute(["mktemp", "-d"]).stdout.strip()
    try:
        with tempfile.TemporaryDirectory() as directory:
            bit = known_good(kind, Path(directory))
            with connection.sftp() as sftp, connection.reaching("sending a design"):
                for path in (bit, bit.with_suffix(".hwh")):
                    sftp.put(str(path), f"{made}/{path.name}")
        return _facts(connection, kind, f"{made}/{bit.name}", root=False)
    finally:
        connection.execute(["rm", "-rf", "--", made])


def _figures(facts: dict[str, Any], now: float) -> Iterator[Finding]:
    yield _at_least("disk", facts["disk_free_bytes"], 1e6, MIN_DISK_MB, "free space on the board")
    cma_kb = facts["cma_free_kb"]
    remedy = "end programs that hold buffers on the board, such as notebooks"
    yield _at_least("CMA memory", cma_kb, 1e3, MIN_CMA_MB, remedy)
    apart_s = facts["now"] - now
    yield Finding(
        name="time",
        ok=abs(apart_s) <= MAX_CLOCK_S,
        detail=f"{apart_s:+z.0f} s relative to this host",
        remedy="set the board's clock: leases expire by it",
    )
    degrees = facts["temperature_c"]
    yield Finding(
        name="temperature",
        ok=degrees is None or degrees <= MAX_TEMPERATURE_C,
        detail="not readable" if degrees is None else f"{degrees:.1f} °C",
        remedy="cool the board",
    )
    clock = facts["fclk0_mhz"]
    yield Finding(
        name="fabric clock",
        ok=facts["pynq_error"] is not None or clock is not None,
        detail="not readable" if clock is None else f"{clock:g} MHz",
    )


def _at_least(name: str, value: float | None, unit: float, least: float, remedy: str) -> Finding:
    """Check that a figure in MB is large enough; one that cannot be read is no failure."""
    if value is None:
        return Finding(name=name, ok=True, detail="not readable")
    mega = value / unit
    return Finding(name=name, ok=mega >= least, detail=f"{mega:.0f} MB free", remedy=remedy)


def _refused(names: tuple[str, ...], error: BoardError) -> Iterator[Finding]:
    """Return which of the three steps of connecting passed, and the one that failed."""
    stage: dict[type[BoardError], str] = {
        BoardUnreachableError: "reachable",
        HostKeyError: "host key",
        LoginError: "login",
    }
    failed = stage.get(type(error), "reachable")
    for name in names[: names.index(failed)]:
        yield Finding(name=name, ok=True, detail="ok")
    yield _failed(failed, error)


def _failed(name: str, error: OverlayflowError) -> Finding:
    return Finding(name=name, ok=False, detail=error.what, remedy=error.remedy)


def _sudo(connection: Connection) -> Finding:
    if _is_twin(connection.address):
        return Finding(name="sudo", ok=True, detail="not needed on a twin")
    try:
        program.sudo(connection)
    except LoginError as error:
        return _failed("sudo", error)
    return Finding(name="sudo", ok=True, detail="ok")


def _is_twin(address: BoardAddress) -> bool:
    return address.target == "twin"


def _facts(connection: Connection, kind: BoardKind, *bit: str, root: bool) -> dict[str, Any]:
    """Return what board/check.py reports about the board or a .bit file."""
    programs = runtime.bring(connection)
    found: dict[str, Any] = {}
    other: list[str] = []
    asked = program.Program(
        argv=runtime.command(programs, "check", kind.environment_file, *bit),
        directory=str(PurePosixPath(programs).parent),
        environment={"XILINX_XRT": kind.xrt},
        profile=kind.environment_file or None,
        root=root,
    )
    heard: Callable[[str], None] = program.json_lines(found.update, other.append)
    done = program.run(connection, asked, deadline_s=_PROGRAM_S, on_line=heard)
    if not found:
        raise BoardError(
            f"checking the board failed on the board: {done.stderr.strip()[-500:]}",
            where=connection.address.label,
            remedy="it needs python3, 3.8 or later",
        )
    return found


def _same(told: str, kind: str) -> bool:
    """Return whether a board's own name matches our kind, as 'Pynq-Z2' matches pynq-z2."""
    plain_told, plain_kind = (re.sub(r"[^a-z0-9]", "", name.lower()) for name in (told, kind))
    return plain_kind.startswith(plain_told) or plain_told.startswith(plain_kind)
