"""Write the summary of a run in Markdown: verdict, figures, gates."""

import re
from collections.abc import Sequence

from tasks.core.records.design import Gate
from tasks.core.records.measurement import Run
from tasks.reporting import figures

_MARKS = re.compile(r"[\\`*\[\]<>|&~$]|(?<!\w)_|_(?!\w)")


def markdown(run: Run, url: str, tracked: str = "") -> str:
    """Return verdict, figures and gates, for an artifact.

    Args:
        run: the run with its verdict.
        url: URL of the run and its logs in the Prefect UI; empty if there is none.
        tracked: URL of the run at a tracking server; empty if there is none.
    """
    verdict = run.verdict
    manifest = verdict.manifest
    name = plain(run.flow_run_name)
    sections = [
        f"# {manifest.project_name}: {'passed' if verdict.passed else 'FAILED'}",
        f"[{name}]({url}), {run.finished[:16].replace('T', ' ')} UTC" if url else name,
    ]
    if verdict.measurement.simulated:
        sections.append(
            "Simulated: the board is a twin. Times are clock cycles of the simulated design at "
            "the clock read back; they were not measured on hardware."
        )
    sections.append(table(*figures.side_by_side(run)))
    # Not as a table: the lines of its cells would not wrap in Prefect's V1.
    sections += ["## Gates", "\n".join(map(_gate, figures.ordered(verdict.gates)))]
    sections.append(
        f"Charts, layers, settings and provenance: `overlayflow report {run.flow_run_id[:8]}`"
    )
    if tracked:
        sections.append(f"[The run in MLflow]({tracked})")
    return "\n\n".join(sections) + "\n"


def _gate(gate: Gate) -> str:
    found = ": ".join(filter(None, (gate.message, gate.advice)))
    return f"- **{plain(gate.name)}**, {figures.result(gate)}: {plain(found)}"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(plain(cell) for cell in line) + " |" for line in lines)


def plain(text: str) -> str:
    """Return a text that Markdown shows as it is; names may hold marks, tags and links."""
    return _MARKS.sub(r"\\\g<0>", " ".join(text.split("\n")))
