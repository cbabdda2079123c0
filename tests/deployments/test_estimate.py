"""overlayflow estimate says what cores would take, without any toolchain."""

import json
from pathlib import Path

import pytest

from deployments.cli import main
from tasks.toolchains.cores.outline import Outline

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits" / "digits.keras"


def test_the_digits_example_is_outlined_layer_by_layer_and_board_by_board(
    empty_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["estimate", str(DIGITS), "--json"]) == 0
    found = Outline.model_validate(json.loads(capsys.readouterr().out))
    assert found.words == 64
    assert found.chosen.startswith("core folded: by estimate ")
    multipliers = {each.layer: each.multipliers for each in found.layers if each.multipliers}
    # 64 x 32 and 32 x 10 products in 64 clocks.
    assert multipliers == {"hidden": 32, "logits": 5}
    intervals = [core.interval_cycles for core in found.curve]
    assert intervals[:3] == [64, 128, 256]
    multiplying = [core.used.dsp for core in found.curve]
    assert multiplying == sorted(multiplying, reverse=True)
    assert found.boards[0].board_kind == "pynq-z2"
    assert {each.core for each in found.boards} == {"folded"}
    assert not list(empty_home.iterdir())
