"""What a toolchain is: a way from an hls4ml project to a design that can be loaded."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from board.kinds import board_kinds
from tasks.errors import InputError
from tasks.finding import Finding, require
from tasks.records import (
    BuildSettings,
    Entry,
    HlsProject,
    Implementation,
    Record,
    Synthesis,
    ToolchainName,
    Utilisation,
)

_HOUR_S, _MINUTE_S = 3600, 60


class Progress(Record):
    """Where a build is.

    Attributes:
        phase: that it is in, for people.
        fraction: of the whole that is done, 0 to 1.
        elapsed_s: since this process began with it.
        left_s: that it will take from here; None where nothing is known about it.
    """

    phase: str
    fraction: float
    elapsed_s: float
    left_s: float | None = None


def times(elapsed_s: float, left_s: float | None) -> str:
    """How long a build has taken and will take, as people say it: 1 h 05 min, 17 min left."""
    over = _spoken(elapsed_s)
    return over if left_s is None or left_s <= 0 else f"{over}, {_spoken(left_s)} left"


def _spoken(seconds: float) -> str:
    seconds = round(seconds)
    if seconds >= _HOUR_S:
        return f"{seconds // _HOUR_S} h {seconds % _HOUR_S // _MINUTE_S:02} min"
    return f"{seconds // _MINUTE_S} min" if seconds >= _MINUTE_S else f"{seconds} s"


Gate = Callable[[], contextlib.AbstractContextManager[object]]
Listener = Callable[[Progress], None]
Judge = Callable[[Utilisation], None]


@dataclass(frozen=True)
class Hooks:
    """What a build asks of whoever runs it.

    Attributes:
        licence: gives a context that is held while a licensed tool runs, and only then.
        listener: hears about progress.
        fits: hears what the design takes after logic synthesis, before it is placed and routed
            for hours; ends the build by raising.
    """

    licence: Gate = contextlib.nullcontext
    listener: Listener = lambda _progress: None
    fits: Judge = lambda _utilisation: None


class Toolchain(Protocol):
    """Synthesizes and implements; its versions are part of what a result depends on."""

    @property
    def name(self) -> ToolchainName:
        """As records have it."""

    @property
    def build(self) -> BuildSettings:
        """What its synthesis does beside its work."""

    def check(self, board_kind: str | None = None) -> list[Finding]:
        """What it needs of this machine, and for a kind of board."""

    def versions(self) -> dict[str, str]:
        """Versions of its tools; cheap enough to ask before every step."""

    def synthesize(self, project: HlsProject, files: Path, entry: Entry, out: Path) -> Synthesis:
        """RTL or IP of a project.

        Args:
            project: what to synthesize.
            files: of the project's store entry.
            entry: the new one.
            out: its files go here.
        """

    def implement(
        self, synthesis: Synthesis, files: Path, entry: Entry, out: Path
    ) -> Implementation:
        """A loadable design of a synthesis; arguments as for `synthesize`."""


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
        from tasks.toolchains.vivado.toolchain import VivadoToolchain

        return VivadoToolchain(build, hooks or Hooks())
    from tasks.toolchains.open import OpenToolchain

    if build != BuildSettings():
        raise InputError(
            "toolchain open has no simulation of a vendor's tool to run",
            where="build",
            remedy="leave csim, cosim and fifo_opt out, or use toolchain vivado",
        )
    return OpenToolchain()


def choose(
    name: ToolchainName | Literal["auto"],
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
    from tasks.toolchains.vivado.needs import is_buildable

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
