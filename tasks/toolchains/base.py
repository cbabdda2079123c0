"""The protocols of synthesizer and implementer, and the hooks that a build calls."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tasks.core.records.base import Entry, Record
from tasks.core.records.design import HlsProject, Implementation, Synthesis, Utilisation
from tasks.core.requirements import Finding

_HOUR_S, _MINUTE_S = 3600, 60


class Progress(Record):
    """The progress of a build.

    Attributes:
        phase: current phase, for display.
        fraction: done, 0 to 1.
        elapsed_s: time since this process began it.
        left_s: estimated remaining time; None if unknown.
    """

    phase: str
    fraction: float
    elapsed_s: float
    left_s: float | None = None


def times(elapsed_s: float, left_s: float | None) -> str:
    """Say how long a build has taken and will take, as in `1 h 05 min, 17 min left`."""
    over = _spoken(elapsed_s)
    return over if left_s is None or left_s <= 0 else f"{over}, {_spoken(left_s)} left"


def _spoken(seconds: float) -> str:
    seconds = round(seconds)
    if seconds >= _HOUR_S:
        return f"{seconds // _HOUR_S} h {seconds % _HOUR_S // _MINUTE_S:02} min"
    return f"{seconds // _MINUTE_S} min" if seconds >= _MINUTE_S else f"{seconds} s"


LicenceContext = Callable[[], contextlib.AbstractContextManager[object]]


Listener = Callable[[Progress], None]


FitCheck = Callable[[Utilisation], None]


@dataclass(frozen=True)
class Hooks:
    """Functions that a build calls.

    Attributes:
        licence: returns a context that is held only while a licensed tool runs.
        listener: receives progress.
        fits: receives the design's utilisation after logic synthesis, before hours of placement
            and routing; ends the build by raising.
    """

    licence: LicenceContext = contextlib.nullcontext
    listener: Listener = lambda _progress: None
    fits: FitCheck = lambda _utilisation: None


class Synthesizer(Protocol):
    """Makes a core, as RTL or an IP, from an hls4ml project."""

    def identity(self) -> dict[str, Any]:
        """Return what a synthesis depends on besides the project, as plain JSON.

        It does not depend on the implementer, so that toolchains that share a synthesizer share its
        store entries. It is called before every step and must be cheap.
        """

    def check(self, board_kind: str | None = None) -> list[Finding]:
        """Return what it needs of this machine, and for a kind of board."""

    def synthesize(self, project: HlsProject, files: Path, entry: Entry, out: Path) -> Synthesis:
        """Synthesize a project.

        Args:
            project: to synthesize.
            files: of the project's store entry.
            entry: the new store entry.
            out: directory for its files.
        """


class Implementer(Protocol):
    """Makes a loadable design around a core."""

    def identity(self) -> dict[str, Any]:
        """Return what an implementation depends on besides the synthesis, as plain JSON."""

    def check(self, board_kind: str | None = None) -> list[Finding]:
        """Return what it needs of this machine, and for a kind of board."""

    def implement(
        self, synthesis: Synthesis, files: Path, entry: Entry, out: Path
    ) -> Implementation:
        """Implement a synthesis; arguments as in `Synthesizer.synthesize`."""


@dataclass(frozen=True)
class Toolchain:
    """A named pair of synthesizer and implementer.

    Attributes:
        traced: whether its core is traced from the converted graph, and can be estimated.
        licensed: whether it uses a vendor's tools, of which a machine runs few at a time.
        reason: why `auto` chose it; empty if it was chosen by name.
    """

    name: str
    synthesizer: Synthesizer
    implementer: Implementer
    traced: bool = True
    licensed: bool = False
    reason: str = ""

    def check(self, board_kind: str | None = None) -> list[Finding]:
        """Return what both need on this machine, and for a board kind."""
        both = (self.synthesizer, self.implementer)
        return list(dict.fromkeys(found for one in both for found in one.check(board_kind)))
