"""Corrects what hls4ml 1.3 writes wrongly, each in the graph or the file where it lies."""

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.conversion.elements import plain
from tasks.core.errors import UnsupportedModelError


@contextlib.contextmanager
def thresholds_kept() -> Iterator[dict[str, NDArray[np.floating]]]:
    """Keep the thresholds of normalized binary activations, by layer, before hls4ml rounds them.

    Raises:
        UnsupportedModelError: a layer has negative factors, whose comparison hls4ml does not turn.
    """
    from hls4ml.backends.fpga.fpga_layers import BatchNormalizationQuantizedTanh as Normalized

    kept: dict[str, NDArray[np.floating]] = {}
    rounding = Normalized.set_thresholds

    def keep(node: Any, scale: Any, bias: Any, *more: Any) -> None:
        if (np.asarray(scale) <= 0).any():
            raise UnsupportedModelError(
                f"layer {node.name.removeprefix('bnbt_')} (BatchNormalization) has factors below 0 "
                "in front of a sign, which hls4ml converts as if they were above",
                remedy="train it with the constraint gamma_constraint='non_neg'",
            )
        kept[node.name] = -np.asarray(bias) / np.asarray(scale)
        rounding(node, scale, bias, *more)

    Normalized.set_thresholds = keep
    try:
        yield kept
    finally:
        Normalized.set_thresholds = rounding


def correct_thresholds(graph: Any, exact: Mapping[str, NDArray[np.floating]]) -> None:
    """Round thresholds of x >= threshold up; hls4ml 1.3 rounds them down, to whole numbers in sums.

    Those of ternary activations are right: they are compared by > and <=.
    """
    for layer in graph.get_layers():
        if layer.name in exact and layer.get_attr("quantize") == len(("-1", "1")):
            precision = plain(layer.get_input_variable().type.precision)
            step = 2.0**-precision.fractional
            layer.weights["threshold"].data = np.ceil(exact[layer.name] / step) * step


def correct_lstm(header: Path) -> None:
    """Give two products the types of their operands.

    hls4ml 1.3 never calls this function, but compiles it, which fails unless the LSTM's input, sums
    and outputs have one type.
    """
    text = header.read_text()
    for arguments, types in (
        ("mult_config1>(data, tmpres,", "data_T, typename CONFIG_T::accum_t"),
        ("mult_config2>(h_newstate, tmpres_state,", "res_T, typename CONFIG_T::accum_t"),
    ):
        call = "nnet::dense<{}, typename CONFIG_T::" + arguments
        text = text.replace(call.format("data_T, res_T"), call.format(types))
    header.write_text(text)


def unswap_stream_widths(project_tcl: Path) -> None:
    """Correct the two stream widths, which hls4ml 1.3 swaps."""
    text = project_tcl.read_text()
    swapped = {"output": "input", "input": "output"}
    project_tcl.write_text(
        re.sub(
            r"set bit_width_hls_(output|input) ",
            lambda match: f"set bit_width_hls_{swapped[match[1]]} ",
            text,
        )
    )
