"""Checks what toolchain vivado-hls needs: Vivado HLS, its patch, hls4ml's block design."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files as resources
from pathlib import Path

from board.kinds import BoardKind
from tasks.core import settings
from tasks.core.errors import InputError
from tasks.core.requirements import Finding, program, require
from tasks.toolchains.vivado.installation import (
    HLS,
    VIVADO,
    Answer,
    Installation,
    ToolName,
    ask,
    find,
)
from tasks.toolchains.vivado.job import kind_of
from tasks.toolchains.vivado.preflight import (
    BATCH,
    BOARD_FILES,
    Machine,
    Preflight,
    deaf,
    device,
    licence,
    room,
    sourced,
    udev,
)
from tasks.toolchains.vivado.workplace import usable

WHERE = "toolchain vivado-hls"

# What hls4ml's backend VivadoAccelerator is made for; later versions have no vivado_hls.
VERSIONS = ("2019.2", "2020.1")
_PROBE = Path(__file__).resolve().parent / "tcl" / "probe_hls.tcl"
_PROBE_VIVADO = Path(__file__).resolve().parents[1] / "vivado" / "tcl" / "probe.tcl"
_BOARD_PART = re.compile(r"^\s*set_property\s+board_part\s+(\S+)", re.MULTILINE)
_PATCHED = "Applying HLS Y2K22 patch"
_COUNTED = re.compile(r"^overlayflow: (part|board_part) (\d+)", re.MULTILINE)
_INSTALL = (
    f"install Vivado {VERSIONS[0]} or {VERSIONS[1]} (edition WebPACK or above) and source its "
    "settings64.sh, or name that file in OVERLAYFLOW_VIVADO_SETTINGS; or use toolchain open, which "
    "needs no Vivado, or vivado, which takes any later one"
)


def is_buildable(kind: BoardKind) -> bool:
    """Return whether hls4ml has a block design for a board kind."""
    return kind.processing_system != "x86" and bool(kind.hls4ml_board)


def require_design(kind: BoardKind) -> None:
    """Raise InputError unless hls4ml has a block design for a board kind."""
    if is_buildable(kind):
        return
    reason = kind.no_hls4ml or "hls4ml builds an XRT kernel for it, not a bitstream with a DMA"
    raise InputError(
        f"toolchain vivado-hls makes no overlay for {kind.name}: {reason}",
        where="board_kind",
        remedy="take pynq-z2 or zcu102, or use toolchain vivado or open; or build a block design "
        "of your own around hls4ml's IP, with hier_0/axi_dma_0, and make a package of it: see "
        "docs/add-a-board.md",
    )


@cache
def stock_design(kind: BoardKind) -> str:
    """Return hls4ml's design.tcl for a board kind."""
    templates = resources("hls4ml") / "templates" / "vivado_accelerator" / kind.hls4ml_board
    script = Path(str(templates)) / "tcl_scripts" / "axi_stream_design.tcl"
    return script.read_text(encoding="utf-8")


def board_part(kind: BoardKind) -> str:
    """Return the board's name in Vivado according to hls4ml's design.tcl."""
    found = _BOARD_PART.search(stock_design(kind))
    if found is None:
        raise InputError(f"hls4ml's design for {kind.name} names no board", where="board_kind")
    return found[1]


def tools(installation: Installation) -> Preflight:
    """Check whether the tools are installed, start, and have supported versions."""
    return _judged(installation, {name: ask(installation, name) for name in installation.tools})


def check(board_kind: str | None = None) -> list[Finding]:
    """Return what both tools need of this machine, and for a kind of board.

    Raises:
        InputError: nothing is built for that kind.
    """
    kind = None if board_kind is None else kind_of(board_kind)
    work = settings.vivado_work()
    found = examine(find(), kind, Machine.this(work)).findings
    return [*found, usable(work), program("g++")]  # g++ for the C simulation of the conversion


def version(tool: ToolName) -> str:
    """Return a tool's version.

    Raises:
        ToolMissingError: a tool is missing or does not start.
    """
    found = tools(find())
    require(found.findings, WHERE)
    return found.versions[tool]


def examine(installation: Installation, kind: BoardKind | None, machine: Machine) -> Preflight:
    """Check all that a build for a board kind needs; without a kind, what every build needs.

    Raises:
        InputError: nothing is built for that kind.
    """
    if kind is not None:
        require_design(kind)
    about = () if kind is None else ("-tclargs", kind.part, board_part(kind))
    scripts: dict[ToolName, Sequence[str | Path]] = {
        HLS: ("-f", _PROBE),
        VIVADO: (*BATCH, "-source", _PROBE_VIVADO, *about),
    }
    answers = {name: ask(installation, name, scripts[name]) for name in installation.tools}
    judged = _judged(installation, answers)
    more = [udev(machine)]
    if HLS in judged.versions:
        more.append(_patch(answers[HLS]))
    if kind is not None:
        if VIVADO in judged.versions:
            more += _devices(answers[VIVADO], kind)
        more += [*room(kind, machine), licence(kind, installation.environment)]
    return Preflight((*judged.findings, *more), judged.versions)


def _judged(installation: Installation, answers: Mapping[ToolName, Answer]) -> Preflight:
    found = [
        *sourced(installation),
        *(_tool(name, installation, answers) for name in (HLS, VIVADO)),
    ]
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


def _tool(
    name: ToolName, installation: Installation, answers: Mapping[ToolName, Answer]
) -> Finding:
    """Check whether a tool is installed, starts, and has a supported version."""
    if name not in answers:
        return _absent(name, answers)
    answer = answers[name]
    if not answer.version:
        return deaf(name, installation.tools[name], answer)
    ok = answer.version.startswith(VERSIONS)
    detail = answer.version if ok else f"{answer.version} is not {' or '.join(VERSIONS)}"
    return Finding(name=name, ok=ok, detail=detail, remedy=_INSTALL)


def _absent(name: ToolName, answers: Mapping[ToolName, Answer]) -> Finding:
    detail = "not on PATH, under XILINX_VIVADO or set up by a settings64.sh"
    if name == HLS and VIVADO in answers:
        version = answers[VIVADO].version or "this version"
        detail = f"Vivado {version} is here without it: since 2020.2 Vivado has Vitis HLS instead"
    return Finding(name=name, ok=False, detail=detail, remedy=_INSTALL)


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
    yield device(counts.get("part", 0), kind)
    yield Finding(
        name="board files",
        ok=counts.get("board_part", 0) > 0,
        detail=board if counts.get("board_part") else f"{board} is not installed",
        remedy=BOARD_FILES,
    )
