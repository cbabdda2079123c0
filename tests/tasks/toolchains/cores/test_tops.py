"""Every kind of top that is generated: Verilator has no warning of it, and Yosys synthesizes it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from board.kinds import board_kinds
from tasks.core.records.design import HlsProject, Resources
from tasks.toolchains.cores import choice
from tasks.toolchains.open.utilisation import utilisation
from tests.tasks.toolchains.cores.test_folded import dense, design_of, project_of
from tests.tasks.toolchains.lint import lint

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Converted:
    """A model of two inputs and two outputs, joined as the Keras front end joins them."""

    files: Path
    model: Any

    def project(self, **settings: Any) -> HlsProject:
        return project_of(self.files, self.model, ((7,), (5,)), **settings)


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory, make_zoo: Any, samples: Any) -> Converted:
    files = tmp_path_factory.mktemp("several")
    zoo = make_zoo(files, (7,), "fixed<8,3>")
    column = zoo.add("Reshape", types="fixed<8,3>", target_shape=[7, 1])
    left, right = (
        zoo.add(
            "Reshape",
            zoo.add(
                "Cropping1D",
                column,
                types="fixed<8,3>",
                data_format="channels_last",
                crop_left=first,
                crop_right=7 - first - size,
                in_width=7,
                out_width=size,
                n_chan=1,
            ),
            types="fixed<8,3>",
            target_shape=[size],
        )
        for first, size in ((0, 4), (4, 3))
    )
    hidden = dense(zoo, left, 4, 3)
    active = zoo.add("Activation", hidden, types="fixed<6,3>", activation="relu", n_in=3)
    both = zoo.add("Merge", active, right, types="fixed<9,4>", op="add")
    zoo.branches += [dense(zoo, both, 3, 2), both]
    zoo.run(samples(20, 7))
    return Converted(files, zoo)


@pytest.mark.parametrize(
    ("core", "words", "kind"),
    [
        ("unrolled", "float32", "pynq-z2"),
        ("unrolled", "packed", "zcu104"),
        ("folded", "float32", "zcu104"),
        ("folded", "packed", "pynq-z2"),
    ],
)
def test_a_generated_top_is_clean_and_can_be_synthesized(
    converted: Converted, tmp_path: Path, core: str, words: str, kind: str
) -> None:
    project = converted.project(core=core, words=words, board_kind=kind)
    report = choice.build(converted.files, project, Resources.of_part(kind), tmp_path)
    assert report.core == core
    latency = report.latency_cycles if core == "unrolled" else None
    design = design_of(project, tmp_path / "rtl", latency)
    assert lint(design) == []
    available, part = Resources.of_part(kind), board_kinds()[kind].part
    found = utilisation(design, available, part=part, logs=tmp_path)
    assert 100 < found.used.lut < 3000
    assert found.used.ff > 100
