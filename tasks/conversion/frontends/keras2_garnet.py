"""GarNet and GarNetStack, graph layers whose code hls4ml has in its contributions.

Qasim et al., "Learning representations of irregular particle-detector geometry with
distance-weighted graph networks", 2019.
"""

from typing import Any

from hls4ml.contrib import garnet

from tasks.core.errors import UnsupportedModelError


class GarNet(garnet.GarNet):  # type: ignore[misc]  # hls4ml is not typed
    """GarNet with the quantizers that hls4ml converts it with, which its files do not name."""

    def _setup_transforms(self, n_aggregators: int, n_filters: int, n_propagate: int) -> None:
        self._sublayers = _transforms(
            self._quantize_transforms, n_aggregators, n_filters, n_propagate
        )
        (
            self._input_feature_transform,
            self._aggregator_distance,
            self._output_feature_transform,
            self._output_activation_transform,
        ) = self._sublayers


class GarNetStack(garnet.GarNetStack):  # type: ignore[misc]  # as above
    """GarNetStack with the same quantizers; without any if the file says so."""

    def _setup_transforms(
        self, n_aggregators: list[int], n_filters: list[int], n_propagate: list[int]
    ) -> None:
        sizes = zip(n_aggregators, n_filters, n_propagate, strict=True)
        self._transform_layers = [
            _transforms(self._quantize_transforms, *each, number)
            for number, each in enumerate(sizes)
        ]
        self._sublayers = [each for layers in self._transform_layers for each in layers]

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Return the layer of a description, which counts its sublayers besides listing them."""
        return cls(**{name: each for name, each in config.items() if name != "n_sublayers"})


def _transforms(
    ternary: bool | None, aggregators: int, filters: int, propagated: int, number: int | str = ""
) -> list[Any]:
    """Return the dense layers of a sublayer, and its activation: `check` refuses others."""
    first, last = f"FLR{number}", f"Fout{number}"
    if ternary:
        signs = garnet.ternary_1_05
        features = garnet.NamedQDense(
            propagated, kernel_quantizer=signs(), bias_quantizer=signs(), name=first
        )
        output = garnet.NamedQDense(filters, kernel_quantizer=signs(), name=last)
    else:
        features = garnet.NamedDense(propagated, name=first)
        output = garnet.NamedDense(filters, name=last)
    distance = garnet.NamedDense(aggregators, name=f"S{number}")
    return [features, distance, output, garnet.keras.layers.Activation("linear")]


def known() -> dict[str, Any]:
    """Return the layers by their names in files."""
    return {each.__name__: each for each in (GarNet, GarNetStack)}


def counts(model: Any) -> dict[str, int]:
    """Return the inputs that say how many vertices a sample has, with the most that it may have.

    Args:
        model: a Keras model.
    """
    found = {}
    for layer in model.layers:
        if isinstance(layer, garnet.GarNet):
            vertices, number = layer.input
            found[str(number._keras_history[0].name)] = int(vertices.shape[1])  # noqa: SLF001
    return found


def check(model: Any, where: str) -> None:
    """Refuse forms of the layers that hls4ml does not compute, or not as the layers do.

    Raises:
        UnsupportedModelError: the model has one.
    """
    for layer in model.layers:
        if not isinstance(layer, garnet.GarNet):
            continue
        config = layer.get_config()
        wrong, remedy = _unlike_hls4ml(config)
        if not wrong and not _power_of_two(vertices := int(layer.input[0].shape[1])):
            wrong = f"has {vertices} vertices, and hls4ml divides by powers of two only"
            remedy = f"pad the samples to {1 << vertices.bit_length()} vertices"
        if wrong:
            raise UnsupportedModelError(
                f"layer {layer.name} ({type(layer).__name__}) {wrong}", where=where, remedy=remedy
            )


def _unlike_hls4ml(config: dict[str, Any]) -> tuple[str, str]:
    """Return what hls4ml lacks of a layer's settings, and what to do; empty for nothing."""
    if config["output_activation"] not in {None, "linear"}:
        return (
            f"has the output activation {config['output_activation']}, which hls4ml lacks",
            "use output_activation=None, and an activation layer after it",
        )
    if config["input_format"] != "xn":
        return (
            f"has inputs of the format {config['input_format']}, and hls4ml only reads xn",
            "use input_format='xn': vertices, and how many there are",
        )
    if config["collapse"] != "mean":
        return (
            f"has collapse={config['collapse']!r}, for which hls4ml leaves outputs undefined",
            "use collapse='mean'",
        )
    if config["mean_by_nvert"]:
        return (
            "has mean_by_nvert, for which hls4ml divides whole numbers",
            "use mean_by_nvert=False",
        )
    return "", ""


def _power_of_two(number: int) -> bool:
    return number & (number - 1) == 0
