"""Records of a small design, for tests that need some."""

from pathlib import Path

import numpy as np

from tasks.core.records.base import Entry
from tasks.core.records.design import (
    FixedPoint,
    HlsProject,
    Implementation,
    Resources,
    Stream,
    Synthesis,
    Utilisation,
)
from tasks.core.records.measurement import Deployment, LatencyFit, Measurement, Verdict
from tasks.core.records.package import Manifest, Package
from tasks.core.records.settings import ConvertSettings

XC7Z020 = Resources(lut=53200, ff=106400, dsp=220, bram_36k=140, carry4=13300)


def entry(step: str, digit: str = "a") -> Entry:
    return Entry.model_validate({"step": step, "digest": digit * 64})


def hls_project(**changes: object) -> HlsProject:
    element = FixedPoint(width=8, integer=4)
    project = HlsProject(
        entry=entry("convert"),
        settings=ConvertSettings(project_name="tiny"),
        backend="VivadoAccelerator",
        part="xc7z020clg400-1",
        model_name="tiny.keras",
        model_digest="b" * 64,
        input=Stream(shape=(3,), element=element),
        output=Stream(shape=(2,), element=element),
        samples=4,
        accuracy_framework=1.0,
        accuracy_csim=1.0,
        versions={"hls4ml": "1.3.0"},
    )
    return project.model_copy(update=changes)


def implementation(lut: int = 100, **changes: object) -> Implementation:
    synthesis = Synthesis(
        entry=entry("synthesize"),
        project=hls_project(),
        synthesizer="traced",
        latency_cycles=5,
        interval_cycles=1,
        versions={"alkaid": "0.8.2"},
    )
    made = Implementation(
        entry=entry("implement"),
        synthesis=synthesis,
        implementer="twin-image",
        target="twin",
        part="xc7z020clg400-1",
        clock_mhz=100.0,
        utilisation=Utilisation(
            stage="synthesised",
            used=Resources(lut=lut, ff=50, dsp=0, bram_36k=0, carry4=3),
            available=XC7Z020,
            by_module={"tiny_core": lut - 20, "axis_shell": 20},
        ),
        versions={"yosys": "0.70"},
    )
    return made.model_copy(update=changes)


def manifest(**changes: object) -> Manifest:
    made = implementation()
    described = Manifest(
        project_name="tiny",
        target="twin",
        board_kind="pynq-z2",
        part=made.part,
        clock_mhz=100.0,
        input=made.synthesis.project.input,
        output=made.synthesis.project.output,
        latency_cycles=5,
        interval_cycles=1,
        utilisation=made.utilisation,
        model_name="tiny.keras",
        model_digest="b" * 64,
        samples=4,
        accuracy_framework=1.0,
        accuracy_csim=1.0,
        settings=made.synthesis.project.settings,
        versions={"hls4ml": "1.3.0"},
    )
    return described.model_copy(update=changes)


def measurement(**changes: object) -> Measurement:
    made = Measurement(
        deployment=Deployment(
            package=Package(
                entry=entry("package"), manifest=manifest(), digest="c" * 64, size=1000
            ),
            board="twin",
            board_kind="pynq-z2",
            directory="/home/xilinx/overlayflow/deployments/c",
            sent_bytes=1000,
            seconds=0.1,
        ),
        simulated=True,
        clock_mhz=100.0,
        samples=4,
        latency_s={"p50": 1e-6, "p95": 1e-6, "p99": 1e-6},
        fit=LatencyFit(overhead_s=1e-6, per_sample_s=3e-8),
        cycles_per_sample=3.0,
        latency_cycles=9,
        inferences_per_s=33e6,
        deterministic=True,
        power_w=None,
        phases_s={"dma": 1e-6},
        y_hw_digest="d" * 64,
        directory="/results",
        versions={"pynq": "3.1.2"},
    )
    return made.model_copy(update=changes)


def verdict(
    described: Manifest | None = None, *, accuracy: float | None = 1.0, **changes: object
) -> Verdict:
    """A verdict on a package of that manifest; changes: of the measurement."""
    found = measurement(**changes)
    package = found.deployment.package.model_copy(update={"manifest": described or manifest()})
    deployment = found.deployment.model_copy(update={"package": package})
    return Verdict(
        measurement=found.model_copy(update={"deployment": deployment}),
        gates=(),
        bit_exact=4,
        samples=4,
        accuracy_board=accuracy,
    )


def write_design_files(directory: Path) -> tuple[Path, Path]:
    """Files of an implement and of a convert entry, as far as a package takes them."""
    design, project = directory / "design", directory / "project"
    design.mkdir(parents=True)
    project.mkdir()
    for name in ("tiny.bit", "tiny.hwh", "axi_stream_driver.py"):
        (design / name).write_text(f"content of {name}\n")
    rng = np.random.default_rng(3)
    for name, shape in (("X_test", (4, 3)), ("y_test", (4, 2)), ("y_csim", (4, 2))):
        np.save(project / f"{name}.npy", rng.random(shape, dtype=np.float32))
    return design, project
