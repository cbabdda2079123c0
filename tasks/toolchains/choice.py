"""Which toolchain a run takes."""

from pathlib import Path
from typing import Literal

from board.kinds import board_kinds
from tasks.core.errors import InputError
from tasks.core.records.base import ToolchainName
from tasks.core.records.settings import BuildSettings
from tasks.core.requirements import require
from tasks.toolchains.base import Hooks, Toolchain

ToolchainChoice = Literal["auto", "open", "vivado"]


def named(
    name: ToolchainName, *, build: BuildSettings | None = None, hooks: Hooks | None = None
) -> Toolchain:
    """The toolchain of that name, whether or not its tools are here.

    Args:
        name: of the toolchain.
        build: what the synthesis does beside its work.
        hooks: of whoever runs it.

    Raises:
        InputError: it cannot do what `build` asks for.
    """
    build = build or BuildSettings()
    if name == "vivado":
        from tasks.toolchains.vivado_hls.toolchain import VivadoToolchain

        return VivadoToolchain(build, hooks or Hooks())
    from tasks.toolchains.open.toolchain import OpenToolchain

    if build != BuildSettings():
        raise InputError(
            "toolchain open has no simulation of a vendor's tool to run",
            where="build",
            remedy="leave csim, cosim and fifo_opt out, or use toolchain vivado",
        )
    return OpenToolchain()


def choose(
    name: ToolchainChoice,
    model: Path | None = None,
    board_kind: str | None = None,
    *,
    build: BuildSettings | None = None,
    hooks: Hooks | None = None,
) -> Toolchain:
    """The toolchain of that name; `auto`: vivado where it is installed and takes model and board.

    Decided before anything is converted: from files, without a start of any tool.

    Args:
        name: of the toolchain.
        model: that it is for; None where it has been converted already.
        board_kind: as in board/kinds.toml; None for any.
        build: as for `named`.
        hooks: as for `named`.

    Raises:
        ToolMissingError: toolchain vivado was asked for and its tools are not here.
        InputError: it was asked for and does not take the model, or as for `named`.
    """
    from tasks.conversion.modelfile import names_hgq
    from tasks.toolchains.vivado import installation, preflight
    from tasks.toolchains.vivado.preflight import is_buildable

    hgq = model is not None and names_hgq(model)
    found = installation.find()
    installed = {installation.HLS, installation.VIVADO} <= set(found.tools)
    if name == "auto":
        designed = board_kind is None or is_buildable(board_kinds()[board_kind])
        name = "vivado" if installed and designed and not hgq else "open"
    elif name == "vivado" and hgq:
        raise InputError(
            "hls4ml makes no block design for an HGQ2 model",
            where=str(model),
            remedy="use toolchain open, which takes it",
        )
    elif name == "vivado" and not installed:
        require(preflight.tools(found).findings, "toolchain vivado")
    return named(name, build=build, hooks=hooks)
