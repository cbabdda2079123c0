"""Checks in seconds what a Vivado build needs on this machine, instead of failing after hours."""

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from board.kinds import BoardKind
from tasks.core.errors import InputError
from tasks.core.requirements import Finding
from tasks.toolchains.vivado.installation import VIVADO, Answer, Installation, ToolName, ask

_GIB = 2**30
_CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
_LIBRARIES = (
    *(Path("/lib/x86_64-linux-gnu"), Path("/usr/lib/x86_64-linux-gnu")),
    *(Path("/lib64"), Path("/usr/lib64"), Path("/lib"), Path("/usr/lib")),
)
# Parts that Vivado's free editions support.
_FREE = re.compile(r"xc7z0(07s|10|12s|14s|15|20|30)|xczu[1-57](cg|eg|ev)|xck26")
_MOST_JOBS = 8
OLDEST = "2019.1"
_PROBE = Path(__file__).resolve().parent / "tcl" / "probe.tcl"
BATCH = ("-mode", "batch", "-nolog", "-nojournal")
_COUNTED = re.compile(r"^overlayflow: (part|board_part) (\d+)", re.MULTILINE)
_LICENCES = ("XILINXD_LICENSE_FILE", "LM_LICENSE_FILE")
_INSTALL = (
    f"install Vivado {OLDEST} or later with the device's family and source its settings64.sh, or "
    "name that file in OVERLAYFLOW_VIVADO_SETTINGS; or use toolchain open, which needs no Vivado"
)
BOARD_FILES = (
    "unpack its maker's board files into <Vivado>/data/boards/board_files, or "
    "`set_param board.repoPaths <directory>` in Vivado_init.tcl"
)


@dataclass(frozen=True)
class Machine:
    """Facts about a machine.

    Attributes:
        cores: number that this process may use.
        memory_gib: RAM and swap.
        disk_gib: free space for builds.
        container: whether it is a container.
        udev: path of libudev.so.1; None without one.
    """

    cores: int
    memory_gib: float
    disk_gib: float
    container: bool
    udev: Path | None

    @classmethod
    def this(cls, work: Path) -> Self:
        """Return the facts about this machine; builds go below `work`, which need not exist."""
        place = next(path for path in (work, *work.parents) if path.exists())
        return cls(
            cores=len(os.sched_getaffinity(0)),
            memory_gib=_memory_bytes() / _GIB,
            disk_gib=shutil.disk_usage(place).free / _GIB,
            container=any(mark.exists() for mark in _CONTAINER_MARKS),
            udev=_library("libudev.so.1"),
        )


def _memory_bytes() -> int:
    """Return RAM and swap, or a control group's lower limit."""
    fields = dict(
        line.split(":", 1)
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    )
    total = sum(int(fields[name].split()[0]) * 1024 for name in ("MemTotal", "SwapTotal"))
    try:
        return min(total, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    except (OSError, ValueError):  # no limit reads `max`
        return total


def _library(name: str) -> Path | None:
    return next((place / name for place in _LIBRARIES if (place / name).exists()), None)


@dataclass(frozen=True)
class Needs:
    """Memory and disk that a build needs, in GiB.

    Attributes:
        memory_gib: minimum for a small model.
        job_gib: for each of several parallel runs.
        disk_gib: for the build directory, with reports and checkpoints.
    """

    memory_gib: float
    job_gib: float
    disk_gib: float


# Vivado HLS took 5.2 GB and the implementation 3.5 GB for hls4ml's jet tagger on an xc7z020.
_NEEDS = {"zynq7000": Needs(6.0, 2.5, 2.0), "zynqmp": Needs(12.0, 5.0, 6.0)}


def needs(kind: BoardKind) -> Needs:
    """Return what a build for a board kind needs.

    Raises:
        InputError: there is no block design for it.
    """
    if kind.processing_system in _NEEDS and kind.vivado_board:
        return _NEEDS[kind.processing_system]
    raise InputError(
        f"there is no block design for {kind.name}",
        where="board_kind",
        remedy="use a board with a Zynq, or toolchain open and a twin",
    )


def is_buildable(kind: BoardKind) -> bool:
    """Return whether there is a block design for a board kind."""
    return kind.processing_system in _NEEDS and bool(kind.vivado_board)


def jobs(kind: BoardKind, machine: Machine) -> int:
    """Return the number of parallel runs that Vivado may do."""
    by_memory = int(machine.memory_gib // needs(kind).job_gib)
    return max(1, min(machine.cores, by_memory, _MOST_JOBS))


def licensed(part: str) -> bool:
    """Return whether Vivado needs a paid licence for the part."""
    return not _FREE.match(part)


def board_pattern(kind: BoardKind) -> str:
    """Return a pattern that matches any version of the board's files in Vivado."""
    return f"{kind.vivado_board}:*"


def needs_board_files(kind: BoardKind) -> bool:
    """Return whether board files are required: they define an UltraScale+'s memory and PLLs."""
    return kind.processing_system == "zynqmp"


@dataclass(frozen=True)
class Preflight:
    """The results of all checks.

    Attributes:
        findings: good and bad ones.
        versions: of the tools that start.
    """

    findings: tuple[Finding, ...]
    versions: Mapping[ToolName, str]


def tools(installation: Installation) -> Preflight:
    """Whether Vivado is there, starts, and is not too old."""
    return _asked(installation)[0]


def check(installation: Installation, kind: BoardKind | None, machine: Machine) -> Preflight:
    """Check all that a build for a board kind needs; without a kind, what every build needs.

    Raises:
        InputError: nothing is built for that kind.
    """
    if kind is None:
        judged = tools(installation)
        return Preflight((*judged.findings, udev(machine)), judged.versions)
    needs(kind)  # refuses kinds that nothing is built for
    question = (*BATCH, "-source", _PROBE, "-tclargs", kind.part, board_pattern(kind))
    judged, answer = _asked(installation, question)
    more = [udev(machine)]
    if VIVADO in judged.versions and answer is not None:
        more += [_since(answer.version, kind), *_devices(answer, kind)]
    more += [*room(kind, machine), licence(kind, installation.environment)]
    return Preflight((*judged.findings, *more), judged.versions)


def preloaded(machine: Machine) -> dict[str, str]:
    """Return the environment that the tools need on this machine, as in AMD's answer 34450.

    In containers, the licence library crashes in libudev when it queries the host's identity,
    unless libudev is preloaded.
    """
    if not (machine.container and machine.udev):
        return {}
    before = os.environ.get("LD_PRELOAD", "")
    return {"LD_PRELOAD": " ".join(filter(None, (str(machine.udev), before)))}


def _asked(
    installation: Installation, question: Sequence[str | Path] | None = None
) -> tuple[Preflight, Answer | None]:
    """Ask Vivado, if it is installed, and judge its answer."""
    answer = ask(installation, VIVADO, question) if VIVADO in installation.tools else None
    found = (*sourced(installation), _vivado(installation, answer))
    versions = {VIVADO: answer.version} if answer is not None and answer.version else {}
    return Preflight(found, versions), answer


def sourced(installation: Installation) -> Iterator[Finding]:
    """Check whether the given settings64.sh can be sourced."""
    if installation.settings is None:
        return
    ok = bool(installation.environment)
    yield Finding(
        name="settings64.sh",
        ok=ok,
        detail=f"{installation.settings}" + ("" if ok else " cannot be sourced"),
        remedy="set OVERLAYFLOW_VIVADO_SETTINGS to <install directory>/<version>/settings64.sh",
    )


def _vivado(installation: Installation, answer: Answer | None) -> Finding:
    """Whether Vivado is there, starts, and is not too old."""
    if answer is None:
        return Finding(
            name=VIVADO,
            ok=False,
            detail="not on PATH, under XILINX_VIVADO or set up by a settings64.sh",
            remedy=_INSTALL,
        )
    if not answer.version:
        return deaf(VIVADO, installation.tools[VIVADO], answer)
    ok = answer.version >= OLDEST
    detail = answer.version if ok else f"{answer.version} is older than {OLDEST}"
    return Finding(name=VIVADO, ok=ok, detail=detail, remedy=_INSTALL)


def deaf(name: ToolName, path: Path, answer: Answer) -> Finding:
    """Say why a tool does not start."""
    lines = answer.text.splitlines()
    remedy = f"run `{path} -version` and see why it does not start"
    if "libtinfo" in answer.text:
        remedy = "apt install libtinfo5 (Fedora, RHEL: ncurses-compat-libs)"
    reason = next((line for line in lines if "error" in line.lower()), (lines or ["no answer"])[0])
    return Finding(name=name, ok=False, detail=f"does not start: {reason}", remedy=remedy)


def _since(version: str, kind: BoardKind) -> Finding:
    ok = version >= kind.vivado_since
    return Finding(
        name="support of the part",
        ok=ok,
        detail=f"since Vivado {kind.vivado_since}" + ("" if ok else f", this is {version}"),
        remedy=f"install Vivado {kind.vivado_since} or later",
    )


def _devices(answer: Answer, kind: BoardKind) -> Iterator[Finding]:
    counts = {name: int(number) for name, number in _COUNTED.findall(answer.text)}
    yield device(counts.get("part", 0), kind)
    pattern, there = board_pattern(kind), counts.get("board_part", 0) > 0
    missing = "not installed" if needs_board_files(kind) else "not installed; a bare part will do"
    yield Finding(
        name="board files",
        ok=there or not needs_board_files(kind),
        detail=f"{pattern} is {'there' if there else missing}",
        remedy=BOARD_FILES,
    )


def device(count: int, kind: BoardKind) -> Finding:
    """Say whether Vivado has a part, by the number of matches that it listed."""
    return Finding(
        name="device",
        ok=count > 0,
        detail=kind.part if count else f"{kind.part} is not installed",
        remedy="add the device's family with Vivado's installer (Add Design Tools or Devices)",
    )


def udev(machine: Machine) -> Finding:
    """Say whether Vivado would crash in this container."""
    loaded = "libudev" in os.environ.get("LD_PRELOAD", "")
    ok = not machine.container or loaded or machine.udev is not None
    detail = "not in a container"
    if machine.container:
        detail = "loaded first, as containers need it" if ok else "a container without libudev.so.1"
    return Finding(
        name="libudev",
        ok=ok,
        detail=detail,
        remedy="apt install libudev1: Vivado crashes in containers unless it is loaded first",
    )


def room(kind: BoardKind, machine: Machine) -> Iterable[Finding]:
    """Say whether memory and disk are large enough."""
    wanted = needs(kind)
    yield Finding(
        name="memory",
        ok=machine.memory_gib >= wanted.memory_gib,
        detail=f"{machine.memory_gib:.1f} GiB with swap, {wanted.memory_gib:g} needed",
        remedy="add memory or swap, or build on a larger machine",
    )
    yield Finding(
        name="disk",
        ok=machine.disk_gib >= wanted.disk_gib,
        detail=f"{machine.disk_gib:.1f} GiB free, {wanted.disk_gib:g} needed",
        remedy="overlayflow store prune, or set OVERLAYFLOW_HOME to a larger disk",
    )


def licence(kind: BoardKind, environment: Mapping[str, str]) -> Finding:
    """Say whether the part needs a paid licence, and whether one is named."""
    if not licensed(kind.part):
        return Finding(name="licence", ok=True, detail=f"{kind.part} needs none")
    named = [name for name in _LICENCES if environment.get(name) or os.environ.get(name)]
    files = [str(path) for path in sorted((Path.home() / ".Xilinx").glob("*.lic"))]
    where = named or files
    return Finding(
        name="licence",
        ok=bool(where),
        detail=", ".join(where) if where else f"none named, and {kind.part} needs a paid one",
        remedy="set XILINXD_LICENSE_FILE to the licence file or to port@server",
    )
