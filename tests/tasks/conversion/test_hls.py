from pathlib import Path
from types import SimpleNamespace

import pytest

from tasks.conversion import hls, hls_corrections
from tasks.conversion.elements import fixed_point
from tasks.core.errors import InputError
from tasks.core.records.design import FixedPoint
from tasks.core.records.settings import ConvertSettings


def test_stream_widths_stand_under_their_own_names(tmp_path: Path) -> None:
    """hls4ml writes the input's width as the output's and the reverse."""
    script = tmp_path / "project.tcl"
    script.write_text("set clock 5\nset bit_width_hls_output 8\nset bit_width_hls_input 32\n")
    hls_corrections.unswap_stream_widths(script)
    assert script.read_text() == (
        "set clock 5\nset bit_width_hls_input 8\nset bit_width_hls_output 32\n"
    )


def configured(**settings: object) -> dict[str, dict[str, object]]:

    config = {
        "Model": {"Precision": {"default": "fixed<16,6>"}},
        "LayerName": {
            "dense": {"Precision": {"weight": "auto", "result": "auto"}, "ReuseFactor": 1},
            "relu": {"Precision": {"result": "auto", "table": "fixed<18,8>"}},
        },
    }
    hls._apply(config, ConvertSettings.model_validate(settings))
    layers = config["LayerName"]
    assert isinstance(layers, dict)
    return layers


def test_a_precision_holds_for_every_layer_that_does_not_say_its_own() -> None:
    layers = configured(precision="fixed<8,3>")
    assert layers["dense"]["Precision"] == {"weight": "fixed<8,3>", "result": "fixed<8,3>"}
    assert layers["relu"]["Precision"] == {"result": "fixed<8,3>", "table": "fixed<18,8>"}


def test_one_layer_or_one_of_its_variables_may_differ() -> None:
    layers = configured(layer_precision={"dense.weight": "fixed<4,1>", "relu": "ufixed<6,0>"})
    assert layers["dense"]["Precision"] == {"weight": "fixed<4,1>", "result": "auto"}
    assert layers["relu"]["Precision"] == {"result": "ufixed<6,0>", "table": "ufixed<6,0>"}


def test_an_unknown_layer_is_named_beside_those_there_are() -> None:
    with pytest.raises(InputError, match=r"no layer 'dens'\n.*dense, relu"):
        configured(layer_reuse_factor={"dens": 2})


def test_hls4mls_formats_become_records() -> None:
    from hls4ml.model.types import FixedPrecisionType, IntegerPrecisionType

    rounded = FixedPrecisionType(8, 3, signed=False, rounding_mode="RND", saturation_mode="SAT")
    assert fixed_point(rounded) == FixedPoint(
        width=8, integer=3, signed=False, rounding="RND", saturation="SAT"
    )
    # C++ cuts off towards zero what is assigned to an integer.
    integer = FixedPoint(width=5, integer=5, rounding="TRN_ZERO")
    assert fixed_point(IntegerPrecisionType(5)) == integer


def test_a_stream_of_numbers_that_no_word_carries_is_refused() -> None:
    from hls4ml.model.types import FixedPrecisionType, StandardFloatPrecisionType

    for precision in (FixedPrecisionType(65, 30), StandardFloatPrecisionType()):
        variable = SimpleNamespace(name="x", shape=(3,), type=SimpleNamespace(precision=precision))
        with pytest.raises(InputError, match=r"tensor x: .* at most 64 bits"):
            hls._stream(variable, ConvertSettings())
