"""The table of a folded core's layers: estimates, and what was counted beside them."""

import pytest
from pydantic import ValidationError

from tasks.core.layer_table import aligned, layer_table
from tasks.core.records.design import LayerEstimate, Resources, Utilisation
from tasks.core.records.package import Manifest
from tests.tasks.samples import XC7Z020, manifest

LAYERS = (
    LayerEstimate(layer="fc1", fold="4 x 2", clocks=30, multipliers=8, lut=3000, dsp=8),
    LayerEstimate(layer="fc2", fold="1 x 2", clocks=28, multipliers=2, lut=50, bram_36k=1.5),
)
COUNTED = (
    Resources(lut=280, ff=90, dsp=8, bram_36k=0),
    Resources(lut=60, ff=30, dsp=0, bram_36k=1),
)
USED = Resources(lut=700, ff=200, dsp=8, bram_36k=1)


def found(*by_layer: Resources) -> Utilisation:
    return Utilisation(stage="synthesised", used=USED, available=XC7Z020, by_layer=by_layer)


def test_what_was_counted_stands_beside_each_estimate_and_adds_up_to_the_design() -> None:
    head, *rows = layer_table(LAYERS, 30, found(*COUNTED))
    assert head[4] == "LUT estimated"
    assert head[7:] == ("LUT synthesised", "DSP synthesised", "BRAM synthesised")
    assert rows == [
        ("fc1", "4 x 2", "30", "8", "3,000", "8", "", "280", "8", ""),
        ("fc2", "1 x 2", "28", "2", "50", "", "1.5", "60", "", "1"),
        ("all layers", "", "30", "", "3,050", "8", "1.5", "340", "8", "1"),
        ("shell and rest", "", "", "", "", "", "", "360", "0", "0"),
        ("whole design", "", "", "", "", "", "", "700", "8", "1"),
    ]


def test_a_design_that_was_not_counted_layer_by_layer_shows_its_whole() -> None:
    head, *rows = layer_table(LAYERS, None, found())
    assert {len(row) for row in (head, *rows)} == {10}
    assert rows[0][-3:] == ("", "", "")
    assert rows[-1] == ("whole design", *[""] * 6, "700", "8", "1")
    assert {len(row) for row in layer_table(LAYERS, None, None)} == {7}


def test_words_are_aligned_on_the_left_and_figures_on_the_right() -> None:
    assert aligned([("layer", "fold", "LUT"), ("a", "4 x 2", "7")]) == [
        "layer  fold   LUT",
        "a      4 x 2    7",
    ]


def test_a_manifest_with_other_layers_than_it_counts_is_refused() -> None:
    text = manifest(layers=LAYERS, utilisation=found(COUNTED[0])).model_dump_json()
    with pytest.raises(ValidationError, match="by layer are not those of the layers"):
        Manifest.model_validate_json(text)
