"""The toolchains by name, and which one a run takes."""

from pathlib import Path
from typing import Literal, get_args

from board.kinds import board_kinds
from tasks.core.errors import InputError
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
    """Return the toolchain of that name, whether or not its tools are here.

    Args:
        name: of the toolchain.
        build: what the synthesis does beside its work.
        hooks: of whoever runs it.

    Raises:
        InputError: there is no such toolchain, or it cannot do what `build` asks for.
    """
    build, hooks = build or BuildSettings(), hooks or Hooks()
    if name == "vivado-hls":
        return _vivado_hls(build, hooks)
    if name not in NAMES:
        raise unknown(name)
    if build != BuildSettings():
        raise InputError(
            f"toolchain {name} has no simulation of Vivado HLS to run",
            where="build",
            remedy="leave csim, cosim and fifo_opt out, or use toolchain vivado-hls",
        )
    return _open() if name == "open" else _vivado(hooks)


def unknown(name: object) -> InputError:
    """Return the error for a name that no toolchain has."""
    return InputError(
        f"unknown toolchain {name!r}",
        where="toolchain",
        remedy=f"use one of {', '.join(CHOICES)}",
    )


def choose(
    choice: str,
    model: Path | None = None,
    board_kind: str | None = None,
    *,
    build: BuildSettings | None = None,
) -> Toolchain:
    """Return the toolchain of that name; `auto` takes what this machine, model and board allow.

    Decided before anything is converted: from files, without a start of any tool.

    Args:
        choice: a toolchain's name, or `auto`.
        model: that it is for; None where it has been converted already.
        board_kind: as in board/kinds.toml; None for any.
        build: as for `named`.

    Raises:
        ToolMissingError: toolchain vivado-hls was asked for and its tools are not here.
        InputError: it was asked for and does not take the model, or as for `named`.
    """
    from tasks.conversion.modelfile import identify
    from tasks.toolchains.vivado import installation
    from tasks.toolchains.vivado_hls import preflight

    hgq = model is not None and not identify(model).block_design
    found = installation.find()
    installed = {installation.HLS, installation.VIVADO} <= set(found.tools)
    if choice == "auto":
        designed = board_kind is None or preflight.is_buildable(board_kinds()[board_kind])
        choice = "vivado-hls" if installed and designed and not hgq else "open"
    elif choice == "vivado-hls" and hgq:
        raise InputError(
            "hls4ml makes no block design for an HGQ model",
            where=str(model),
            remedy="use toolchain open, which takes it",
        )
    elif choice == "vivado-hls" and not installed:
        require(preflight.tools(found).findings, "toolchain vivado-hls")
    return named(choice, build=build)


def _open() -> Toolchain:
    """Return the traced core under Yosys and Verilator."""
    from tasks.toolchains.cores.synthesizer import TracedCore
    from tasks.toolchains.open.implementer import TwinImage

    return Toolchain("open", TracedCore(), TwinImage())


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
    return Toolchain("vivado-hls", BuildPrjTcl(build, runs), DesignTcl(runs), licensed=True)
