"""What Yosys counts of a folded core is said layer by layer, and adds up to the whole design."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tasks.core.records.design import Resources
from tasks.toolchains.cores import choice
from tasks.toolchains.open.utilisation import utilisation
from tests.tasks.toolchains.cores.test_folded import (
    convolution,
    dense,
    design_of,
    pooled,
    project_of,
)

pytestmark = pytest.mark.slow

PART = Resources.of_part("pynq-z2")


def test_the_layers_of_a_folded_core_and_the_rest_are_the_whole_design(
    tmp_path: Path, make_zoo: Any, samples: Any
) -> None:
    model = make_zoo(tmp_path, (6, 6, 2), "fixed<8,3>")
    picture = convolution(model, 2, in_height=6, in_width=6, n_chan=2)("x")
    small = pooled(model, picture, 4, 2)
    flat = model.add("Reshape", small, types="fixed<12,5>", target_shape=[8])
    narrow, wide = dense(model, flat, 8, 8), dense(model, flat, 8, 16)
    model.branches += [narrow, wide]
    project = project_of(tmp_path, model.run(samples(2, 6, 6, 2)), ((6, 6, 2), (24,)))
    layers = choice.build(tmp_path, project, PART, tmp_path).layers
    found = utilisation(
        design_of(project, tmp_path / "rtl"),
        PART,
        part="xc7z020clg400-1",
        modules=("zoo_core", "stream_shell", "cycle_counters"),
        core="zoo_core",
        units=len(layers),
        logs=tmp_path,
    )
    rows = list(zip(layers, found.by_layer, strict=True))
    # Nothing of the core is left over, and nothing of the shell is a layer's.
    assert sum(own.lut for _, own in rows) == found.by_module["zoo_core"]
    assert sum(found.by_module.values()) == found.used.lut
    for name in ("dsp", "bram_36k"):
        assert sum(getattr(own, name) for _, own in rows) == getattr(found.used, name)
    assert all(own.lut for _, own in rows)
    estimated, counted = (sum(each.lut for each in side) for side in (layers, found.by_layer))
    assert 0.8 < estimated / counted < 1.25
    # Multipliers are where they were planned.
    assert [own.dsp for _, own in rows] == [layer.dsp for layer, _ in rows]
    multipliers: Counter[str] = Counter()
    for layer, own in rows:
        multipliers[layer.layer] += own.dsp
    assert multipliers[wide] == 2 * multipliers[narrow] > 0
    assert multipliers[picture] > 0
