"""Records of a package: its manifest and its archive."""

from typing import Self

from pydantic import Field, model_validator

from board.package import TWIN_BIT
from tasks.core.records.base import Cycles, Entry, Record, Sha256, Shown, Target
from tasks.core.records.design import ConvertedModel, Gate, LayerEstimate, Utilisation
from tasks.core.records.settings import ConvertSettings


class FileDigest(Record):
    """Hex SHA-256 and size in bytes of one file of a package."""

    sha256: Sha256
    size: int = Field(ge=0)


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


class Manifest(ConvertedModel):
    """The manifest of package.tar.gz; the board reads it as plain JSON.

    Attributes:
        clock_mhz: the fabric clock that the design was built for.
        latency_cycles: latency of the core without stream transfers; None if the tool does not
            report it.
        data_digest: SHA-256 of the test data's file; None if there was none, or if unknown.
        power_estimate_w: of the whole chip, by the implementing tool; None if it estimates none.
        layers: how each layer of a folded core is folded, and what it was expected to take.
        versions: versions of every tool involved.
        files: the files of the package, by name.
        provenance: where it comes from; only in the manifest next to the package.
    """

    # It becomes part of file names and of generated code.
    project_name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,62}$")
    target: Target
    board_kind: str = Field(pattern=r"^[a-z0-9-]{1,64}$")
    part: str = Field(pattern=r"^[A-Za-z0-9-]{1,64}$")
    clock_mhz: float = Field(gt=0, le=10_000, allow_inf_nan=False)
    latency_cycles: Cycles | None = None
    interval_cycles: Cycles | None = None
    utilisation: Utilisation | None = None
    power_estimate_w: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    layers: tuple[LayerEstimate, ...] = ()
    data_digest: Sha256 | None = None
    settings: ConvertSettings | None = None
    versions: dict[Shown, Shown]
    files: dict[str, FileDigest] = Field(default_factory=dict)
    provenance: Provenance | None = None

    @model_validator(mode="after")
    def _parts_are_the_whole(self) -> Self:
        for parts, whole in ((self.inputs, self.input), (self.outputs, self.output)):
            if parts and sum(part.size for part in parts) != whole.size:
                raise ValueError("the inputs or outputs have not the elements of the whole")
        found = self.utilisation
        if found is not None and found.by_layer and len(found.by_layer) != len(self.layers):
            raise ValueError("the resources by layer are not those of the layers")
        return self

    def runs_on(self, target: Target) -> bool:
        """Return whether the package holds a design for a twin, or for real hardware."""
        return self.target == target or (target == "twin" and TWIN_BIT in self.files)


class Package(Record):
    """package.tar.gz and its manifest, both files of the entry.

    Attributes:
        manifest: the manifest next to the archive, with provenance.
        digest: SHA-256 of package.tar.gz.
        size: size of package.tar.gz in bytes.
    """

    entry: Entry
    manifest: Manifest
    digest: str
    size: int
