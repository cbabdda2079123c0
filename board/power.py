"""Measures a board's power by its sensors, idle and under load, or gives an external meter time."""

from __future__ import annotations

import time
import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from board.measure import Bench, Progress

POWER_S = 2.0
POWER_INTERVAL_S = 0.05
BOARD_RAIL = "12V_power"  # where a board measures its supply: the sum of all rails


def measure(
    bench: Bench, inputs: NDArray[Any], progress: Progress, *, metered: bool = False
) -> dict[str, Any]:
    """Return the mean power of each rail in W, idle and under load; None if there are no rails.

    Args:
        bench: runs the samples.
        inputs: the load.
        progress: is called when each part begins, and when the last ends.
        metered: whether an external meter measures, following `progress`: idle and load then run
            without rails, too.
    """
    rails = [] if bench.simulated else _rails()  # a twin would find the host's
    idle: dict[str, float] = {}
    load: dict[str, float] = {}
    if rails or metered:
        progress("power idle", 0, 1)
        idle = _recorded(rails, lambda: time.sleep(POWER_INTERVAL_S))
        progress("power load", 0, 1)
        load = _recorded(rails, lambda: bench.run(inputs))
    progress("power", 1, 1)
    if not rails:
        return {"power_w": None, "power": None}
    whole = load.get(BOARD_RAIL, sum(load.values()))
    return {"power_w": whole, "power": {"idle_w": idle, "load_w": load}}


def _rails() -> list[Any]:
    """Return the power sensors that pynq finds and can record."""
    import pynq

    if find_spec("pandas") is None:  # pynq's recorder needs it
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pynq warns where libsensors is missing
        rails = pynq.get_rails().values()
    return [rail.power for rail in rails if rail.power is not None]


def _recorded(rails: list[Any], work: Callable[[], object]) -> dict[str, float]:
    """Return the mean of each rail while `work` is repeated."""
    if not rails:
        _repeat(work)
        return {}
    import pynq

    recorder = pynq.DataRecorder(*rails)
    with recorder.record(POWER_INTERVAL_S):
        _repeat(work)
    return {rail.name: float(recorder.frame[rail.name].mean()) for rail in rails}


def _repeat(work: Callable[[], object]) -> None:
    end = time.monotonic() + POWER_S
    while time.monotonic() < end:
        work()
