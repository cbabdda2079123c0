"""BinaryDense and TernaryDense: hls4ml reads them, but no package has their code any more.

Courbariaux et al., "Binarized Neural Networks", 2016: weights are -1 and 1, or -1, 0 and 1.
"""

from typing import Any

import tf_keras

from tasks.core.errors import UnsupportedModelError

# Training alone uses these settings.
_TRAINING = ("kernel_lr_multiplier", "bias_lr_multiplier", "kernel_constraint", "bias_constraint")
_HALF = 0.5


class _SignsDense(tf_keras.layers.Dense):  # type: ignore[misc]  # tf_keras is not typed
    """A dense layer whose weights are rounded to signs.

    Args:
        units: outputs.
        H: magnitude of the weights.
        settings: as in Dense.
    """

    def __init__(self, units: int, H: float = 1, **settings: Any) -> None:  # noqa: N803  the file's
        kept = {name: value for name, value in settings.items() if name not in _TRAINING}
        super().__init__(units, **kept)
        self.magnitude = H

    def call(self, inputs: Any) -> Any:
        return self.activation(inputs @ self._signs(self.kernel))


class BinaryDense(_SignsDense):
    """A dense layer with weights -1 and 1."""

    def _signs(self, values: Any) -> Any:
        return binary_tanh(values)


class TernaryDense(_SignsDense):
    """A dense layer with weights -1, 0 and 1."""

    def _signs(self, values: Any) -> Any:
        return ternary_tanh(values)


def binary_tanh(values: Any) -> Any:
    """Return 1, and -1 for negative values."""
    return 2 * tf_keras.backend.cast(values >= 0, values.dtype) - 1


def ternary_tanh(values: Any) -> Any:
    """Return 1 above a half, -1 up to minus a half, else 0."""
    above, below = (
        tf_keras.backend.cast(each, values.dtype) for each in (values > _HALF, values <= -_HALF)
    )
    return above - below


def relu1(values: Any) -> Any:
    """Return the values, but at least 0 and at most 1."""
    return tf_keras.backend.clip(values, 0, 1)


def check(model: Any, where: str) -> None:
    """Refuse layers that hls4ml would round to other weights.

    Raises:
        UnsupportedModelError: weights of another magnitude than 1, or a bias.
    """
    for layer in model.layers:
        if not isinstance(layer, _SignsDense):
            continue
        other = f"weights of {layer.magnitude}" if layer.magnitude != 1 else "a bias"
        if layer.magnitude != 1 or layer.use_bias:
            raise UnsupportedModelError(
                f"layer {layer.name} ({type(layer).__name__}) has {other}, which hls4ml would "
                "round to 1 and -1",
                where=where,
                remedy="use H=1 and use_bias=False, with a BatchNormalization behind it",
            )


def known() -> dict[str, Any]:
    """Make the activations known to Keras as its own; return the layers by their names in files.

    Keras describes activations of others by a dictionary, where hls4ml expects a name.
    """
    from tf_keras.src import activations

    for function in (binary_tanh, ternary_tanh, relu1):
        setattr(activations, function.__name__, function)
    return {each.__name__: each for each in (BinaryDense, TernaryDense)}
