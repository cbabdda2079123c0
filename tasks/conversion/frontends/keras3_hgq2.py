"""Joins several inputs of an HGQ2 model, whose number formats hls4ml derives from the inputs on."""

from typing import Any

from tasks.conversion.elements import plain

FINEST = 24  # fraction bits that hls4ml gives an input that is not rounded by TRN or RND


def row_quantizer(model: Any) -> Any:
    """Return a layer that quantizes all inputs in one format, finer and wider than each one's own.

    hls4ml finds the format of an input only if a quantizer follows it, not a layer that cuts.

    Args:
        model: an HGQ2 model with several inputs that hls4ml reads.
    """
    from hgq.quantizer import Quantizer
    from hls4ml.converters import convert_from_keras_model
    from hls4ml.utils import config_from_keras_model

    config = config_from_keras_model(model, granularity="name", backend="Vivado")
    graph = convert_from_keras_model(model, hls_config=config, backend="Vivado")
    formats = [plain(each.type.precision) for each in graph.get_input_variables()]
    rounding = {each.rounding_mode.name for each in formats}
    fraction = max(each.fractional for each in formats)
    if rounding != {"TRN"}:
        # One more bit keeps the halves that are rounded up.
        fraction = fraction + 1 if rounding <= {"TRN", "RND"} else max(fraction, FINEST)
    return Quantizer(
        q_type="kif",
        place="datalane",
        k0=any(each.signed for each in formats),
        i0=max(each.integer - each.signed for each in formats),
        f0=fraction,
        round_mode="TRN",
        # What saturates behind the row must not wrap around in it, and the reverse.
        overflow_mode="SAT"
        if all("SAT" in each.saturation_mode.name for each in formats)
        else "WRAP",
        homogeneous_axis=None,
        heterogeneous_axis=(),
        name="inputs_format",
    )


def teach_hls4ml_cropping() -> None:
    """Let hls4ml derive formats through Cropping1D, by which the inputs are cut from their row."""
    from hls4ml.model.layers import Cropping1D
    from hls4ml.model.optimizer.passes import bit_exact

    def produced(layer: Any) -> tuple[Any, ...]:
        """Return the sign, integer and fraction bits of each element."""
        (bits,) = bit_exact.get_input_kifs(layer)
        left = layer.get_attr("crop_left")
        return tuple(each[left : left + layer.get_attr("out_width")] for each in bits)

    bit_exact._produce_kif.register(Cropping1D, produced)  # noqa: SLF001  it has no public name
