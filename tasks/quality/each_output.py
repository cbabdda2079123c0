"""The outputs of a model, one by one: each is judged by what it says."""

from tasks.core.records.design import HlsProject
from tasks.core.records.package import Manifest
from tasks.core.records.quality import OutputQuality


def each_output(record: HlsProject | Manifest) -> tuple[OutputQuality, ...]:
    """Return a model's outputs; the only one has no name."""
    return record.outputs or (
        OutputQuality(
            shape=record.output.shape,
            meaning=record.meaning,
            accuracy_framework=record.accuracy_framework,
            accuracy_csim=record.accuracy_csim,
            rmse_framework=record.rmse_framework,
            rmse_csim=record.rmse_csim,
            fidelity=record.fidelity,
        ),
    )
