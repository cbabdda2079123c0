"""Write the report of a run in Markdown: verdict, figures, gates, pictures, provenance."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tasks.core.records.design import Gate
from tasks.core.records.measurement import Run, Verdict
from tasks.core.records.package import Manifest
from tasks.reporting import figures, plots


def markdown(run: Run, pictures: Mapping[str, bytes], package: Path, page: str) -> str:
    """Return the whole report.

    Args:
        run: the run with its verdict.
        pictures: PNGs by title; they are embedded in the text.
        package: path of package.tar.gz on the machine that measured.
        page: URL of the run and its logs in the Prefect UI; empty if there is none.
    """
    verdict = run.verdict
    manifest = verdict.measurement.deployment.package.manifest
    sections = [
        f"# {manifest.project_name}: {'passed' if verdict.passed else 'FAILED'}",
        table(("figure", "value"), figures.rows(verdict)),
    ]
    if verdict.measurement.simulated:
        sections.append(
            "> The board is a twin: times are clock cycles of the simulated design at the clock "
            "read back; they were not measured on hardware."
        )
    if manifest.layers:
        sections += ["## Core", table(figures.LAYER_COLUMNS, figures.layer_rows(manifest))]
    sections += ["## Gates", table(("gate", "result", "finding"), _gates(verdict.gates))]
    sections += [
        f"## {title}\n\n![{title}]({plots.data_url(png)})" for title, png in pictures.items()
    ]
    sections += ["## Provenance", table(("item", "value"), _provenance(manifest, verdict))]
    sections += ["## Links", table(("item", "location"), _links(verdict, package, page))]
    return "\n\n".join(sections) + "\n"


def _links(verdict: Verdict, package: Path, page: str) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        # Plain paths, because browsers do not follow links from a server's page to local files.
        ("package", f"`{package}`"),
        ("outputs and all timings", f"`{verdict.measurement.directory}`"),
    ]
    if page:
        rows.append(("logs of the run", f"[{page}]({page})"))
    return rows


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
        ("test data", f"SHA-256 {manifest.data_digest}" if manifest.data_digest else "not known"),
        *_settings(manifest),
    ]
    if built is not None:
        dirty = {None: "", True: " with uncommitted changes", False: ""}[built.git_dirty]
        rows += [
            ("git commit", (built.git_commit or "not in a git repository") + dirty),
            ("packaged", f"{built.built} by flow run {built.flow_run_id or 'none'}"),
        ]
    rows += [
        ("versions where it was built", _versions(manifest.versions)),
        ("versions on the board", _versions(verdict.measurement.versions)),
    ]
    return rows


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {text}" for name, text in versions.items())


def _settings(manifest: Manifest) -> list[tuple[str, ...]]:
    """Return what was set for the conversion, and what was chosen where nothing was set."""
    if manifest.settings is None:
        return []
    kept = manifest.settings.model_dump(exclude={"board_kind", "project_name"})
    rows: list[tuple[str, ...]] = [
        (name.replace("_", " "), f"{value:g}" if isinstance(value, float) else str(value))
        for name, value in kept.items()
        if value not in ({}, None)
    ]
    rows += [(f"chosen for {layer}", text) for layer, text in manifest.formats.items()]
    return rows


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
