"""Converts a loaded model to an hls4ml project with a C simulation."""

import contextlib
import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from board.kinds import BoardKind
from tasks.conversion import (
    departure,
    formats,
    hls_checks,
    hls_corrections,
    names,
    open_formats,
)
from tasks.conversion.dataset import chunks, value_range
from tasks.conversion.elements import WIDEST, fixed_point, plain
from tasks.conversion.frontends.base import LoadedModel, Outputs, computing
from tasks.conversion.modelfile import GARNET
from tasks.core.errors import InputError, OverlayflowError, UnsupportedModelError
from tasks.core.records.design import FixedPoint, Stream
from tasks.core.records.quality import Overflow
from tasks.core.records.settings import ConvertSettings

ACCELERATED = "VivadoAccelerator"
HALF = 0.5
PIXELS = 1 << 14
MOST = 1 << 27
"""Values of layers, of all samples together, that are held in memory: a gigabyte."""


@dataclass(frozen=True)
class Converted:
    """A model as hls4ml has converted it.

    Attributes:
        graph: hls4ml's ModelGraph.
        layer_outputs: of the framework, on some samples.
        chosen: automatically chosen formats, by layer.
    """

    graph: Any
    layer_outputs: Outputs
    chosen: dict[str, str]


def convert(
    model: LoadedModel,
    settings: ConvertSettings,
    kind: BoardKind,
    out: Path,
    golden: tuple[Path, Path],
    *,
    sample: NDArray[np.float32],
) -> Converted:
    """Convert a model; `write` writes the project.

    HGQ models use backend Vivado, because hls4ml 1.3 refuses them with VivadoAccelerator.

    Args:
        model: as its front end loaded it.
        settings: how to convert it.
        kind: the target board.
        out: directory of the project.
        golden: .npy files of test inputs and the framework's outputs, for the HLS test bench.
        sample: some inputs, to choose open number formats.

    Raises:
        InputError: a setting is invalid for hls4ml (precision, layer name, IO type).
        UnsupportedModelError: a layer that hls4ml cannot convert.
    """
    _check_pixels(model.input.shape, settings)
    backend = ACCELERATED if kind.hls4ml_board and model.block_design else "Vivado"
    options = _options(settings, kind, backend, out, golden)
    with _refusals():
        config = model.configure(backend)
    _check_names(config, settings)
    outputs: Outputs = {}
    chosen: formats.Chosen = {}
    added: tuple[str, ...] = ()
    if model.layer_outputs is not None:
        open_formats.register()
        with _refusals():
            graph = model.convert(hls_config=copy.deepcopy(config), **options)
        added = tuple(
            each.name for each in graph.get_layers() if each.name not in config["LayerName"]
        )
        elements = sum(each.get_output_variable().size() for each in graph.get_layers())
        with computing():
            outputs = model.layer_outputs(sample[: max(1, int(MOST // elements))], graph)
        if settings.precision == "auto":
            chosen = formats.choose(graph, outputs, trained=not model.open_formats)
            if model.open_formats:
                config["Model"]["Precision"]["default"] = formats.default(outputs)
            _take(config, chosen, settings)
    _apply(config, settings, added)
    with _refusals(), hls_corrections.thresholds_kept() as exact:
        graph = model.convert(hls_config=config, **options)
    hls_corrections.correct_thresholds(graph, exact)
    hls_checks.check(graph, settings)
    return Converted(graph, outputs, {name: _spoken(each) for name, each in chosen.items()})


def _check_pixels(shape: tuple[int, ...], settings: ConvertSettings) -> None:
    """Refuse images of which hls4ml would write C++ for minutes, read by a compiler for hours."""
    pixels = sorted(shape)[1:] if len(shape) == len(("rows", "columns", "channels")) else [1]
    if settings.io_type == "io_parallel" and math.prod(pixels) > PIXELS:
        raise InputError(
            f"images of {' x '.join(map(str, pixels))} pixels are too large for io_parallel, for "
            "which hls4ml writes a line of C++ for every element of every window",
            where="io_type",
            remedy="use --io-type io_stream, or smaller images",
        )


def _options(
    settings: ConvertSettings, kind: BoardKind, backend: str, out: Path, golden: tuple[Path, Path]
) -> dict[str, Any]:
    """Return hls4ml's options; all but its configuration of layers."""
    options: dict[str, Any] = {
        "output_dir": str(out),
        "project_name": settings.project_name,
        "backend": backend,
        "io_type": settings.io_type,
        "clock_period": settings.clock_period_ns,
        "input_data_tb": str(golden[0]),
        "output_data_tb": str(golden[1]),
        "part": kind.part,
    }
    if backend == ACCELERATED:
        options |= {"board": kind.hls4ml_board, "interface": "axi_stream", "driver": "python"}
    return options


def write_weights(graph: Any, out: Path) -> None:
    """Write the weights of the project, from which cores are estimated, and nothing else."""
    if not hasattr(np, "product"):  # hls4ml 1.3 writes power-of-two weights with it
        np.product = np.prod  # type: ignore[attr-defined]  # noqa: NPY003, NPY201
    (out / "firmware" / "weights").mkdir(parents=True, exist_ok=True)
    graph.config.backend.writer.write_weights(graph)


def write(graph: Any, out: Path) -> str:
    """Write the project, after `write_weights`; return the backend's name."""
    graph.write()
    hls_corrections.correct_lstm(out / "firmware" / "nnet_utils" / "nnet_recurrent.h")
    backend = str(graph.config.backend.name)
    if backend == ACCELERATED:
        hls_corrections.unswap_stream_widths(out / "project.tcl")
    return backend


def _check_names(config: dict[str, Any], settings: ConvertSettings) -> None:
    names.check(config["LayerName"], "layer", "the model")
    if settings.project_name in config["LayerName"]:
        raise InputError(
            f"project name {settings.project_name!r} is also the name of a layer, and C++ "
            "cannot tell them apart",
            where="project_name",
            remedy=f"use another one, for example --project-name model_{settings.project_name}",
        )


def _take(config: dict[str, Any], chosen: formats.Chosen, settings: ConvertSettings) -> None:
    """Write the chosen formats into hls4ml's configuration, except for those that are given."""
    config["Model"][open_formats.CHOSEN] = {
        name: {
            variable: text
            for variable, text in each["Precision"].items()
            if settings.layer_precision.keys().isdisjoint({name, f"{name}.{variable}"})
        }
        for name, each in chosen.items()
    }
    for name, each in chosen.items():
        if name in config["LayerName"]:
            tables = {key: value for key, value in each.items() if key != "Precision"}
            config["LayerName"][name].update(tables)


def _spoken(settings: dict[str, Any]) -> str:
    words = [f"{name} {text}" for name, text in settings["Precision"].items()]
    words += [
        f"{name.removesuffix('_t')} {text}"
        for name, text in settings.items()
        if name != "Precision"
    ]
    return ", ".join(dict.fromkeys(words))


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Turn any error of hls4ml into one that says that it cannot convert the model."""
    try:
        yield
    except OverlayflowError:
        raise
    except Exception as error:
        reason = str(error).strip() or type(error).__name__
        raise UnsupportedModelError(
            f"hls4ml cannot convert the model: {reason.removeprefix('ERROR: ')}",
            remedy="replace that layer; hls4ml's documentation lists the layers that it supports",
        ) from error


def _apply(config: dict[str, Any], settings: ConvertSettings, added: tuple[str, ...] = ()) -> None:
    """Write the settings into hls4ml's configuration, checked one by one.

    Args:
        config: is changed.
        settings: of the run.
        added: layers that hls4ml adds, and which its configuration does not have.
    """
    layers = config["LayerName"]
    config["Model"]["Strategy"] = settings.strategy
    config["Model"]["ReuseFactor"] = settings.reuse_factor
    for layer in layers.values():
        layer["Strategy"] = settings.strategy
        if "ReuseFactor" in layer:
            layer["ReuseFactor"] = settings.reuse_factor
    if settings.precision != "auto":
        config["Model"]["Precision"]["default"] = settings.precision
        for layer in layers.values():
            precisions = layer.get("Precision", {})
            precisions.update(
                {name: settings.precision for name, old in precisions.items() if old == "auto"}
            )
    for name, text in settings.layer_precision.items():
        layer_name, _, variable = name.partition(".")
        if layer_name in added:
            given = config["Model"].setdefault(open_formats.GIVEN, {}).setdefault(layer_name, {})
            given.update(dict.fromkeys([variable] if variable else open_formats.VARIABLES, text))
            continue
        layer = _layer(layers, layer_name, "layer_precision", added)
        precisions = layer.setdefault("Precision", {})
        if variable:
            precisions[variable] = text
            if variable not in {"result", "accum"}:
                # hls4ml reads the formats of tables here, and those of weights above.
                layer[f"{variable}_t"] = text
        else:
            precisions.update(dict.fromkeys(precisions, text))
    for name, reuse_factor in settings.layer_reuse_factor.items():
        source = _origin(layers, name) if name in added else name
        _layer(layers, source, "layer_reuse_factor", added)["ReuseFactor"] = reuse_factor


def _layer(
    layers: dict[str, Any], name: str, setting: str, added: tuple[str, ...]
) -> dict[str, Any]:
    if name not in layers:
        raise InputError(
            f"the model has no layer {name!r}",
            where=setting,
            remedy=f"its layers are {', '.join((*layers, *added))}",
        )
    found: dict[str, Any] = layers[name]
    return found


def _origin(layers: dict[str, Any], name: str) -> str:
    """Return the layer from which hls4ml makes another one, like Dense_MatMul_0 from MatMul_0."""
    return next((each for each in layers if name.endswith(f"_{each}")), name)


def streams(graph: Any, settings: ConvertSettings) -> tuple[Stream, Stream]:
    """Return the input and output tensors as streams of the accelerator.

    Raises:
        InputError: a tensor's number format cannot be streamed.
    """
    return (
        _stream(graph.get_input_variables()[0], settings),
        _stream(graph.get_output_variables()[0], settings),
    )


def _stream(variable: Any, settings: ConvertSettings) -> Stream:
    precision = _element_precision(variable)
    element = fixed_point(precision)
    if element is None:
        raise InputError(
            f"its precision is {precision}, and a stream carries fixed-point numbers of at most "
            f"{WIDEST} bits",
            where=f"tensor {variable.name}",
            remedy="give its layer a precision like fixed<16,6>",
        )
    return Stream(
        shape=tuple(int(extent) for extent in variable.shape),
        element=element,
        words=settings.words,
    )


def gives_signs(graph: Any) -> bool:
    """Return whether the output is a bit, in which hls4ml writes the sign -1 as 0."""
    from hls4ml.model.types import XnorPrecisionType

    return isinstance(_element_precision(graph.get_output_variables()[0]), XnorPrecisionType)


def _element_precision(variable: Any) -> Any:
    return plain(variable.type.precision)


def overflows(
    converted: Converted, x: NDArray[np.floating], element: FixedPoint
) -> tuple[Overflow, ...]:
    """Return the layers whose values wrap around; the input is checked on all samples.

    Args:
        converted: result of `convert`.
        x: test inputs.
        element: format of the input.
    """
    found = departure.overflows(converted.graph, converted.layer_outputs)
    name = converted.graph.get_input_variables()[0].name
    inner = tuple(each for each in found if each.layer != name)
    outside = departure.outside(x, element)
    if element.saturation != "WRAP" or not outside:
        return inner
    low, high = value_range(x)
    entry = Overflow(
        layer=name,
        variable="result",
        share=outside / x.size,
        low=low,
        high=high,
        element=element.text,
    )
    return (entry, *inner)


def check_input(graph: Any, x: NDArray[np.floating]) -> None:
    """Refuse test data that the C simulation would misread.

    ap_int's constructor converts a float between -0.5 and 0 to 1 instead of 0.

    Args:
        graph: hls4ml's ModelGraph.
        x: test inputs.

    Raises:
        InputError: the input's type is an integer, and some values are in this range.
    """
    from hls4ml.model.types import IntegerPrecisionType

    precision = _element_precision(graph.get_input_variables()[0])
    if not isinstance(precision, IntegerPrecisionType):
        return
    for part in chunks(x):
        misread = x[part][(x[part] < 0) & (x[part] > -HALF)]
        if not len(misread):
            continue
        value = misread[0]
        raise InputError(
            f"the input's precision is {precision}, which turns {value:g} into 1",
            where="X_test",
            remedy=f"give the input the precision {_without_fraction(precision)}, or round X_test",
        )


def _without_fraction(precision: Any) -> str:
    """Return the fixed-point type with the values of an integer type."""
    kind, width = "fixed" if precision.signed else "ufixed", precision.width
    return f"{kind}<{width},{width},TRN_ZERO>"


def save(graph: Any, path: Path) -> None:
    """Save the converted graph, with every layer's precisions, as an .fml file.

    The graph is as before afterwards, but for plain numbers in place of numpy's. The types inside a
    GarNet, which hls4ml only keeps in its configuration, are written with those of its weights.

    hls4ml 1.3 writes arrays to separate files, but fails on tuples of arrays (HGQ2's masks of sign,
    integer and fraction bits), which are written as nested lists here; on functions (EinsumDense
    has one for its weights), which are dropped; and on numpy numbers in precisions (of sums in HGQ2
    models).
    """
    kept = [(each.attributes.attributes, dict(each.attributes.attributes))
            for each in graph.get_layers()]  # fmt: skip
    for attributes, originals in kept:
        for name, value in originals.items():
            if isinstance(value, tuple) and all(isinstance(item, np.ndarray) for item in value):
                attributes[name] = [item.tolist() for item in value]
            elif callable(value):
                del attributes[name]
            precision = plain(getattr(getattr(value, "type", value), "precision", None))
            for part, number in getattr(precision, "__dict__", {}).items():
                if isinstance(number, np.generic):
                    setattr(precision, part, number.item())
    for layer in graph.get_layers():
        if layer.class_name in GARNET:
            layer.attributes.attributes.update(_inner_types(layer))
    graph.save(path)
    for attributes, originals in kept:
        attributes.clear()
        attributes.update(originals)


def _inner_types(layer: Any) -> dict[str, Any]:
    """Return the types inside a GarNet, as its C++ template takes them from the configuration."""
    from hls4ml.model.types import NamedType

    names = ("edge_weight", "edge_weight_aggr", "aggr")
    found = {name: layer.model.config.get_precision(layer, var=name)[0] for name in names}
    return {f"{name}_t": NamedType(f"{layer.name}_{name}_t", found[name]) for name in names}
