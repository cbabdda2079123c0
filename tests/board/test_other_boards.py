"""Driver and runner on every kind of Zynq, under every pynq that is published for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from board.kinds import board_kinds
from tasks.core import settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.board.conftest import OnBoard

pytestmark = pytest.mark.slow

SPOKEN = """
import json, os, platform, pynq
from pynq import Clocks, Overlay
overlay = Overlay("hls4ml_nn.bit")
before = [Clocks.fclk0_mhz, Clocks.fclk1_mhz, Clocks.fclk2_mhz, Clocks.fclk3_mhz]
Clocks.fclk0_mhz = 50
print(json.dumps({
    "pynq": pynq.__version__, "machine": [platform.machine(), os.uname().machine],
    "name": overlay.device.name, "clocks": before, "set": Clocks.fclk0_mhz, "cpu": Clocks.cpu_mhz,
    "dma": hex(overlay.ip_dict["hier_0/axi_dma_0"]["phys_addr"]),
    "devices": len(pynq.Device.devices),
}))
"""
# A pynq has one path for a processing system: every pynq, every system, every kind.
BOARDS = [
    ("pynq-z2", "3.0.1"),
    ("pynq-z1", "3.1.2"),
    ("zcu102", "4.0.0"),
    ("zcu104", "3.1.2"),
    ("kv260", "4.0.0"),
    ("ultra96v2", "3.0.1"),
]


@pytest.fixture(params=BOARDS, ids="-".join)
def other_board(
    request: pytest.FixtureRequest, make_package: Callable[..., OnBoard]
) -> tuple[OnBoard, str, str]:
    kind, pynq = request.param
    python: Path = settings.board_python(pynq)
    if not python.exists():
        pytest.skip(f"no environment at {python}: run `make board-envs`")
    return make_package(4, 2, "float32", kind, python), kind, pynq


def test_the_runner_measures_under_the_boards_own_pynq(
    other_board: tuple[OnBoard, str, str],
) -> None:
    on_board, kind, pynq = other_board
    assert on_board.run("--batches", "1,8")[0] == 0
    results = on_board.results()
    assert results["versions"]["pynq"] == pynq
    assert results["csim"]["mismatches"] == 0
    assert results["deterministic"]
    assert results["clock_mhz"] == pytest.approx(board_kinds()[kind].fabric_clock_mhz, rel=1e-3)
    assert results["board"]["machine"] in {"armv7l", "aarch64"}


def test_pynq_meets_the_boards_machine_and_clocks(other_board: tuple[OnBoard, str, str]) -> None:
    on_board, kind, pynq = other_board
    said = on_board.say(SPOKEN)
    assert said["pynq"] == pynq
    assert kind in said["name"]
    assert said["devices"] == 1
    zynq = board_kinds()[kind].processing_system == "zynq7000"
    assert said["machine"] == ["armv7l" if zynq else "aarch64"] * 2
    assert said["clocks"] == pytest.approx([100.0] * 4, rel=1e-3)
    assert said["set"] == pytest.approx(50.0, rel=1e-3)
    assert said["cpu"] == pytest.approx(650.0 if zynq else 1199.988)
    assert said["dma"] == ("0x40400000" if zynq else "0xa0000000")
