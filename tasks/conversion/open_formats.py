"""Gives hls4ml the formats that a model leaves open, after it has merged layers.

Formats in hls4ml's configuration are given too early: a layer whose result has one is not merged
with the batch normalization or the bias that follows it, and layers that hls4ml makes itself, like
the dense layers of an ONNX graph, have other names there.
"""

from functools import cache
from typing import Any

from tasks.conversion.elements import plain

NAME = "overlayflow_formats"
# Keys in the model's part of hls4ml's configuration, with formats by layer and variable.
CHOSEN, GIVEN = "ChosenFormats", "GivenFormats"
# What a setting for a whole layer sets.
VARIABLES = ("result", "accum", "weight", "bias", "scale")
_INFER = "infer_precision_types"


@cache
def register() -> None:
    """Add a pass to hls4ml that runs before it infers formats."""
    from hls4ml.model.flow.flow import update_flow
    from hls4ml.model.optimizer.optimizer import ModelOptimizerPass, register_pass

    register_pass(NAME, ModelOptimizerPass(NAME, _set_formats))
    update_flow("convert", remove_optimizers=[_INFER])
    update_flow("convert", add_optimizers=[NAME, _INFER])


def _set_formats(graph: Any) -> bool:
    config = graph.config.config["HLSConfig"]["Model"]
    for node in graph.get_layers():
        for variable, text in config.get(CHOSEN, {}).get(node.name, {}).items():
            if _is_open(node, variable):
                _set(node, variable, text)
        for variable, text in config.get(GIVEN, {}).get(node.name, {}).items():
            if f"{variable}_t" in node.types:
                _set(node, variable, text)
    return True  # once is enough


def _is_open(node: Any, variable: str) -> bool:
    """Return whether neither the model nor its configuration decides on a variable's format."""
    from hls4ml.model.types import UnspecifiedPrecisionType

    found = node.types.get(f"{variable}_t")
    if found is None:
        return False
    if isinstance(plain(found.precision), UnspecifiedPrecisionType) or variable == "accum":
        return True
    configured: dict[str, Any] = node.model.config.layer_name_precision
    return (
        variable in node.weights
        and node.get_attr(f"{variable}_quantizer") is None
        and node.get_attr(f"{variable}_precision") is None
        and configured.get(f"{node.name.lower()}_{variable}", "auto") == "auto"
    )


def _set(node: Any, variable: str, text: str) -> None:
    precision = node.model.config.backend.convert_precision_string(text)
    kind = node.types[f"{variable}_t"]
    kind.precision = precision
    if variable in node.weights:
        node.weights[variable].update_precision(precision)
    if variable != "result":
        kind.name = f"{node.name}_{variable}_t"
    # Backends make some layers again, by their names.
    node.model.config.layer_name_precision[f"{node.name.lower()}_{variable}"] = text
