"""Conversions in this process, with the gates' default settings."""

from pathlib import Path
from typing import Any

import numpy as np

from tasks.conversion.child import ConvertRequest, convert
from tasks.core.digests import digest_of
from tasks.core.records.design import HlsProject
from tasks.core.records.settings import ConvertSettings
from tasks.quality import gates
from tasks.quality.gates import GateSettings
from tests.tasks import samples


def converted_file(
    model: Path, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], **settings: Any
) -> HlsProject:
    """Convert a model file with test data, in its directory."""
    data, out = model.with_suffix(".npz"), model.with_suffix(".out")
    np.savez(data, X_test=x, y_test=y)
    out.mkdir()
    return convert(
        ConvertRequest(
            model=model,
            model_digest=digest_of([model]),
            data=data,
            data_digest=digest_of([data]),
            settings=ConvertSettings.model_validate({"project_name": "first", **settings}),
            entry=samples.entry("convert"),
            out=out,
        )
    )


def largest_error(project: HlsProject) -> float:
    """Return the largest difference between the C simulation's and the framework's outputs."""
    return max(each.fidelity.max_error for each in project.each_output if each.fidelity)


def loses_less_than_a_hundredth(project: HlsProject) -> None:
    """Check that the gates pass and that the C simulation is as good as the framework."""
    gates.require(gates.after_convert(project, GateSettings()))
    fidelity = project.fidelity
    assert fidelity is not None
    if fidelity.agreement is None:
        assert fidelity.rmse**2 < 0.01 * fidelity.spread**2
        return
    assert project.accuracy_framework is not None
    assert project.accuracy_csim is not None
    assert project.accuracy_csim > project.accuracy_framework - 0.01
    assert fidelity.agreement > 0.98
