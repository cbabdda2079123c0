"""Records of a package: manifest and archive."""

from pydantic import Field

from tasks.core.records.base import Cycles, Entry, Record, Target
from tasks.core.records.design import Gate, Stream, Utilisation
from tasks.core.records.settings import ConvertSettings


class FileDigest(Record):
    """One file of a package: SHA-256 as hex, size in bytes."""

    sha256: str
    size: int


class Provenance(Record):
    """Who built a package.

    Attributes:
        git_commit: of the repository that holds the model file; None outside of one.
        git_dirty: whether that repository had uncommitted changes.
        flow_run_id: of the Prefect flow run that built it; None outside of one.
        built: UTC, ISO 8601.
        gates: that were checked before packaging.
    """

    git_commit: str | None
    git_dirty: bool | None
    flow_run_id: str | None
    built: str
    gates: tuple[Gate, ...]


class Manifest(Record):
    """What package.tar.gz holds; the board reads it as plain JSON.

    Attributes:
        clock_mhz: that the design was built for.
        latency_cycles: of the core, without stream transfer; None where the tool did not say.
        accuracy_framework: on the test samples; None without class labels, or not known.
        accuracy_csim: the same for the C simulation.
        versions: of every tool that had a part in it.
        files: by name in the package.
        provenance: in the manifest beside the package only.
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
    accuracy_framework: float | None = None
    accuracy_csim: float | None = None
    settings: ConvertSettings | None = None
    versions: dict[str, str]
    files: dict[str, FileDigest] = Field(default_factory=dict)
    provenance: Provenance | None = None


class Package(Record):
    """package.tar.gz and its manifest, both files of the entry.

    Attributes:
        manifest: as beside the archive, with provenance.
        digest: SHA-256 of package.tar.gz.
        size: of package.tar.gz in bytes.
    """

    entry: Entry
    manifest: Manifest
    digest: str
    size: int
