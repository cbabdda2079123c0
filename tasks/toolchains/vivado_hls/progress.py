"""Measures the progress of Vivado HLS by the lines that it prints."""

from collections.abc import Sequence

from tasks.toolchains.vivado.progress import ProgressMeter
from tasks.toolchains.vivado_hls.phases import Phase

# Lines that Vivado HLS prints during C synthesis, and the share of its time that has passed then.
_CHECKPOINTS = (
    ("Finished Linking", 0.06),
    ("Finished Checking Pragmas", 0.065),
    ("Finished Standard Transforms", 0.07),
    ("Finished Checking Synthesizability", 0.075),
    ("Finished Pre-synthesis", 0.44),
    ("Finished Architecture Synthesis", 0.53),
    ("Finished generating all RTL models", 0.99),
)


class HlsProgress:
    """Follows Vivado HLS by its lines.

    Args:
        meter: to update.
        phases: all phases of the build.
        done: phases that were done before.
    """

    def __init__(
        self, meter: ProgressMeter, phases: Sequence[Phase], done: Sequence[Phase]
    ) -> None:
        self._meter = meter
        self._phases = phases
        self._finished = {phase.name for phase in done}

    def line(self, text: str) -> None:
        """Process one line of the tool's output."""
        for phase in self._phases:
            if phase.marker in text:
                self._finished.add(phase.name)
                self._meter.tell(f"{phase.name} done", self._fraction())
                return
        for checkpoint, share in _CHECKPOINTS:
            if checkpoint in text:
                inside = next((p.share for p in self._phases if p.name == "synth"), 0.0) * share
                self._meter.tell(f"synth: {checkpoint.lower()}", self._fraction(inside))
                return

    def _fraction(self, inside: float = 0.0) -> float:
        over = sum(phase.share for phase in self._phases if phase.name in self._finished)
        return (over + inside) / sum(phase.share for phase in self._phases)
