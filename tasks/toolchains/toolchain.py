"""What a toolchain is: a way from an hls4ml project to a design that can be loaded."""

from pathlib import Path
from typing import Literal, Protocol

from tasks.errors import ToolMissingError
from tasks.finding import Finding
from tasks.records import Entry, HlsProject, Implementation, Record, Synthesis, ToolchainName


class Toolchain(Protocol):
    """Synthesizes and implements; its versions are part of what a result depends on."""

    name: ToolchainName

    def check(self) -> list[Finding]:
        """What it needs of this machine."""

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


def choose(name: ToolchainName | Literal["auto"]) -> Toolchain:
    """The toolchain of that name.

    Raises:
        ToolMissingError: there is none of that name here.
    """
    from tasks.toolchains.open import OpenToolchain

    if name == "vivado":
        raise ToolMissingError(
            "toolchain vivado is not part of this version",
            where="toolchain",
            remedy="use toolchain open",
        )
    return OpenToolchain()
