"""Refuses converted models that hls4ml would compute wrongly, or otherwise than was asked for."""

from typing import Any

import numpy as np

from tasks.conversion.elements import plain
from tasks.conversion.modelfile import GARNET
from tasks.core.errors import InputError, UnsupportedModelError
from tasks.core.records.settings import ConvertSettings

INPUTS = ("Input", "InputLayer")
RECURRENT = ("sigmoid", "tanh", "relu")  # activations of LSTM and GRU


def check(graph: Any, settings: ConvertSettings) -> None:
    """Check a converted model against hls4ml's C++ and against the settings.

    Args:
        graph: hls4ml's ModelGraph.
        settings: with which it was converted.

    Raises:
        InputError: a setting is without effect.
        UnsupportedModelError: hls4ml converts a layer, but has no right C++ for it; or nothing is
            left to compute.
    """
    if all(layer.class_name in INPUTS for layer in graph.get_layers()):
        raise UnsupportedModelError(
            "the model computes nothing: it has no layers between its inputs and outputs",
            remedy="save the model that was trained",
        )
    _check_powers(graph)
    _check_recurrent(graph)
    _check_graph_layers(graph, settings)
    _check_precisions(graph, settings)


def _check_powers(graph: Any) -> None:
    """hls4ml's C++ takes powers of two as weights, and does not compile with such biases."""
    from hls4ml.model.types import ExponentPrecisionType

    for layer in graph.get_layers():
        bias = layer.weights.get("bias")
        if bias is not None and isinstance(bias.type.precision, ExponentPrecisionType):
            raise UnsupportedModelError(
                f"layer {layer.name} has biases that are powers of two, which hls4ml has not",
                remedy="quantize them with quantized_bits",
            )
        weight = layer.weights.get("weight")
        if weight is None or not isinstance(weight.type.precision, ExponentPrecisionType):
            continue
        exponents = np.log2(np.abs(weight.data))
        most = 1 << weight.type.precision.width - 1
        if exponents.min() < -most or exponents.max() >= most:
            raise UnsupportedModelError(
                f"layer {layer.name} has weights of 2^{exponents.min():g} to "
                f"2^{exponents.max():g}, and hls4ml keeps exponents from {-most} to {most - 1}",
                remedy="give quantized_po2 more bits, or no quadratic_approximation",
            )


def _check_recurrent(graph: Any) -> None:
    """Refuse recurrent layers that hls4ml converts, but has no C++ for."""
    for layer in graph.get_layers():
        if layer.class_name == "SimpleRNN":
            raise UnsupportedModelError(
                f"layer {layer.name} is a SimpleRNN, which hls4ml has no C++ for",
                remedy="save it with Keras 3, of which it is unrolled here, or use GRU or LSTM",
            )
        if layer.class_name not in {"LSTM", "GRU"}:
            continue
        for name in ("activation", "recurrent_activation"):
            found = layer.get_attr(name)
            if found not in RECURRENT:
                raise UnsupportedModelError(
                    f"layer {layer.name} ({layer.class_name}) has the {name} {found}, and hls4ml "
                    f"only has {', '.join(RECURRENT)} there",
                    remedy=f"train it with one of them; {name}='sigmoid' is near hard_sigmoid",
                )
        if layer.get_attr("apply_reset_gate") == "before":
            raise UnsupportedModelError(
                f"layer {layer.name} (GRU) resets its state before the product, hls4ml behind it",
                remedy="train it with reset_after=True",
            )


def _check_graph_layers(graph: Any, settings: ConvertSettings) -> None:
    """Refuse streams for GarNet: hls4ml's C++ takes arrays, and does not compile with them."""
    for layer in graph.get_layers():
        if layer.class_name in GARNET and settings.io_type == "io_stream":
            raise InputError(
                f"layer {layer.name} ({layer.class_name}) reads its vertices in any order, which "
                "hls4ml has not for io_stream",
                where="io_type",
                remedy="use --io-type io_parallel",
            )


def _check_precisions(graph: Any, settings: ConvertSettings) -> None:
    """Refuse precisions that the converted graph does not have, because hls4ml ignored them."""
    backend = graph.config.backend
    layers = {layer.name: layer for layer in graph.get_layers()}
    if settings.precision != "auto":
        asked = backend.convert_precision_string(settings.precision)
        types = (each for layer in layers.values() for each in layer.types.values())
        if all(plain(each.precision) != asked for each in types):
            raise InputError(
                "has no effect: all layers of the model have number formats of their own",
                where=f"precision {settings.precision}",
                remedy="remove the setting; a quantised model is trained for its formats",
            )
    for name, text in settings.layer_precision.items():
        layer_name, _, variable = name.partition(".")
        where = f"layer_precision {name}"
        layer = layers.get(layer_name)
        if layer is None:
            raise InputError(
                f"has no effect: hls4ml merges layer {layer_name!r} into another one",
                where=where,
                remedy=f"give the precision to one of {', '.join(layers)}",
            )
        variables = _variables(layer)
        if variable and variable not in variables:
            raise InputError(
                f"layer {layer_name!r} has no {variable!r}",
                where=where,
                remedy=f"it has {', '.join(variables)}",
            )
        if text == "auto":
            continue
        asked = backend.convert_precision_string(text)
        found = plain(layer.types[f"{variable or 'result'}_t"].precision)
        if found != asked:
            raise InputError(
                f"has no effect: the converted layer has {found}",
                where=where,
                remedy="the model itself, or a layer that hls4ml merges into this one, decides; "
                "remove the setting",
            )


def _variables(layer: Any) -> list[str]:
    """Return what a layer has formats of: hls4ml also keeps those that it never uses."""
    from hls4ml.model.attributes import TypeAttribute

    known = {each.name for each in layer.expected_attributes if isinstance(each, TypeAttribute)}
    if layer.class_name == "Softmax":
        known.add("inp_norm_t")  # used, but not declared
    return [name.removesuffix("_t") for name in layer.types if name in known]
