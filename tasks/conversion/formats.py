"""Chooses number formats for layers that leave them open, no wider than data and tables need.

hls4ml infers the formats of sums from those of their terms, and uses fixed<16,6> for every other
open format: sums grow from layer to layer until a softmax table only sees their top bits, and other
values wrap beyond 32. Here, the framework's outputs on test samples give the range of each layer's
values, and the layers that read them give the resolution.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.conversion.modelfile import GARNET

Array = npt.NDArray[np.float64]
# By layer: its part of hls4ml's configuration.
Chosen = dict[str, dict[str, Any]]

# Bits by which rounding noise stays below the spread of a layer's output: 0.2 % per source.
_BITS = 9
# Before a comparison, after which nothing but a sign is left: noise turns one in thousands.
_BITS_OF_SIGNS = 13
_SIGNS = "BatchNormalizationQuantizedTanh"
_UNIFORM = math.sqrt(12)  # ratio of a step to the standard deviation of its rounding error
_MARGIN = 1.25  # samples outside the test set may reach further
_WIDEST, _WIDEST_INPUT = 24, 32
_TABLE_BITS = 6  # log2 of the steps per standard deviation of a table's input
_SMALLEST_TABLE, _LARGEST_TABLE = 1024, 8192
# Span of the inputs that hls4ml tabulates.
_SPANS = {"sigmoid": 16, "softplus": 16, "softsign": 16, "tanh": 8}
# Of these, the functions whose values still change there.
_UNLIMITED = ("softplus", "softsign")
_LINEAR = ("Dense", "Conv1D", "Conv2D", "PointwiseConv1D", "PointwiseConv2D")
_DEPTHWISE = ("DepthwiseConv1D", "DepthwiseConv2D")
_SCALED = ("BatchNormalization", "ApplyAlpha")
# Layers that pass on their input's values; hls4ml gives them their input's format.
_PASSING = (
    *("Pooling1D", "Pooling2D", "Reshape", "Transpose", "ZeroPadding1D", "ZeroPadding2D"),
    *("Resize", "Clone", "Repack", "Cropping1D", "Cropping2D"),
)
# Their states and sums have formats that their outputs do not show, as those of GARNET.
_RECURRENT = ("LSTM", "GRU", "Bidirectional")
_PIECEWISE = ("relu", "leaky_relu", "leakyrelu", "prelu", "linear")
_EXACT_BITS = 12  # values with at most this many fractional bits are represented exactly


def choose(graph: Any, reference: Mapping[str, Array], *, trained: bool = False) -> Chosen:
    """Return formats for the layers of a converted graph.

    Args:
        graph: hls4ml's ModelGraph, converted with open formats.
        reference: the framework's outputs by layer.
        trained: whether the model's quantizers give the formats: of all but a softmax, whose tables
            no quantizer describes.
    """
    open_layers = [
        node for node in graph.get_layers() if node.class_name == "Softmax" or not trained
    ]
    return {
        node.name: settings
        for node in open_layers
        if (settings := _Layer(graph, node, reference).settings())
    }


def default(reference: Mapping[str, Array]) -> str:
    """Return a format for the remaining open ones, wide enough for the values of every layer."""
    integer = max((_integer_bits(values) for values in reference.values()), default=5)
    return f"fixed<{max(integer, 5) + 11},{max(integer, 5) + 1}>"


def beyond_table(graph: Any, node: Any, reference: Mapping[str, Array]) -> str:
    """Return what helps a layer whose inputs leave hls4ml's table of its function; empty if none.

    No format widens the span of a table. Beyond it, a sigmoid and tanh have reached their limits.

    Args:
        graph: hls4ml's ModelGraph.
        node: a layer of it.
        reference: the framework's outputs by layer.
    """
    return _Layer(graph, node, reference).beyond_table()


class _Layer:
    """One layer of the graph, with its inputs and outputs."""

    def __init__(self, graph: Any, node: Any, reference: Mapping[str, Array]) -> None:
        self.graph = graph
        self.node = node
        self.kind = str(node.class_name)
        self.reference = reference
        self.outputs = reference.get(node.name)

    def settings(self) -> dict[str, Any]:
        precision: dict[str, str] = {}
        settings: dict[str, Any] = {"Precision": precision}
        if self.outputs is None or self.kind in (*_PASSING, *_RECURRENT, *GARNET):
            return {}
        if self.node.get_attr("weight_quantizer") is not None:
            return {}  # hls4ml infers formats in which sums of quantized weights are exact
        if self.kind == "Softmax":
            return self._softmax()
        precision["result"] = self._result()
        if self.kind in (*_LINEAR, *_DEPTHWISE, *_SCALED):
            precision |= dict(self._weights())
        elif self.kind.startswith("GlobalPooling"):
            precision["accum"] = self._sum_of_all()
        elif self.kind == "Activation" and self._activation() not in _PIECEWISE:
            precision["result"] = precision["result"].replace("TRN", "RND")
            settings["table_t"] = precision["result"]
            settings["TableSize"] = self._table_size()
        return settings

    def _result(self) -> str:
        assert self.outputs is not None  # noqa: S101  for mypy; `settings` has asked
        widest = _WIDEST_INPUT if self.kind == "Input" else _WIDEST
        rounding = "RND" if self.kind == "Input" else "TRN"
        return _format(self.outputs, self._step(), rounding, widest=widest, margin=_MARGIN)

    def _step(self) -> float:
        """Return the resolution of this layer's outputs that the following layers need."""
        assert self.outputs is not None  # noqa: S101  as above
        own = _UNIFORM * _spread(self.outputs) * 2.0**-_BITS
        if self._is_compared():
            own *= 2.0 ** (_BITS - _BITS_OF_SIGNS)
        steps = [each.tolerance(own) for each in self._consumers(self.node)]
        return min(steps, default=own / 2)

    def tolerance(self, own: float) -> float:
        """Return the input step that this layer tolerates; `own` if unknown."""
        if self.kind == "Softmax":
            return min(own, 2.0**-7)
        if self.kind == "Activation" and self._activation() in _SPANS:
            return min(own, _SPANS[self._activation()] / self._table_size())
        if self.outputs is None or self.kind not in (*_LINEAR, *_SCALED):
            return own
        name = "scale" if self.kind in _SCALED else "weight"
        gains = self._matrix(name)
        norms = np.abs(gains[0]) if self.kind in _SCALED else np.linalg.norm(gains, axis=0)
        spreads = self._spreads()
        if norms.size != spreads.size or not norms.any():
            return own
        bits = _BITS_OF_SIGNS if self._is_compared() else _BITS
        return float(np.min(spreads[norms > 0] / norms[norms > 0])) * _UNIFORM * 2.0**-bits

    def _is_compared(self) -> bool:
        """Return whether only the sign of this layer's outputs is used, or that of differences."""
        return any(each.kind == _SIGNS for each in self._consumers(self.node))

    def _weights(self) -> Iterator[tuple[str, str]]:
        source = self._source(self.node)
        inputs = self.reference.get(source.name) if source is not None else None
        spread = float(self._spreads().min())
        for name in ("weight", "depthwise", "scale", "bias"):
            if name not in self.node.weights:
                continue
            values = np.asarray(self.node.weights[name].data, dtype=np.float64)
            if not values.any():
                continue
            step = spread * 2.0**-_BITS
            if name != "bias" and inputs is not None:
                # The total rounding error of all weights of a sum.
                terms = 1 if self.kind in _SCALED else self._matrix(name).shape[0]
                power = math.sqrt(terms * float(np.mean(inputs**2))) or 1.0
                step *= _UNIFORM / power
            yield name, _format(values, step, "RND", widest=_WIDEST, margin=1.0)

    def _matrix(self, name: str) -> Array:
        """Return weights as a matrix of terms x sums."""
        values = np.asarray(self.node.weights[name].data, dtype=np.float64)
        if self.kind in _SCALED:
            return values.reshape(1, -1)
        if self.kind in _DEPTHWISE:
            return values.reshape(-1, values.shape[-2] * values.shape[-1])
        return values.reshape(-1, values.shape[-1])

    def _spreads(self) -> Array:
        """Return the spread of each output channel, but at least 1/16 of the widest."""
        assert self.outputs is not None  # noqa: S101  as above
        spreads: Array = self.outputs.reshape(-1, self.outputs.shape[-1]).std(axis=0)
        floor = float(spreads.max()) / 16 or _spread(self.outputs)
        return np.maximum(spreads, floor)

    def _sum_of_all(self) -> str:
        """Return the format of a global average's sum, which loses no bit."""
        source = self._source(self.node)
        if source is None or source.name not in self.reference:
            return "auto"
        inputs = self.reference[source.name]
        count = math.prod(self.node.get_input_variable().shape) // int(self.node.get_attr("n_filt"))
        step = self._step() / 4
        largest = np.array([np.abs(inputs).max() * count])
        integer, fraction = (
            _integer_bits(largest * _MARGIN) + 1,
            max(0, math.ceil(-math.log2(step))),
        )
        return f"fixed<{integer + fraction},{integer}>"

    def _activation(self) -> str:
        return str(self.node.get_attr("activation", "")).lower()

    def _table_size(self) -> int:
        """Return the number of entries that a table needs to resolve its inputs."""
        span = _SPANS.get(self._activation(), 8)
        inputs = self._inputs()
        spread = _spread(inputs) if inputs is not None else 1.0
        size: int = 2 ** math.ceil(math.log2(span / spread) + _TABLE_BITS)
        return min(max(size, _SMALLEST_TABLE), _LARGEST_TABLE)

    def _softmax(self) -> dict[str, Any]:
        """Return formats of hls4ml's stable softmax: exp(x - max), its sum, and the sum's inverse.

        Distances are clipped to 8, or 16 for many classes: beyond that, exponentials are
        negligible relative to the largest, which is 1.
        """
        count = int(self.node.get_attr("n_in"))
        count //= int(self.node.get_attr("n_inner", 1)) * int(self.node.get_attr("n_outer", 1))
        inputs = self._inputs()
        largest = float(count)
        if inputs is not None:
            exponentials = np.exp(inputs - inputs.max(axis=-1, keepdims=True))
            largest = min(largest, _MARGIN * float(exponentials.sum(axis=-1).max()))
        whole = max(1, math.ceil(math.log2(largest)))
        bits = 10 if whole <= 4 else 12  # noqa: PLR2004  of the tables' addresses
        reach = 3 if count <= 16 else 4  # noqa: PLR2004
        every = math.ceil(math.log2(count + 1))
        return {
            "Precision": {
                "result": "ufixed<16,0,RND,SAT>",
                "accum": f"ufixed<{every + 14},{every}>",
            },
            "TableSize": 2**bits,
            "inp_norm_t": f"ufixed<{bits},{reach},RND,SAT>",
            "exp_table_t": "ufixed<15,1,RND,SAT>",
            "inv_inp_t": f"ufixed<{bits},{whole},RND,SAT>",
            "inv_table_t": "ufixed<15,1,RND,SAT>",
        }

    def beyond_table(self) -> str:
        """Return what helps if inputs leave the table; empty if none does."""
        function, inputs = self._activation(), self._inputs()
        if self.kind != "Activation" or function not in _UNLIMITED or inputs is None:
            return ""
        half, furthest = _SPANS[function] // 2, float(np.abs(inputs).max())
        if furthest <= half:
            return ""
        return (
            f"hls4ml computes {function} for inputs from -{half} to {half}, and these reach "
            f"{furthest:.4g}: train with scaled targets, or use relu"
        )

    def _inputs(self) -> Array | None:
        """Return the values of the layer that this one reads."""
        before = self.node.get_input_node()
        return self.reference.get(before.name) if before is not None else None

    def _source(self, node: Any) -> Any:
        """Return the layer that computes a layer's input, skipping those that pass it on."""
        found = node.get_input_node()
        while found is not None and found.class_name in _PASSING:
            found = found.get_input_node()
        return found

    def _consumers(self, node: Any) -> Iterator["_Layer"]:
        """Yield the layers that use a layer's values, skipping those that pass them on."""
        for other in self.graph.get_layers():
            if not set(node.outputs) & set(other.inputs):
                continue
            each = _Layer(self.graph, other, self.reference)
            passing = other.class_name in _PASSING
            if passing or (other.class_name != "Softmax" and each._activation() in _PIECEWISE):
                yield from each._consumers(other)
            else:
                yield each


def _spread(values: Array) -> float:
    """Return the standard deviation; the magnitude for constant values, and 1 for zeros."""
    return float(values.std()) or float(np.abs(values).max()) or 1.0


def _integer_bits(values: Array) -> int:
    """Return the integer bits of the largest magnitude; negative for small ones."""
    largest = float(np.abs(values).max()) if values.size else 0.0
    return math.floor(math.log2(largest)) + 1 if largest > 0 else 0


def _format(values: Array, step: float, rounding: str, *, widest: int, margin: float) -> str:
    """Return a format with the range of the values and at least the resolution `step`."""
    signed = bool((values < 0).any())
    integer = _integer_bits(values * margin) + signed
    fraction = math.ceil(-math.log2(step))
    for exact in range(min(fraction, _EXACT_BITS)):
        if np.array_equal(values * 2.0**exact, np.round(values * 2.0**exact)):
            fraction = exact
            break
    width = min(max(integer + fraction, 2), widest)
    return f"{'' if signed else 'u'}fixed<{width},{integer},{rounding},SAT>"
