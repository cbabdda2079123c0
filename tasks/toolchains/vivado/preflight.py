"""What this machine needs for a Vivado build, found in seconds rather than after hours."""

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as resources
from pathlib import Path
from typing import Self

from board.kinds import BoardKind
from tasks.core.errors import InputError
from tasks.core.requirements import Finding
from tasks.toolchains.vivado.installation import HLS, VIVADO, Answer, Installation, ToolName, ask

_GIB = 2**30
_CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
_LIBRARIES = (
    *(Path("/lib/x86_64-linux-gnu"), Path("/usr/lib/x86_64-linux-gnu")),
    *(Path("/lib64"), Path("/usr/lib64"), Path("/lib"), Path("/usr/lib")),
)


@dataclass(frozen=True)
class Machine:
    """Facts.

    Attributes:
        cores: that this process may use.
        memory_gib: RAM and swap.
        disk_gib: free where builds are made.
        container: whether this is one.
        udev: the libudev.so.1; None without one.
    """

    cores: int
    memory_gib: float
    disk_gib: float
    container: bool
    udev: Path | None

    @classmethod
    def this(cls, work: Path) -> Self:
        """The machine that we are on; builds are made below `work`, which need not exist."""
        place = next(path for path in (work, *work.parents) if path.exists())
        return cls(
            cores=len(os.sched_getaffinity(0)),
            memory_gib=_memory_bytes() / _GIB,
            disk_gib=shutil.disk_usage(place).free / _GIB,
            container=any(mark.exists() for mark in _CONTAINER_MARKS),
            udev=_library("libudev.so.1"),
        )


def _memory_bytes() -> int:
    """RAM and swap, or less where a control group allows less."""
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


_BOARD_PART = re.compile(r"^\s*set_property\s+board_part\s+(\S+)", re.MULTILINE)
# Parts that the editions of Vivado without a licence build for.
_FREE = re.compile(r"xc7z0(07s|10|12s|14s|15|20|30)|xczu[1-57](cg|eg|ev)")
_MOST_JOBS = 8


@dataclass(frozen=True)
class Needs:
    """Memory and disk of a build, in GiB.

    Attributes:
        memory_gib: below this a build of hls4ml's smallest example does not come through.
        job_gib: what one of several parallel runs takes.
        disk_gib: of a build directory, with room for reports and checkpoints.
    """

    memory_gib: float
    job_gib: float
    disk_gib: float


# Vivado HLS took 5.2 GB and the implementation 3.5 GB for hls4ml's jet tagger on a xc7z020.
_NEEDS = {"zynq7000": Needs(6.0, 2.5, 2.0), "zynqmp": Needs(12.0, 5.0, 6.0)}


def is_buildable(kind: BoardKind) -> bool:
    """Whether this toolchain builds for a kind of board."""
    return kind.processing_system in _NEEDS and bool(kind.hls4ml_board)


def needs(kind: BoardKind) -> Needs:
    """What a build for a kind of board takes.

    Raises:
        InputError: this toolchain does not build for it.
    """
    if not is_buildable(kind):
        raise InputError(
            f"toolchain vivado-hls makes no overlay for {kind.name}: {_reason(kind)}",
            where="board_kind",
            remedy="take pynq-z2 or zcu102, or use toolchain open; or build a block design of your "
            "own around hls4ml's IP, with hier_0/axi_dma_0, and make a package of it: see "
            "docs/add-a-board.md",
        )
    return _NEEDS[kind.processing_system]


def _reason(kind: BoardKind) -> str:
    return kind.no_hls4ml or "hls4ml builds an XRT kernel for it, not a bitstream with a DMA"


def jobs(kind: BoardKind, machine: Machine) -> int:
    """Runs that Vivado may do at the same time."""
    by_memory = int(machine.memory_gib // needs(kind).job_gib)
    return max(1, min(machine.cores, by_memory, _MOST_JOBS))


def licensed(part: str) -> bool:
    """Whether Vivado asks for a paid licence for the part."""
    return not _FREE.match(part)


@cache
def stock_design(kind: BoardKind) -> str:
    """hls4ml's own design.tcl for a kind of board."""
    templates = resources("hls4ml") / "templates" / "vivado_accelerator" / kind.hls4ml_board
    script = Path(str(templates)) / "tcl_scripts" / "axi_stream_design.tcl"
    return script.read_text(encoding="utf-8")


def board_part(kind: BoardKind) -> str:
    """The board's name in Vivado, as hls4ml's design.tcl has it."""
    found = _BOARD_PART.search(stock_design(kind))
    if found is None:
        raise InputError(f"hls4ml's design for {kind.name} names no board", where="board_kind")
    return found[1]


# What hls4ml's backend VivadoAccelerator is made for; later versions have no vivado_hls.
VERSIONS = ("2019.2", "2020.1")
TCL = Path(__file__).resolve().parent / "tcl"
_PATCHED = "Applying HLS Y2K22 patch"
_COUNTED = re.compile(r"overlayflow: (part|board_part) (\d+)")
_LICENCES = ("XILINXD_LICENSE_FILE", "LM_LICENSE_FILE")
_INSTALL = (
    f"install Vivado {VERSIONS[0]} or {VERSIONS[1]} (edition WebPACK or above) and source its "
    "settings64.sh, or name that file in OVERLAYFLOW_VIVADO_SETTINGS; "
    "or use toolchain open, which needs no Vivado"
)


@dataclass(frozen=True)
class Preflight:
    """All that was found.

    Attributes:
        findings: good and bad ones.
        versions: of the tools that start.
    """

    findings: tuple[Finding, ...]
    versions: Mapping[ToolName, str]


def tools(installation: Installation) -> Preflight:
    """Whether the tools are there, start, and are of versions that work."""
    return _judged(installation, {name: ask(installation, name) for name in installation.tools})


def check(installation: Installation, kind: BoardKind | None, machine: Machine) -> Preflight:
    """All that a build for a kind of board needs; without one, what every build needs.

    Raises:
        InputError: nothing is built for that kind.
    """
    if kind is not None:
        needs(kind)  # refuses kinds that nothing is built for
    about = () if kind is None else ("-tclargs", kind.part, board_part(kind))
    batch = ("-mode", "batch", "-nolog", "-nojournal")
    scripts: dict[ToolName, Sequence[str | Path]] = {
        HLS: ("-f", TCL / "probe_hls.tcl"),
        VIVADO: (*batch, "-source", TCL / "probe.tcl", *about),
    }
    answers = {name: ask(installation, name, scripts[name]) for name in installation.tools}
    judged = _judged(installation, answers)
    more = [_udev(machine)]
    if HLS in judged.versions:
        more.append(_patch(answers[HLS]))
    if kind is not None:
        if VIVADO in judged.versions:
            more += _devices(answers[VIVADO], kind)
        more += [*_room(kind, machine), _licence(kind, installation.environment)]
    return Preflight((*judged.findings, *more), judged.versions)


def preloaded(machine: Machine) -> dict[str, str]:
    """What the tools' environment needs on this machine, as AMD advises (answer 34450).

    In containers the licence library's question for the host's identity crashes in libudev,
    unless that was loaded first.
    """
    if not (machine.container and machine.udev):
        return {}
    before = os.environ.get("LD_PRELOAD", "")
    return {"LD_PRELOAD": " ".join(filter(None, (str(machine.udev), before)))}


def _judged(installation: Installation, answers: Mapping[ToolName, Answer]) -> Preflight:
    found = [_tool(name, installation, answers) for name in (HLS, VIVADO)]
    if installation.settings is not None:
        found.insert(0, _settings(installation))
    versions = {name: answer.version for name, answer in answers.items() if answer.version}
    if len(set(versions.values())) > 1:
        found.append(
            Finding(
                name="one version",
                ok=False,
                detail=", ".join(f"{name} {version}" for name, version in versions.items()),
                remedy="source the settings64.sh of one version only",
            )
        )
    return Preflight(tuple(found), versions)


def _settings(installation: Installation) -> Finding:
    ok = bool(installation.environment)
    return Finding(
        name="settings64.sh",
        ok=ok,
        detail=f"{installation.settings}" + ("" if ok else " cannot be sourced"),
        remedy="set OVERLAYFLOW_VIVADO_SETTINGS to <install directory>/<version>/settings64.sh",
    )


def _tool(
    name: ToolName, installation: Installation, answers: Mapping[ToolName, Answer]
) -> Finding:
    """Whether a tool is there, starts, and is of a version that works."""
    if name not in answers:
        return _absent(name, answers)
    answer = answers[name]
    if not answer.version:
        return _deaf(name, installation.tools[name], answer)
    ok = answer.version.startswith(VERSIONS)
    detail = answer.version if ok else f"{answer.version} is not {' or '.join(VERSIONS)}"
    return Finding(name=name, ok=ok, detail=detail, remedy=_INSTALL)


def _absent(name: ToolName, answers: Mapping[ToolName, Answer]) -> Finding:
    detail = "not on PATH, under XILINX_VIVADO or set up by a settings64.sh"
    if name == HLS and VIVADO in answers:
        version = answers[VIVADO].version or "this version"
        detail = f"Vivado {version} is here without it: since 2020.2 Vivado has Vitis HLS instead"
    return Finding(name=name, ok=False, detail=detail, remedy=_INSTALL)


def _deaf(name: ToolName, path: Path, answer: Answer) -> Finding:
    lines = answer.text.splitlines()
    remedy = f"run `{path} -version` and see why it does not start"
    if "libtinfo" in answer.text:
        remedy = "apt install libtinfo5 (Fedora, RHEL: ncurses-compat-libs)"
    reason = next((line for line in lines if "error" in line.lower()), (lines or ["no answer"])[0])
    return Finding(name=name, ok=False, detail=f"does not start: {reason}", remedy=remedy)


def _patch(answer: Answer) -> Finding:
    ok = _PATCHED in answer.text
    return Finding(
        name="y2k22 patch",
        ok=ok,
        detail="applied" if ok else "missing: without it no IP can be exported since 2022",
        remedy="install AMD's patch for answer 76960 (y2k22_patch), as its README says",
    )


def _devices(answer: Answer, kind: BoardKind) -> Iterator[Finding]:
    board = board_part(kind)
    counts = {name: int(number) for name, number in _COUNTED.findall(answer.text)}
    yield Finding(
        name="device",
        ok=counts.get("part", 0) > 0,
        detail=kind.part if counts.get("part") else f"{kind.part} is not installed",
        remedy="add the device's family with Vivado's installer (Add Design Tools or Devices)",
    )
    yield Finding(
        name="board files",
        ok=counts.get("board_part", 0) > 0,
        detail=board if counts.get("board_part") else f"{board} is not installed",
        remedy="unpack the board files of its maker into <Vivado>/data/boards/board_files, or "
        "`set_param board.repoPaths <directory>` in Vivado_init.tcl",
    )


def _udev(machine: Machine) -> Finding:
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


def _room(kind: BoardKind, machine: Machine) -> Iterable[Finding]:
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


def _licence(kind: BoardKind, environment: Mapping[str, str]) -> Finding:
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
