"""Lists the toolchains by name, and chooses one for a run."""

from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from board.kinds import board_kinds
from tasks.core.errors import InputError, near
from tasks.core.records.settings import BuildSettings
from tasks.core.requirements import require
from tasks.toolchains.base import Hooks, Toolchain

ToolchainName = Literal["open", "vivado", "vivado-hls"]
ToolchainChoice = Literal["auto", "open", "vivado", "vivado-hls"]
NAMES: tuple[str, ...] = get_args(ToolchainName)
CHOICES: tuple[str, ...] = get_args(ToolchainChoice)


def named(
    name: str, *, build: BuildSettings | None = None, hooks: Hooks | None = None
) -> Toolchain:
    """Return a toolchain by name, whether or not its tools are installed.

    Args:
        name: of the toolchain.
        build: optional steps of the synthesis.
        hooks: of the caller.

    Raises:
        InputError: there is no such toolchain, or it does not have a step of `build`.
    """
    build, hooks = build or BuildSettings(), hooks or Hooks()
    if name == "vivado-hls":
        return _vivado_hls(build, hooks)
    if name not in NAMES:
        raise InputError(
            f"unknown toolchain {name!r}{near(name, CHOICES)}",
            where="toolchain",
            remedy=f"use one of {', '.join(CHOICES)}",
        )
    if build != BuildSettings():
        raise InputError(
            f"toolchain {name} has no simulation of Vivado HLS to run",
            where="build",
            remedy="remove csim, cosim and fifo_opt, or use toolchain vivado-hls",
        )
    return _open(hooks) if name == "open" else _vivado(hooks)


def choose(
    choice: str,
    model: Path | None = None,
    board_kind: str | None = None,
    *,
    build: BuildSettings | None = None,
    fits: bool = True,
) -> Toolchain:
    """Return a toolchain by name; `auto` chooses by machine, model and board.

    It is chosen before anything is converted, from files and without starting any tool.

    Args:
        choice: a toolchain's name, or `auto`.
        model: to build; None if it has already been converted.
        board_kind: as in board/kinds.toml; None for any.
        build: as in `named`.
        fits: whether the traced core is expected to fit the part.

    Raises:
        ToolMissingError: a requested Vivado is not installed.
        InputError: the toolchain does not support the model, or as in `named`.
    """
    from tasks.conversion.modelfile import identify

    by_hls4ml = model is None or identify(model).block_design
    if choice == "auto":
        needs_hls = build is not None and build != BuildSettings()
        name, reason = _decide(board_kind, by_hls4ml=by_hls4ml, fits=fits, needs_hls=needs_hls)
        return replace(named(name, build=build), reason=reason)
    if choice == "vivado-hls" and not by_hls4ml:
        raise InputError(
            "hls4ml makes no block design for an HGQ model",
            where=str(model),
            remedy="use toolchain vivado or open, which support it",
        )
    _require_installed(choice)
    return named(choice, build=build)


def _require_installed(name: str) -> None:
    """Raise ToolMissingError unless the tools of a Vivado toolchain are found."""
    from tasks.toolchains.vivado import installation, preflight
    from tasks.toolchains.vivado_hls import preflight as hls_preflight

    found = installation.find()
    if name == "vivado-hls" and not {installation.HLS, installation.VIVADO} <= set(found.tools):
        require(hls_preflight.tools(found).findings, f"toolchain {name}")
    elif name == "vivado" and installation.VIVADO not in found.tools:
        require(preflight.tools(found).findings, f"toolchain {name}")


def _decide(
    board_kind: str | None, *, by_hls4ml: bool, fits: bool, needs_hls: bool
) -> tuple[str, str]:
    """Return the toolchain that `auto` chooses, and why."""
    from tasks.toolchains.vivado import installation, preflight
    from tasks.toolchains.vivado_hls import preflight as hls_preflight

    tools = set(installation.find().tools)
    kind = None if board_kind is None else board_kinds()[board_kind]
    hls = (
        {installation.HLS, installation.VIVADO} <= tools
        and by_hls4ml
        and (kind is None or hls_preflight.is_buildable(kind))
    )
    if needs_hls and hls:
        return "vivado-hls", "steps of Vivado HLS are asked for"
    if installation.VIVADO not in tools:
        return "open", "no Vivado is installed here"
    if kind is not None and not preflight.is_buildable(kind):
        return "open", f"there is no block design for {kind.name}"
    if fits:
        return "vivado", "a Vivado is installed, and it builds the traced core"
    if hls:
        return "vivado-hls", "the model is too big for the part unless multipliers are reused"
    return "open", "the model is too big for the part, and Vivado HLS does not take it here"


def _open(hooks: Hooks) -> Toolchain:
    """Return the traced core under Yosys and Verilator."""
    from tasks.toolchains.cores.synthesizer import TracedCore
    from tasks.toolchains.open.implementer import TwinImage

    return Toolchain("open", TracedCore(), TwinImage(hooks))


def _vivado(hooks: Hooks) -> Toolchain:
    """Return the traced core under any Vivado."""
    from tasks.toolchains.cores.synthesizer import TracedCore
    from tasks.toolchains.vivado.implementer import BlockDesign
    from tasks.toolchains.vivado.job import Supervision

    return Toolchain("vivado", TracedCore(), BlockDesign(Supervision(hooks)), licensed=True)


def _vivado_hls(build: BuildSettings, hooks: Hooks) -> Toolchain:
    """Return hls4ml's build_prj.tcl under Vivado HLS, and its design.tcl under Vivado."""
    from tasks.toolchains.vivado.job import Supervision
    from tasks.toolchains.vivado_hls.implementer import DesignTcl
    from tasks.toolchains.vivado_hls.synthesizer import BuildPrjTcl

    runs = Supervision(hooks)
    synthesizer, implementer = BuildPrjTcl(build, runs), DesignTcl(runs)
    return Toolchain("vivado-hls", synthesizer, implementer, traced=False, licensed=True)
