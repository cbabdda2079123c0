"""What a toolchain is, and what a build asks of whoever runs it."""

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


LicenceContext = Callable[[], contextlib.AbstractContextManager[object]]


Listener = Callable[[Progress], None]


FitCheck = Callable[[Utilisation], None]


@dataclass(frozen=True)
class Hooks:
    """What a build asks of whoever runs it.

    Attributes:
        licence: gives a context that is held while a licensed tool runs, and only then.
        listener: hears about progress.
        fits: hears what the design takes after logic synthesis, before it is placed and routed
            for hours; ends the build by raising.
    """

    licence: LicenceContext = contextlib.nullcontext
    listener: Listener = lambda _progress: None
    fits: FitCheck = lambda _utilisation: None


class Synthesizer(Protocol):
    """Makes the core: RTL or an IP from an hls4ml project."""

    def identity(self) -> dict[str, Any]:
        """Return what a synthesis depends on besides the project, as plain JSON.

        The same under every implementer, so that toolchains that share a synthesizer share its
        store entries. Cheap enough to ask before every step.
        """

    def check(self, board_kind: str | None = None) -> list[Finding]:
        """Return what it needs of this machine, and for a kind of board."""

    def synthesize(self, project: HlsProject, files: Path, entry: Entry, out: Path) -> Synthesis:
        """Synthesize a project.

        Args:
            project: what to synthesize.
            files: of the project's store entry.
            entry: the new one.
            out: its files go here.
        """


class Implementer(Protocol):
    """Makes a design that can be loaded around a core."""

    def identity(self) -> dict[str, Any]:
        """Return what an implementation depends on besides the synthesis, as plain JSON."""

    def check(self, board_kind: str | None = None) -> list[Finding]:
        """Return what it needs of this machine, and for a kind of board."""

    def implement(
        self, synthesis: Synthesis, files: Path, entry: Entry, out: Path
    ) -> Implementation:
        """Implement a synthesis; arguments as for `Synthesizer.synthesize`."""


@dataclass(frozen=True)
class Toolchain:
    """A named pair: who makes the core, and who implements it.

    Attributes:
        licensed: whether its tools are a vendor's, of which a machine runs few at a time.
        reason: why `auto` took it; empty where it was asked for by name.
    """

    name: str
    synthesizer: Synthesizer
    implementer: Implementer
    licensed: bool = False
    reason: str = ""

    def check(self, board_kind: str | None = None) -> list[Finding]:
        """Return what both need of this machine, and for a kind of board."""
        both = (self.synthesizer, self.implementer)
        return list(dict.fromkeys(found for one in both for found in one.check(board_kind)))
