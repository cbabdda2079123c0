"""overlayflow run: take a model all the way to numbers measured on a board."""

import contextlib
from argparse import (
    ArgumentParser,
    BooleanOptionalAction,
    Namespace,
    _ArgumentGroup,
    _SubParsersAction,
)
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from deployments.cli import bar
from deployments.cli.output import add_output, duration, print_json, print_table

if TYPE_CHECKING:
    from prefect import Flow

    from tasks.core.errors import GateError
    from tasks.core.records.measurement import Run
    from tasks.core.records.settings import BuildSettings, ConvertSettings

P = ParamSpec("P")
R = TypeVar("R")
LOCAL_UI = "http://127.0.0.1:4200"


def add(commands: "_SubParsersAction[ArgumentParser]") -> None:
    """Add the arguments of the flow deploy_model."""
    parser = commands.add_parser(
        "run",
        help="convert, synthesize, implement, package, deploy and measure a model",
        description="Runs the flow deploy_model on this machine: turns a model into an overlay "
        "and measures it on a board. Steps whose inputs have not changed are taken from "
        "the store.",
        epilog="Example: overlayflow run examples/digits/digits.keras "
        "--data examples/digits/digits.npz --board twin",
    )
    add_model(parser)
    parser.add_argument(
        "--board",
        default="twin",
        help="board to measure on, or kind=...,tag=... (default: %(default)s)",
    )
    parser.add_argument(
        "--toolchain",
        default="auto",
        metavar="NAME",
        help="auto, or a toolchain that `overlayflow doctor` lists; open needs no vendor tools "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--rehearse",
        action=BooleanOptionalAction,
        help="run the RTL on a twin before Vivado starts (default: with toolchain vivado)",
    )
    add_conversion(parser)
    _add_vivado_hls(parser)
    add_gates(parser)
    add_output(parser)
    parser.set_defaults(run=run)


def add_model(parser: ArgumentParser) -> None:
    """Add the model, and the data that belong to it."""
    parser.add_argument("model", type=Path, help="model file: docs/models.md lists the kinds")
    parser.add_argument(
        "--framework",
        choices=("auto", "keras", "keras2", "qkeras", "onnx", "pytorch"),
        default="auto",
        help="framework of the model (default: %(default)s, by the file)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        help=".npz with X_test and y_test, X_test.npy beside y_test.npy, .csv or .parquet "
        "(default: random inputs, no accuracy)",
    )
    parser.add_argument(
        "--target", default="", metavar="COLUMN", help="expected classes or values in a table"
    )


def add_conversion(parser: ArgumentParser) -> None:
    """Add the options of the conversion, and of the core made from it."""
    hls = parser.add_argument_group("conversion, in hls4ml's terms")
    hls.add_argument(
        "--board-kind", default="pynq-z2", help="board kind to build for (default: %(default)s)"
    )
    hls.add_argument(
        "--project-name",
        help="name of the top function (default: the model file's name, behind model_ if a layer "
        "or C++ has it)",
    )
    hls.add_argument(
        "--precision",
        default="auto",
        help="precision of layers that the model does not quantise, e.g. 'fixed<16,6>' "
        "(default: %(default)s)",
    )
    hls.add_argument(
        "--layer-precision", action="append", default=[], metavar="LAYER=PRECISION",
        help="precision of one layer; may be repeated",
    )  # fmt: skip
    hls.add_argument(
        "--reuse-factor",
        type=int,
        default=1,
        help="multiplications per multiplier (default: %(default)s, fully parallel)",
    )
    hls.add_argument(
        "--layer-reuse-factor", action="append", default=[], metavar="LAYER=N",
        help="reuse factor of one layer; may be repeated",
    )  # fmt: skip
    hls.add_argument(
        "--strategy",
        choices=("Latency", "Resource"),
        default="Latency",
        help="implementation strategy (default: %(default)s)",
    )
    hls.add_argument(
        "--io-type",
        choices=("io_parallel", "io_stream"),
        default="io_parallel",
        help="how tensors pass between layers (default: %(default)s)",
    )
    hls.add_argument(
        "--clock-period",
        type=float,
        default=10.0,
        metavar="NS",
        help="period of the fabric clock in ns (default: %(default)s)",
    )
    _add_core(hls)


def _add_core(hls: _ArgumentGroup) -> None:
    """Add the options of the stream, and of the core between its ends."""
    hls.add_argument(
        "--words", choices=("float32", "packed"), default="float32",
        help="content of a stream word: one float32, as sent by hls4ml's own driver, or several "
        "fixed-point elements (default: %(default)s)",
    )  # fmt: skip
    hls.add_argument(
        "--core", choices=("auto", "unrolled", "folded"), default="auto",
        help="unrolled takes a sample in every clock, folded takes elements as they come and "
        "shares multipliers, auto is the smaller one that keeps the stream's rate, by estimate "
        "(default: %(default)s)",
    )  # fmt: skip
    hls.add_argument(
        "--interval", type=int, default=0, metavar="CLOCKS",
        help="clocks per sample that a folded core may take (default: the words of a sample)",
    )  # fmt: skip


def _add_vivado_hls(parser: ArgumentParser) -> None:
    """Add the optional steps of toolchain vivado-hls."""
    vivado = parser.add_argument_group("toolchain vivado-hls, in hls4ml's terms")
    vivado.add_argument(
        "--csim", action="store_true", help="also run Vivado HLS's own C simulation"
    )
    vivado.add_argument(
        "--cosim", action="store_true", help="simulate the RTL and compare it with the C simulation"
    )
    vivado.add_argument(
        "--fifo-opt", action="store_true", help="record how full the FIFOs get; requires --cosim"
    )


def named(flow: "Flow[P, R]", name: str | None) -> "Flow[P, R]":
    """Return a flow whose run has this name, if one is given."""
    return flow if name is None else flow.with_options(flow_run_name=lambda: name)


def add_gates(parser: ArgumentParser) -> None:
    """Add --name, --gates and --wait, for every command that ends with a verdict."""
    parser.add_argument(
        "--name", help="name of the run (default: model, board, and what differs from the defaults)"
    )
    parser.add_argument(
        "--wait", type=duration, default=3600.0, metavar="TIME",
        help="how long to wait for a board leased to somebody else: 90s, 30m, 2h, 1d (default: 1h)",
    )  # fmt: skip
    parser.add_argument(
        "--gates", choices=("fail", "warn"), default="fail",
        help="whether a failed gate fails the run or only warns (default: %(default)s)",
    )  # fmt: skip


def run(arguments: Namespace) -> int:
    """Check the input within a second, then run the flow."""
    settings = settings_of(arguments)
    with bar.shown(quiet=arguments.quiet) as shown:
        _refuse_bad_input(arguments, settings)
        from deployments.prefect_server import prefect_server

        with prefect_server():
            check_boards([arguments.board])
            from tasks.orchestration import progress

            with progress.watched(shown.show) if shown else contextlib.nullcontext():
                outcome, failure = measured(lambda: _run_flow(arguments, settings))
    show(outcome, as_json=arguments.json)
    if failure is not None:
        raise failure
    return 0


def measured(flow: Callable[[], "Run"]) -> "tuple[Run, GateError | None]":
    """Return the run of a flow, and the failed gate that ended it after it was published."""
    from tasks.core.errors import GateError
    from tasks.core.records.measurement import Run

    try:
        return flow(), None
    except GateError as error:
        if not isinstance(error.run, Run):
            raise
        return error.run, error


def _run_flow(arguments: Namespace, settings: "ConvertSettings") -> "Run":
    from flows.deploy import DeployAdvanced, deploy_model
    from tasks.core.records.settings import MeasureSettings
    from tasks.quality.gates import GateSettings

    return named(deploy_model, arguments.name)(
        model=arguments.model.absolute(),
        data=arguments.data and arguments.data.absolute(),
        board=arguments.board,
        conversion=settings,
        toolchain=arguments.toolchain,
        advanced=DeployAdvanced(
            rehearse=arguments.rehearse,
            build=_build(arguments),
            limits=GateSettings(mode=arguments.gates),
            measurement=MeasureSettings(wait_s=arguments.wait),
        ),
    )


def settings_of(arguments: Namespace) -> "ConvertSettings":
    """Return the settings of the conversion.

    Raises:
        InputError: an argument that cannot be one.
    """
    from pydantic import ValidationError

    from tasks.conversion.names import project_name
    from tasks.core.errors import InputError
    from tasks.core.records.settings import ConvertSettings

    try:
        return ConvertSettings(
            board_kind=arguments.board_kind,
            project_name=arguments.project_name or project_name(arguments.model),
            precision=arguments.precision,
            layer_precision=dict(_pairs(arguments.layer_precision)),
            reuse_factor=arguments.reuse_factor,
            layer_reuse_factor={
                layer: int(text) for layer, text in _pairs(arguments.layer_reuse_factor)
            },
            strategy=arguments.strategy,
            io_type=arguments.io_type,
            clock_period_ns=arguments.clock_period,
            framework=arguments.framework,
            target=arguments.target,
            words=arguments.words,
            core=arguments.core,
            interval_cycles=arguments.interval,
        )
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise InputError(f"{first['msg']} (got {first['input']!r})", where=name) from error
    except ValueError as error:
        raise InputError(str(error), where="arguments") from error


def _build(arguments: Namespace) -> "BuildSettings":
    from tasks.core.records.settings import BuildSettings

    return BuildSettings(csim=arguments.csim, cosim=arguments.cosim, fifo_opt=arguments.fifo_opt)


def _pairs(texts: Sequence[str]) -> list[tuple[str, str]]:
    pairs = [text.partition("=") for text in texts]
    for layer, equals, value in pairs:
        if not (layer and equals and value):
            raise ValueError(f"{layer!r} is not of the form LAYER=VALUE")
    return [(layer, value) for layer, _, value in pairs]


def _refuse_bad_input(arguments: Namespace, settings: "ConvertSettings") -> None:
    """Check the input before Prefect starts, which takes up to 20 s."""
    from tasks.steps import building
    from tasks.toolchains.choice import choose

    building.refuse_bad_input(arguments.model, arguments.data, settings)
    choose(arguments.toolchain, arguments.model, settings.board_kind, build=_build(arguments))


def check_boards(names: Sequence[str]) -> None:
    """Check that there are boards of these names or that meet these requirements.

    Raises:
        BoardError: there is none.
    """
    from tasks.boards import twins

    for name in names:
        if twins.twin_address(name) is None:
            from tasks.orchestration import board_block

            board_block.matching(name)


def show(outcome: "Run", *, as_json: bool) -> None:
    """Print a run's figures as a table, or its record as JSON."""
    if as_json:
        print_json(outcome)
        return
    from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL

    from tasks.orchestration.caching import open_store
    from tasks.packaging.archive import PACKAGE_FILE
    from tasks.reporting import figures

    package = outcome.verdict.measurement.deployment.package
    failed = [
        (f"gate: {gate.name}", f"{figures.result(gate)}: {gate.message}")
        for gate in figures.ordered(outcome.verdict.gates)
        if not gate.passed
    ]
    rows = [*figures.rows(outcome.verdict), *failed]
    print_table(outcome.flow_run_name, ("figure", "value"), rows)
    print(f"package:     {open_store().files(package.entry) / PACKAGE_FILE}")
    print(f"results:     {outcome.verdict.measurement.directory}")
    page = f"{PREFECT_UI_URL.value() or LOCAL_UI}/runs/flow-run/{outcome.flow_run_id}"
    # Without a permanent server, the run used a temporary one, whose database is kept.
    start = "" if PREFECT_API_URL.value() else "prefect server start, then open "
    print(f"Prefect UI:  {start}{page}")
    print(f"report:      overlayflow report {outcome.flow_run_id[:8]}")
