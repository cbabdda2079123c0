"""Records of a package: its manifest and its archive."""

from pydantic import Field

from tasks.core.records.base import Cycles, Entry, Record, Target
from tasks.core.records.design import Gate, Stream, Utilisation
from tasks.core.records.settings import ConvertSettings


class FileDigest(Record):
    """Hex SHA-256 and size in bytes of one file of a package."""

    sha256: str
    size: int


class Provenance(Record):
    """Where a package comes from.

    Attributes:
        git_commit: commit of the repository that holds the model file; None outside a repository.
        git_dirty: whether that repository had uncommitted changes.
        flow_run_id: id of the Prefect flow run that built it; None outside a flow run.
        built: when it was built: UTC, ISO 8601.
        gates: the gates that were checked before packaging.
    """

    git_commit: str | None
    git_dirty: bool | None
    flow_run_id: str | None
    built: str
    gates: tuple[Gate, ...]


class Manifest(Record):
    """The manifest of package.tar.gz; the board reads it as plain JSON.

    Attributes:
        clock_mhz: the fabric clock that the design was built for.
        latency_cycles: latency of the core without stream transfers; None if the tool does not
            report it.
        accuracy_framework: accuracy on the test samples; None without class labels, or if unknown.
        accuracy_csim: the same for the C simulation.
        drawn_inputs: whether the samples are random inputs, for lack of test data.
        versions: versions of every tool involved.
        files: the files of the package, by name.
        provenance: where it comes from; only in the manifest beside the package.
    """

    project_name: str
    target: Target
    board_kind: str
    part: str
    clock_mhz: float
    input: Stream
    output: Stream
    latency_cycles: Cycles | None = None
    interval_cycles: Cycles | None = None
    utilisation: Utilisation | None = None
    model_name: str
    model_digest: str
    samples: int
    drawn_inputs: bool = False
    accuracy_framework: float | None = None
    accuracy_csim: float | None = None
    settings: ConvertSettings | None = None
    versions: dict[str, str]
    files: dict[str, FileDigest] = Field(default_factory=dict)
    provenance: Provenance | None = None


class Package(Record):
    """package.tar.gz and its manifest, both files of the entry.

    Attributes:
        manifest: the manifest beside the archive, with provenance.
        digest: SHA-256 of package.tar.gz.
        size: size of package.tar.gz in bytes.
    """

    entry: Entry
    manifest: Manifest
    digest: str
    size: int
