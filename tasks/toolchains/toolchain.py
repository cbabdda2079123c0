"""What a toolchain is: a way from an hls4ml project to a design that can be loaded."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

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
)


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


Gate = Callable[[], contextlib.AbstractContextManager[object]]
Listener = Callable[[Progress], None]


@dataclass(frozen=True)
class Hooks:
    """What a build asks of whoever runs it.

    Attributes:
        licence: gives a context that is held while a licensed tool runs, and only then.
        listener: hears about progress.
    """

    licence: Gate = contextlib.nullcontext
    listener: Listener = lambda _progress: None


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
    project: HlsProject | None = None,
    *,
    build: BuildSettings | None = None,
    hooks: Hooks | None = None,
) -> Toolchain:
    """The toolchain of that name; `auto`: vivado where it is installed and takes the project.

    Args:
        name: of the toolchain.
        project: that it is for; None before there is one.
        build: as for `named`.
        hooks: as for `named`.

    Raises:
        ToolMissingError: toolchain vivado was asked for and its tools are not here.
        InputError: as for `named`.
    """
    from tasks.toolchains.vivado import installation, preflight

    found = installation.find()
    installed = {installation.HLS, installation.VIVADO} <= set(found.tools)
    if name == "auto":
        takes = project is None or project.backend == "VivadoAccelerator"
        name = "vivado" if takes and installed else "open"
    elif name == "vivado" and not installed:
        require(preflight.tools(found).findings, "toolchain vivado")
    return named(name, build=build, hooks=hooks)
