"""Step publish_comparison: publish the figures of one package on several boards as one table."""

from prefect import task
from prefect.artifacts import create_table_artifact

from tasks.core.records.package import Package
from tasks.orchestration.artifacts import artifact_key
from tasks.reporting.comparison import Comparison, columns, rows


@task(name="publish comparison")
def publish_comparison(comparison: Comparison, package: Package) -> None:
    """Publish the comparison as a table artifact of the package's project."""
    names = columns(comparison)
    create_table_artifact(
        [dict(zip(names, row, strict=True)) for row in rows(comparison)],
        key=f"{artifact_key(package.manifest.project_name)}-boards",
        description="One package on several boards",
    )
