"""The report of a run in Markdown: verdict first, then figures, gates, pictures, provenance."""

from collections.abc import Mapping, Sequence

from tasks.records import Gate, Manifest, Verdict
from tasks.reporting import figures, plots


def markdown(verdict: Verdict, pictures: Mapping[str, bytes]) -> str:
    """The whole report.

    Args:
        verdict: of the run.
        pictures: PNG bytes by title; they stand in the text itself.
    """
    manifest = verdict.measurement.deployment.package.manifest
    sections = [
        f"# {manifest.project_name}: {'passed' if verdict.passed else 'FAILED'}",
        _table(("figure", "value"), figures.rows(verdict)),
    ]
    if verdict.measurement.simulated:
        sections.append(
            "> The board is a twin: times are clock cycles of the simulated design at the clock "
            "read back, not measurements of hardware."
        )
    sections += ["## Gates", _table(("gate", "result", "what was found"), _gates(verdict.gates))]
    sections += [
        f"## {title}\n\n![{title}]({plots.data_url(png)})" for title, png in pictures.items()
    ]
    sections += ["## Provenance", _table(("what", "value"), _provenance(manifest, verdict))]
    return "\n\n".join(sections) + "\n"


def _gates(gates: Sequence[Gate]) -> list[tuple[str, ...]]:
    def result(gate: Gate) -> str:
        if gate.passed:
            return "passed"
        return "FAILED" if gate.mode == "fail" else "failed (warning)"

    return [(gate.name, result(gate), gate.message) for gate in gates]


def _provenance(manifest: Manifest, verdict: Verdict) -> list[tuple[str, ...]]:
    built = manifest.provenance
    rows: list[tuple[str, ...]] = [
        ("package", f"SHA-256 {verdict.measurement.deployment.package.digest}"),
        ("model", f"SHA-256 {manifest.model_digest}"),
    ]
    if built is not None:
        dirty = {None: "", True: " with uncommitted changes", False: ""}[built.git_dirty]
        rows += [
            ("git commit", (built.git_commit or "outside of a git repository") + dirty),
            ("packaged", f"{built.built} by flow run {built.flow_run_id or 'none'}"),
        ]
    versions = manifest.versions | verdict.measurement.versions
    rows.append(("versions", ", ".join(f"{name} {text}" for name, text in versions.items())))
    return rows


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
