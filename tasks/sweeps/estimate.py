"""Estimate a point's utilisation from the model file alone, in milliseconds, without TensorFlow.

The estimate is only good enough to skip points that cannot fit. It assumes that constant weights
of an unrolled core become shifted additions, one for each non-zero digit, and that the toolchain
shares common sums; that a folded core has as many multipliers as the clocks of a sample leave it.
A sweep's results show the estimate beside the actual utilisation.
"""

import io
import json
import math
import re
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from board.kinds import board_kinds
from tasks.core.records.base import Record
from tasks.core.records.settings import ConvertSettings

FloatArray = npt.NDArray[np.float64]

DEFAULT_PRECISION = (16, 6)  # hls4ml's default
# Share of additions left after common sums are shared; fitted to designs of toolchain `open`
# (docs/sweeps.md lists them).
SHARED = 0.65
# The AXI4-Stream shell, including its counters.
SHELL_LUT = 400
LUT_PER_ADDED_BIT = 1.0
# Of folded cores, as Yosys counts them: queues, control and lanes of a layer; the sum behind each
# multiplier; a multiplier of LUTs, for each bit of one factor and bit of the other.
LUT_OF_FOLDED_LAYER = 400
LUT_OF_SUM = 24
LUT_OF_BIT_PRODUCT = 1.55
DSP_SHARE = 0.75
# Vivado HLS uses a DSP for products of at least this many bits, and LUTs for smaller ones.
DSP_FROM_BITS = 10
DSP_BITS = 18


class Estimate(Record):
    """Estimated LUTs and DSPs of a point's design, including the stream shell."""

    lut: int
    dsp: int


class Weights(NamedTuple):
    """The kernel of a layer.

    Attributes:
        layer: the layer's name.
        kernel: the weights, fan-in first, outputs last.
        fraction: fraction bits of each weight; None if the file does not say.
        input_bits: mean width of the layer's inputs; None if the file does not say.
        positions: number of times the kernel is applied to a sample.
    """

    layer: str
    kernel: FloatArray
    fraction: FloatArray | None
    input_bits: float | None
    positions: int


def estimate(model: Path, settings: ConvertSettings, toolchain: str) -> Estimate | None:
    """Estimate a point's utilisation; return None if the model file cannot be read this way.

    Args:
        model: a .keras file.
        settings: settings of the conversion.
        toolchain: the toolchain that builds the point.
    """
    try:
        layers, size = _weights(model, model.stat().st_mtime_ns)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return None
    if toolchain == "vivado-hls":
        return _whole([_multiplied(layer, settings) for layer in layers])
    cores = {
        "unrolled": _whole([_distributed(layer, settings) for layer in layers]),
        "folded": _folded(layers, size, settings),
    }
    return cores.get(settings.core) or min(cores.values(), key=lambda each: each.lut)


def may_fit(model: Path, settings: ConvertSettings) -> bool:
    """Return whether a traced core is expected to fit the part; True where that is not known.

    The estimate is of an unrolled core: a folded one takes far less.
    """
    if settings.core != "unrolled":
        return True
    found = estimate(model, settings, "open")
    kind = board_kinds().get(settings.board_kind)
    return found is None or kind is None or found.lut <= kind.resources.lut


def _whole(by_layer: list[tuple[int, int]]) -> Estimate:
    """Return the estimate of a design of these layers, with the shell."""
    lut = SHELL_LUT + sum(lut for lut, _ in by_layer)
    return Estimate(lut=lut, dsp=sum(dsp for _, dsp in by_layer))


def _folded(layers: list[Weights], size: int, settings: ConvertSettings) -> Estimate:
    """Return the estimate of multipliers that are shared over the clocks of a sample.

    Products go into DSP blocks as long as there are any.
    """
    words = [size, layers[-1].kernel.shape[-1]] if layers else [size]
    if settings.words == "packed" and layers:
        words = [math.ceil(count / _per_word(_format(layers[0], settings)[0])) for count in words]
    interval = max(settings.interval_cycles, *words)
    kind = board_kinds().get(settings.board_kind)
    free = int(kind.resources.dsp * DSP_SHARE) if kind else 0
    by_layer = []
    for layer in sorted(layers, key=lambda each: -_format(each, settings)[0]):
        width, _ = _format(layer, settings)
        reuse = settings.layer_reuse_factor.get(layer.layer, settings.reuse_factor)
        clocks = reuse * layer.positions if reuse > 1 else interval
        multipliers = math.ceil(layer.kernel.size * layer.positions / clocks)
        dsp = min(multipliers, free)
        free -= dsp
        lut = LUT_OF_FOLDED_LAYER + multipliers * LUT_OF_SUM
        by_layer.append((lut + int((multipliers - dsp) * LUT_OF_BIT_PRODUCT * width**2), dsp))
    return _whole(by_layer)


def _per_word(width: float) -> int:
    """Return how many elements of a width share a packed word."""
    return next((32 // bits for bits in (8, 16) if width <= bits), 1)


def _distributed(layer: Weights, settings: ConvertSettings) -> tuple[int, int]:
    """Return LUTs and DSPs of shifted additions; each adder is as wide as its operands' sum."""
    width, fraction = _format(layer, settings)
    digits = signed_digits(np.round(layer.kernel * 2.0**fraction).astype(np.int64))
    outputs = layer.kernel.shape[-1]
    adders = max(0, int(digits.sum()) - outputs) * SHARED
    fan_in = layer.kernel.size / outputs
    bits = width + math.log2(max(2.0, fan_in)) / 2
    return int(adders * bits * LUT_PER_ADDED_BIT) * layer.positions, 0


def _multiplied(layer: Weights, settings: ConvertSettings) -> tuple[int, int]:
    """Return LUTs and DSPs of multipliers, each of which computes `reuse_factor` products."""
    width, _ = _format(layer, settings)
    reuse = settings.layer_reuse_factor.get(layer.layer, settings.reuse_factor)
    products = (
        layer.kernel.size if settings.strategy == "Resource" else np.count_nonzero(layer.kernel)
    )
    once = settings.io_type == "io_stream"
    multipliers = math.ceil(products * (1 if once else layer.positions) / reuse)
    adders = int(multipliers * width)
    if width >= DSP_FROM_BITS:
        return adders, multipliers * math.ceil(width / DSP_BITS)
    return adders + int(multipliers * width * width / 2), 0


def _format(layer: Weights, settings: ConvertSettings) -> tuple[float, FloatArray]:
    """Return the width of a layer's inputs and the fraction bits of its weights."""
    chosen = settings.layer_precision
    text = chosen.get(f"{layer.layer}.weight", chosen.get(layer.layer, settings.precision))
    width, integer = _precision(text)
    if layer.fraction is not None and layer.input_bits is not None:
        return layer.input_bits, layer.fraction
    return float(width), np.array(float(width - integer))


def _precision(text: str) -> tuple[int, int]:
    found = re.search(r"<\s*(\d+)\s*,\s*(-?\d+)", text)
    return (int(found[1]), int(found[2])) if found else DEFAULT_PRECISION


def signed_digits(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the number of non-zero digits in the canonical signed-digit form of each value."""
    magnitude = np.abs(values)
    return np.asarray(np.bitwise_count(magnitude ^ (3 * magnitude)), dtype=np.int64)


@lru_cache(maxsize=64)
def _weights(model: Path, _changed_ns: int) -> tuple[list[Weights], int]:
    """Return the layers with weights, and the elements of a sample."""
    with zipfile.ZipFile(model) as archive:
        config = json.loads(archive.read("config.json"))["config"]
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
            layers = list(_layers(config["layers"], file["layers"]))
    shapes = [each["config"]["batch_shape"] for each in config["layers"]
              if each["class_name"] == "InputLayer"]  # fmt: skip
    return layers, math.prod(shapes[0][1:])


def _layers(configs: list[dict[str, Any]], groups: Any) -> Any:
    """Yield the weights of each layer; the file's groups number layers by class."""
    seen: dict[str, int] = {}
    extent: tuple[int, ...] = ()
    for each in configs:
        config = each["config"]
        if each["class_name"] == "InputLayer":
            extent = tuple(config["batch_shape"][1:-1])
            continue
        # As Keras names the groups: conv2d, max_pooling2d, q_dense.
        kind = re.sub(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", each["class_name"]).lower()
        number = seen.get(kind, 0)
        seen[kind] = number + 1
        group = groups.get(f"{kind}_{number}" if number else kind)
        extent = _extent(extent, config)
        if group is None or "vars/0" not in group or group["vars/0"].ndim < 2:  # noqa: PLR2004
            continue
        yield _layer(config["name"], group, math.prod(extent) if "kernel_size" in config else 1)


def _layer(name: str, group: Any, positions: int) -> Weights:
    kernel = np.asarray(group["vars/0"], dtype=np.float64)
    fraction, input_bits = None, None
    if "kq/quantizer/vars" in group:  # HGQ2 stores the widths beside the weights
        bits, integer = (np.asarray(group[f"kq/quantizer/vars/{n}"], float) for n in (0, 1))
        fraction = np.round(bits) - np.round(integer)
        inputs = group["iq/quantizer/vars"]
        input_bits = float(
            np.mean(np.maximum(0, np.round(inputs["0"]) + np.round(inputs["2"]) + inputs["1"]))
        )
    return Weights(name, kernel, fraction, input_bits, positions)


def _extent(extent: tuple[int, ...], config: dict[str, Any]) -> tuple[int, ...]:
    """Return rows and columns after a convolution or pooling; other layers keep them."""
    size = config.get("kernel_size") or config.get("pool_size")
    if not size or len(size) != len(extent):
        return extent
    strides = config.get("strides") or size
    lost = [0 if config.get("padding") == "same" else each - 1 for each in size]
    return tuple(
        -(-(old - less) // step) for old, less, step in zip(extent, lost, strides, strict=True)
    )
