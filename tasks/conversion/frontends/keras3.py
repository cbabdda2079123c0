"""Reads Keras 3 and HGQ2 models from .keras archives and HDF5 files."""

from pathlib import Path
from typing import Any

from tasks.conversion.frontends import keras3_hgq2, keras3_join, keras_check
from tasks.conversion.frontends.base import LoadedModel
from tasks.conversion.frontends.keras3_rewrites import rewritten
from tasks.conversion.frontends.keras_model import wrapped
from tasks.core.errors import UnsupportedModelError

# HGQ2 has moved these since hls4ml 1.3.0 registered handlers for them.
MOVED = {
    "attn.mha.QMultiHeadAttention": "multi_head_attention.QMultiHeadAttention",
    "attn.linformer.QLinformerAttention": "linformer_attention.QLinformerAttention",
}


def _mend(dispatcher: Any) -> None:
    """Make hls4ml name the layer that it cannot convert, and take the slope of Keras 3.

    Its own slope of hard_sigmoid, 0.2, is that of Keras 2.
    """
    convert = dispatcher.__call__

    def mended(self: Any, layer: Any, *tensors: Any) -> Any:
        try:
            described = convert(self, layer, *tensors)
        except Exception as error:
            reason = str(error).strip() or "it is beyond what hls4ml reads of such layers"
            if "not found in registry" in reason:
                reason = "hls4ml has no such layer"
            raise UnsupportedModelError(
                f"layer {layer.name} ({type(layer).__name__}): {reason}",
                remedy="replace it; hls4ml's documentation lists the layers that it supports",
            ) from error
        for each in described:
            if each["class_name"] == "HardActivation":
                each["slope"] = 1 / 6
        return described

    dispatcher.__call__ = mended


def load(path: Path) -> LoadedModel:
    """Load a Keras 3 model; safe mode refuses code in the file."""
    import hgq  # noqa: F401  registers its layers with Keras
    import keras
    from hls4ml.converters.keras_v3 import layer_handlers
    from hls4ml.converters.keras_v3_to_hls import KerasV3HandlerDispatcher

    if KerasV3HandlerDispatcher.__call__.__module__ != __name__:
        _mend(KerasV3HandlerDispatcher)
    for new, old in MOVED.items():
        layer_handlers[f"hgq.layers.{new}"] = layer_handlers[f"hgq.layers.{old}"]
    model = keras.saving.load_model(path, compile=False, safe_mode=True)
    model.name = "model"  # TensorFlow computes none whose name has a space or a slash
    hgq2 = any(type(layer).__module__.split(".")[0] == "hgq" for layer in model.layers)
    keras_check.check_built(model, str(path))
    flat, row = rewritten(model), None
    if hgq2 and len(model.inputs) > 1:
        keras3_hgq2.teach_hls4ml_cropping()
        row = keras3_hgq2.row_quantizer(flat)
    one = keras3_join.joined(flat, row)
    return wrapped(model, one, path, block_design=not hgq2)
