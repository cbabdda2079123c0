"""What fits no core of the part is refused before its C simulation is compiled."""

from pathlib import Path

import pytest

from tasks.core.errors import DoesNotFitError
from tasks.core.records.settings import ConvertSettings
from tasks.steps import building
from tasks.store.store import Store

MODEL = Path(__file__).resolve().parents[4] / "examples" / "fashion" / "fashion.keras"


def test_a_core_far_too_big_for_the_part_is_refused_before_the_c_simulation(
    tmp_path: Path,
) -> None:
    recipe = building.convert(MODEL, None, ConvertSettings(core="unrolled"), traced=True)
    says = r"(?s)an unrolled core does not fit.*part's LUT.*fits with core folded and interval_c"
    with pytest.raises(DoesNotFitError, match=says):
        recipe.get(Store(tmp_path))
    # What a failed step leaves: its log, and none of the compiler's.
    assert [path.name for path in tmp_path.rglob("*.log")] == ["convert.log"]
