"""Converts a model: cheap checks in the flow's process, the rest in a child process."""

import logging
import re
import tempfile
from pathlib import Path

from board.kinds import board_kinds
from tasks.conversion import keras_text, names
from tasks.conversion.child import ConvertRequest
from tasks.conversion.frontends import choice
from tasks.conversion.modelfile import ModelFile
from tasks.core.errors import InputError, near
from tasks.core.records.design import HlsProject
from tasks.core.records.precision import canonical
from tasks.core.records.settings import ConvertSettings
from tasks.core.requirements import may_run
from tasks.hardware.clocks import check_clock
from tasks.processes.child import run_child

log = logging.getLogger(__name__)

DEADLINE_S = 3600.0
# What hls4ml has formats of, in all of its layers together.
VARIABLES = (
    *("result", "accum", "weight", "bias", "scale", "table", "exp_table", "inv_table", "inv_inp"),
    *("inp_norm", "depthwise", "depthwise_accum", "depthwise_result", "pointwise"),
    *("pointwise_accum", "recurrent_weight", "recurrent_bias", "embeddings", "param", "shift"),
    *("slope", "forward_weight", "forward_bias", "forward_recurrent_weight"),
    *("forward_recurrent_bias", "backward_weight", "backward_bias", "backward_recurrent_weight"),
    *("backward_recurrent_bias",),
)
JOINED = ("inputs", "outputs")  # the layers that join several of a model
NOTE = "NOTE: "  # the child's prefix of what our modules log
# As hls4ml prints them, and as Python does: <file>:<line>: UserWarning: <text>.
WARNING = re.compile(
    r"\s*(?:(?!.*/tf_keras/).*\.py:\d+: )?"
    r"(?P<told>(?i:warn|warning|error|userwarning)[:!](?!.*absl::InitializeLog).*)"
)


def check_settings(settings: ConvertSettings) -> None:
    """Refuse settings that no conversion can use.

    Raises:
        InputError: unknown board kind, a project name that is not an identifier, an interval for
            an unrolled core, or a clock that the board cannot generate.
    """
    if settings.board_kind not in board_kinds():
        raise InputError(
            f"unknown board kind {settings.board_kind!r}{near(settings.board_kind, board_kinds())}",
            where="board_kind",
            remedy=f"one of {', '.join(board_kinds())}; a new one is an entry of board/kinds.toml",
        )
    if settings.project_name:
        _check_project_name(settings.project_name)
    _check_precisions(settings)
    if settings.interval_cycles and settings.core == "unrolled":
        raise InputError(
            "an unrolled core takes a sample in every clock, whatever interval is asked for",
            where="interval_cycles",
            remedy="leave it out, or set core to folded or auto",
        )
    check_clock(board_kinds()[settings.board_kind].processing_system, settings.clock_period_ns)


def _check_project_name(name: str) -> None:
    if not names.IDENTIFIER.fullmatch(name):
        raise InputError(
            f"project name {name!r} is not an identifier",
            where="project_name",
            remedy="use a letter, then up to 62 letters, digits and underscores",
        )
    if not names.is_free(name):
        raise InputError(
            f"project name {name!r} has another meaning in C++ or hls4ml",
            where="project_name",
            remedy=f"take another one, for instance model_{name}",
        )


def _check_precisions(settings: ConvertSettings) -> None:
    by_layer = {f"layer_precision.{name}": text for name, text in settings.layer_precision.items()}
    for where, text in {"precision": settings.precision, **by_layer}.items():
        if canonical(text) is None:
            raise InputError(
                f"{text!r} is not a fixed-point precision",
                where=where,
                remedy="write it like 'fixed<16,6>', 'ufixed<8,0,RND,SAT>' or auto; in quotes, "
                "as commas and angle brackets mean something to YAML and shells",
            )
    for name in settings.layer_precision:
        variable = name.partition(".")[2]
        if variable and variable not in VARIABLES:
            raise InputError(
                f"no layer of hls4ml has a {variable!r}{near(variable, VARIABLES)}",
                where=f"layer_precision.{name}",
                remedy=f"one of {', '.join(VARIABLES)}",
            )


def check_layers(settings: ConvertSettings, model: ModelFile) -> None:
    """Refuse settings of layers that a Keras model has not, before any framework is loaded.

    The child checks exactly, against what hls4ml made of the model: hls4ml adds layers, which it
    names after the model's.

    Raises:
        InputError: a setting of an unknown layer.
    """
    layers = keras_text.layers(model.files[0])
    if not layers:
        return
    given = (("layer_precision", settings.layer_precision),
             ("layer_reuse_factor", settings.layer_reuse_factor))  # fmt: skip
    for setting, by_layer in given:
        for name in by_layer:
            layer = name.partition(".")[0]
            known = (*layers, *JOINED)
            if not any(layer == each or layer.startswith(f"{each}_") for each in known):
                raise InputError(
                    f"the model has no layer {layer!r}{near(layer, layers)}",
                    where=f"{setting}.{name}",
                    remedy=f"its layers are {', '.join(layers)}",
                )


def run_conversion(
    request: ConvertRequest, model: ModelFile, module: str = "tasks.conversion.child"
) -> HlsProject:
    """Convert in a child process, the only one that imports the framework.

    Args:
        request: for the child.
        model: the identified `request.model`.
        module: the child's.

    Raises:
        InputError: model, data or settings cannot be used, or the C simulation could not run here.
        ToolError: the child crashed.
    """
    may = may_run(request.out, Path(tempfile.gettempdir()))
    if not may.ok:
        raise InputError(may.detail, where="C simulation", remedy=may.remedy)
    return run_child(
        module,
        request,
        HlsProject,
        cwd=request.out,
        log=request.out / "convert.log",
        step="convert",
        deadline_s=DEADLINE_S,
        packages=choice.packages(model),
        on_line=_show,
    )


def _show(line: str) -> None:
    """Log our notes and hls4ml's warnings, and drop the rest of the child's output."""
    if line.startswith(NOTE):
        log.info("%s", line.removeprefix(NOTE).strip())
    elif found := WARNING.match(line):
        log.warning("hls4ml: %s", found["told"].strip())
