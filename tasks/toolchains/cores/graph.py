"""Reads the converted hls4ml graph from the `.fml` file that hls4ml saves.

The file is a tar.gz of JSON and .npy files. hls4ml's own loader is not used, because it looks up
classes by names in the file, and repeats part of the conversion.
"""

import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import InputError, UnsupportedModelError
from tasks.core.records.design import FixedPoint
from tasks.toolchains.cores.formats import MAX_WIDTH, cast_constants

GRAPH_VERSION = "1"
# One bit, in which 0 stands for -1; in C++ it is ap_uint<1>.
BINARY = "XnorPrecisionType"
# Weights of it are powers of two; in C++ they are pairs of sign and exponent.
POWER = "ExponentPrecisionType"


@dataclass(frozen=True)
class Tensor:
    """A tensor between two layers, for one sample.

    Attributes:
        binary: whether 0 stands for -1, as in hls4ml's XnorPrecisionType.
    """

    name: str
    shape: tuple[int, ...]
    format: FixedPoint
    binary: bool = False

    @property
    def size(self) -> int:
        """Elements of the tensor."""
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class Node:
    """One layer of the converted graph.

    Attributes:
        kind: hls4ml's class name, e.g. `Dense`.
        inputs: the tensors it reads.
        output: the tensor it writes.
        attributes: everything else that hls4ml keeps about it, as JSON.
        streaming: whether the project passes tensors as streams (io_stream).
        weights_directory: where hls4ml wrote the weights as text.
        known: weights that were read before: estimates read each a hundred times.
    """

    name: str
    kind: str
    inputs: tuple[Tensor, ...]
    output: Tensor
    attributes: Mapping[str, Any]
    streaming: bool
    weights_directory: Path
    known: dict[str, NDArray[np.float64]] = field(default_factory=dict, init=False, repr=False)

    def integer(self, name: str, default: int | None = None) -> int:
        """Return an integer attribute; hls4ml keeps some of them as text."""
        value = self.attributes.get(name, default)
        if value is None:
            raise self.unsupported(f"has no attribute {name!r}")
        return int(value)

    def format(self, name: str) -> FixedPoint:
        """Return the number format of an attribute such as `accum_t`."""
        if name not in self.attributes:
            raise self.unsupported(f"has no type {name!r}")
        return _number_format(self.attributes[name], where=f"{name} of layer {self.name!r}")

    def precision(self, name: str) -> str:
        """Return the class of hls4ml's precision of an attribute like `weight_t`; empty if none."""
        return _precision(self.attributes[name])[0] if name in self.attributes else ""

    def exponent_bits(self, name: str) -> int:
        """Return the bits of the exponents of weights that are powers of two."""
        return int(_precision(self.attributes[f"{name}_t"])[1]["width"])

    def weights(self, name: str) -> NDArray[np.float64]:
        """Return the weights as the C simulation loads them, flat: hls4ml's text, then cast."""
        if name not in self.known:
            self.known[name] = self._read(name)
            self.known[name].flags.writeable = False
        return self.known[name]

    def weight_format(self, name: str) -> FixedPoint:
        """Return the number format of weights."""
        kind = self.attributes[name]["state"]["type"]
        return _number_format(kind, where=f"weights {name} of layer {self.name!r}")

    def _read(self, name: str) -> NDArray[np.float64]:
        state = self.attributes[name]["state"]
        path = self.weights_directory / f"{state['name']}.txt"
        try:
            text = path.read_text()
            if _precision(state["type"])[0] == POWER:
                return _powers(text)
            values = np.array([float(token) for token in text.split(",")])
        except (OSError, ValueError) as error:
            raise InputError(
                f"the weights cannot be read: {error}",
                where=str(path),
                remedy="run the conversion again",
            ) from error
        where = f"weights {path.stem} of layer {self.name!r}"
        return cast_constants(values, _number_format(state["type"], where=where))

    def unsupported(self, what: str, remedy: str = "") -> UnsupportedModelError:
        """Return an error that names this layer."""
        return UnsupportedModelError(
            f"layer {self.name!r} ({self.kind}) {what}",
            where="toolchain open",
            remedy=remedy or "use toolchain vivado-hls, or replace the layer",
        )


@dataclass(frozen=True, eq=False)
class Graph:
    """The whole converted model: layers in the order in which they can be evaluated.

    Compared by identity, so that estimates for it can be cached.
    """

    nodes: tuple[Node, ...]
    input: Tensor
    output: Tensor


def load_graph(fml: Path, weights_directory: Path) -> Graph:
    """Read a graph that hls4ml has saved.

    Raises:
        InputError: the file is damaged, or of an unknown version.
        UnsupportedModelError: the model has several inputs or outputs, or types without a fixed
            point.
    """
    try:
        with tarfile.open(fml, "r:gz") as archive:
            version = _member(archive, "version.json")
            layers = _member(archive, "model_arch.json")
            state = _member(archive, "graph_state.json")
            config = _member(archive, "config.json")["config"]
    except (OSError, tarfile.TarError, KeyError, ValueError) as error:
        raise InputError(
            f"the saved graph cannot be read: {error}",
            where=str(fml),
            remedy="run the conversion again",
        ) from error
    if version.get("model_graph") != GRAPH_VERSION:
        raise InputError(
            f"the saved graph has version {version.get('model_graph')}, not {GRAPH_VERSION}",
            where=str(fml),
            remedy="use the hls4ml version that overlayflow asks for",
        )
    streaming = config.get("IOType") == "io_stream"
    return _connect(layers, state, streaming=streaming, weights=weights_directory)


def _member(archive: tarfile.TarFile, name: str) -> dict[str, Any]:
    file = archive.extractfile(name)
    if file is None:
        raise KeyError(f"{name} is not a file")
    content: dict[str, Any] = json.load(file)
    return content


def _connect(
    layers: Mapping[str, Any], state: Mapping[str, Any], *, streaming: bool, weights: Path
) -> Graph:
    """Connect each layer with the tensors that it reads."""
    tensors: dict[str, Tensor] = {}
    nodes = []
    for name, entry in layers.items():
        layer = entry["state"]
        kind = entry["class_name"].rsplit(".", 1)[-1]
        outputs = tuple(_tensor(key, layer["attributes"]) for key in layer["outputs"])
        # hls4ml leaves an empty name where a Reshape of ONNX had the shape as an input.
        given = () if kind == "Input" else filter(None, layer["inputs"])
        inputs = tuple(tensors[key] for key in given)
        if kind == "Clone":  # in C++, a stream has one reader; here, a tensor has any number
            tensors.update((tensor.name, inputs[0]) for tensor in outputs)
            continue
        node = Node(name, kind, inputs, outputs[0], layer["attributes"], streaming, weights)
        nodes.append(node)
        tensors[node.output.name] = node.output
    if len(state["inputs"]) != 1 or len(state["outputs"]) != 1:
        raise UnsupportedModelError(
            f"the model has {len(state['inputs'])} inputs and {len(state['outputs'])} outputs",
            where="toolchain open",
            remedy="the accelerator has one input and one output stream: split or join the model",
        )
    return Graph(tuple(nodes), tensors[state["inputs"][0]], tensors[state["outputs"][0]])


def _tensor(key: str, attributes: Mapping[str, Any]) -> Tensor:
    # hls4ml hides an output that has the name of an attribute behind this prefix.
    variable = attributes.get(f"__hls4ml_reserved_out_{key}", attributes.get(key))
    if variable is None:
        raise KeyError(key)
    state = variable["state"]
    shape = tuple(int(extent) for extent in state["shape"])
    number = _number_format(state["type"], where=f"output of layer {key!r}")
    return Tensor(key, shape, number, binary=_precision(state["type"])[0] == BINARY)


def _powers(text: str) -> NDArray[np.float64]:
    """Return weights that hls4ml has written as {sign, exponent}, with a sign of 0 or 1."""
    tokens = text.translate({ord(brace): None for brace in "{}"}).split(",")
    signs, exponents = np.array([float(token) for token in tokens]).reshape(-1, 2).T
    return np.asarray(np.ldexp(2 * signs - 1, exponents.astype(int)), np.float64)


def _precision(named_type: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return the class and the parameters of the precision of hls4ml's NamedType."""
    precision = named_type["state"]["precision"]
    return precision["class_name"].rsplit(".", 1)[-1], precision["state"]


def _number_format(named_type: Mapping[str, Any], *, where: str) -> FixedPoint:
    """Return the format of hls4ml's NamedType."""
    kind, state = _precision(named_type)
    if kind not in ("FixedPrecisionType", "IntegerPrecisionType", BINARY):
        raise UnsupportedModelError(
            f"{where} has a {kind}",
            where="toolchain open",
            remedy="give it a fixed<width, integer> precision",
        )
    if not 1 <= state["width"] <= MAX_WIDTH or state.get("saturation_bits"):
        raise UnsupportedModelError(
            f"{where} has {state['width']} bits, {state.get('saturation_bits', 0)} for saturation",
            where="toolchain open",
            remedy=f"give it a precision of at most {MAX_WIDTH} bits without saturation bits",
        )
    return FixedPoint(
        width=state["width"],
        integer=state.get("integer", state["width"]),
        signed=state["signed"],
        # ap_int has no modes: what is assigned to it is cut off as C++ does.
        rounding=state.get("rounding_mode", "TRN_ZERO"),
        saturation=state.get("saturation_mode", "WRAP"),
    )
