"""A design that does not fit is found out once it is synthesized, not after hours of routing."""

import pytest

from tasks.core.errors import DoesNotFitError
from tasks.core.records.design import Synthesis, Utilisation
from tasks.toolchains.base import Hooks
from tests.tasks.toolchains.vivado_hls.conftest import Bench, processes


def refuse(utilisation: Utilisation) -> None:
    raise DoesNotFitError(f"{utilisation.used.lut} LUT, {utilisation.stage}")


def test_a_design_that_is_too_big_is_not_placed_and_routed(
    bench: Bench, synthesized: Synthesis
) -> None:
    bench.fail("vivado-hang", lut=60000)  # routing would take for ever
    bench.hooks = Hooks(fits=refuse)
    with pytest.raises(DoesNotFitError, match="60000 LUT, synthesised"):
        bench.implement(synthesized)
    assert not processes(bench)
    assert not list((bench.store_root / "implement").glob("*"))

    bench.forget()
    with pytest.raises(DoesNotFitError):
        bench.implement(synthesized)
    assert not bench.events("start"), "what is known needs no tool"

    bench.fail(lut=60000)
    bench.hooks = Hooks()
    assert bench.implement(synthesized).utilisation.used.lut == 60000
    assert [event["run"] for event in bench.events("run")] == ["impl_1"]


def test_a_failure_after_synthesis_is_told_as_what_it_comes_from(
    bench: Bench, synthesized: Synthesis
) -> None:
    bench.fail("too-big", lut=60000)
    bench.hooks = Hooks(fits=refuse)
    with pytest.raises(DoesNotFitError):
        bench.implement(synthesized)
