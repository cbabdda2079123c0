"""Flow deploy_model: from a trained model to numbers measured on a board."""

from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger

from tasks.benchmark import benchmark
from tasks.conversion.names import what_differs
from tasks.convert import convert
from tasks.core.errors import InputError
from tasks.core.records.base import Settings
from tasks.core.records.design import Synthesis
from tasks.core.records.measurement import Run, Verdict
from tasks.core.records.settings import BuildSettings, ConvertSettings, MeasureSettings
from tasks.core.requirements import require
from tasks.implement import implement
from tasks.orchestration import run_logs, run_names, worker_watch
from tasks.orchestration.leasing import leased, refuse_other_parts
from tasks.package import package
from tasks.publish import judged_if_cut_off, publish, tell_failure
from tasks.quality import gates
from tasks.quality.gates import GateSettings
from tasks.rehearse import rehearse as dress_rehearsal
from tasks.steps import building
from tasks.sweeps.estimate import may_fit
from tasks.synthesize import synthesize
from tasks.toolchains.choice import ToolchainChoice, choose
from tasks.transfer import transfer
from tasks.validate import validate


class DeployAdvanced(Settings):
    """What most runs leave alone.

    Attributes:
        rehearse: Whether the RTL first runs on a twin; by default with toolchain vivado.
        build: Optional steps of toolchain vivado-hls. Example: {"cosim": true}
        limits: Thresholds of the gates between the steps. Example: {"mode": "warn",
            "utilisation": 0.8}
        measurement: How the board measures. Example: {"batches": [1, 16], "wait_s": 600}
    """

    rehearse: bool | None = None
    build: BuildSettings = BuildSettings()
    limits: GateSettings = GateSettings()
    measurement: MeasureSettings = MeasureSettings()


def _name(given: dict[str, Any]) -> str:
    toolchain = "" if given["toolchain"] == "auto" else given["toolchain"]
    differs = what_differs(given["conversion"])
    return run_names.on_board(given["model"].stem, given["board"], toolchain, differs)


@flow(
    name="deploy-model",
    flow_run_name=run_names.given_or(_name),
    retries=0,
    on_failure=[tell_failure],
)
def deploy_model(
    model: Path,
    data: Path | None = None,
    board: str = "twin",
    conversion: ConvertSettings = ConvertSettings(),
    toolchain: ToolchainChoice = "auto",
    advanced: DeployAdvanced = DeployAdvanced(),
) -> Run:
    """Convert, synthesize, implement, package, transfer, benchmark, validate and publish.

    Args:
        model: Path of the model file on the machine that builds: Keras, QKeras, HGQ, ONNX, PyTorch.
        data: Path of an .npz file with X_test and y_test on the machine that builds; random inputs
            without it.
        board: Name of the board, or requirements such as kind=pynq-z2,tag=lab.
        conversion: How hls4ml converts the model. Example: {"words": "packed", "reuse_factor": 4}
        toolchain: auto, open (no vendor tools), vivado (any since 2019.1) or vivado-hls.
        advanced: Rehearsal, steps of Vivado HLS, gates and measurement.
    """
    build, limits, measurement = advanced.build, advanced.limits, advanced.measurement
    run_logs.set_up()
    worker_watch.watch()
    building.refuse_bad_input(model, data, conversion)  # as the command line does
    refuse_other_parts(board, conversion.board_kind)
    fits = may_fit(model, conversion)
    pair = choose(toolchain, model, conversion.board_kind, build=build, fits=fits)
    if pair.reason:
        get_run_logger().info("toolchain %s: %s", pair.name, pair.reason)
    require(pair.check(conversion.board_kind), f"toolchain {pair.name}")
    project = convert(model, data, conversion, traced=pair.traced)
    passed = gates.require(gates.after_convert(project, limits))
    synthesis = synthesize(project, pair.name, build)
    passed += gates.require(gates.after_synthesize(synthesis, limits))
    rehearsal = None
    if pair.name == "vivado" if advanced.rehearse is None else advanced.rehearse:
        rehearsal = _rehearse(synthesis, pair.name, model, limits)
    implementation = implement(synthesis, pair.name, limits)
    passed += gates.require(gates.after_implement(implementation, limits))
    packaged = package(implementation, passed, model)
    with judged_if_cut_off(packaged, limits, rehearsal):
        with leased(board, f"measure {model.name}", measurement) as lease:
            deployment = transfer(packaged, lease)
            measured = benchmark(deployment, measurement, lease)
        run = publish(validate(measured, limits), rehearsal)
    gates.require(run.verdict.gates, run)
    return run


def _rehearse(synthesis: Synthesis, toolchain: str, model: Path, limits: GateSettings) -> Verdict:
    """Run the RTL of a synthesis on a twin; raise GateError unless it passes the gates there."""
    if toolchain == "vivado-hls":
        raise InputError(
            "a twin runs the traced core's RTL, and Vivado HLS makes another",
            where="rehearse",
            remedy="leave the dress rehearsal out, or use toolchain vivado",
        )
    judged = validate(dress_rehearsal(implement(synthesis, "open", limits), model), limits)
    get_run_logger().info(
        "dress rehearsal on a twin: %d of %d samples bit-exact, %s cycles a sample",
        judged.bit_exact,
        judged.samples,
        judged.measurement.cycles_per_sample,
    )
    gates.require(judged.gates)
    return judged
