"""Describe a package in manifest.json: its content, its origin and who built it.

The manifest inside package.tar.gz describes the package. It depends only on the package's inputs,
so the same inputs give the same bytes. The manifest beside the archive is the same plus provenance:
which commit, when, in which flow run, with which gates.
"""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

from tasks.core.records.design import ConvertedModel, Gate, Implementation
from tasks.core.records.package import Manifest, Provenance


def describe(implementation: Implementation) -> Manifest:
    """Return the manifest of a package of this implementation, without the list of files."""
    synthesis = implementation.synthesis
    project = synthesis.project
    return Manifest(
        **project.values_of(ConvertedModel),
        project_name=project.settings.project_name,
        target=implementation.target,
        board_kind=project.settings.board_kind,
        part=implementation.part,
        clock_mhz=implementation.clock_mhz,
        latency_cycles=synthesis.latency_cycles,
        interval_cycles=synthesis.interval_cycles,
        utilisation=implementation.utilisation,
        power_estimate_w=implementation.power_estimate_w,
        layers=synthesis.layers,
        data_digest=project.data_digest or None,
        settings=project.settings,
        versions=project.versions | synthesis.versions | implementation.versions,
    )


def provenance(directory: Path, flow_run_id: str | None, gates: tuple[Gate, ...]) -> Provenance:
    """Return the provenance of a package built now: state of the model's repository, run, time."""
    commit = _git(directory, "rev-parse", "HEAD")
    status = _git(directory, "status", "--porcelain") if commit else None
    return Provenance(
        git_commit=commit,
        git_dirty=None if status is None else bool(status),
        flow_run_id=flow_run_id,
        built=datetime.now(UTC).isoformat(timespec="seconds"),
        gates=gates,
    )


def _git(directory: Path, *arguments: str) -> str | None:
    """Return the output of a git command, or None if git or the repository is missing."""
    try:
        done = subprocess.run(
            ["git", "-C", str(directory), *arguments],  # noqa: S607  the user's own git
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
