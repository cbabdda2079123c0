"""The emulated device under genuine pynq, in the board's Python."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from board.kinds import board_kinds
from board.twin.environment import board_environment
from tasks.hardware.bitfile import write_bit

Run = Callable[[str], str]

LOAD = """
import json, numpy as np, pynq
from pynq import Clocks, Device, MMIO, Overlay, allocate
overlay = Overlay("hls4ml_nn.bit")
device = overlay.device
dma = overlay.hier_0.axi_dma_0
"""

REFUSED = """
from pynq import Overlay
try:
    Overlay("hls4ml_nn.bit")
except RuntimeError as error:
    print(error)
"""


def test_pynq_finds_loads_and_runs_the_design(run_on_board: Run) -> None:
    script = """
before = Clocks.fclk0_mhz
Clocks.fclk0_mhz = 50
x, y = allocate((10, 4), "f4"), allocate((10, 2), "f4", cacheable=True)
x[:] = np.arange(40).reshape(10, 4)
dma.sendchannel.transfer(x)
dma.recvchannel.transfer(y)
dma.sendchannel.wait()
dma.recvchannel.wait()
print(json.dumps({
    "pynq": pynq.__version__, "device": device.name, "clocks": [before, Clocks.fclk0_mhz],
    "cpu": Clocks.cpu_mhz, "limit": dma.buffer_max_size, "y": y[:2].tolist(),
    "transferred": dma.recvchannel.transferred, "cycles": device.twin_cycles,
    "id": overlay.hier_0.standin_axi_0.read(0),
}))
"""
    said = json.loads(run_on_board(LOAD + script))
    assert said["pynq"] == "3.1.2"
    assert "pynq-z2" in said["device"]
    assert said["clocks"] == [125.0, 50.0]  # of the .hwh, then as set
    assert said["cpu"] == 650.0
    assert said["limit"] == 2**14 - 1
    assert said["y"] == [[1.0, 5.0], [9.0, 13.0]]
    assert said["transferred"] == 80
    assert 40 <= said["cycles"] < 200
    assert said["id"] == 0x4F464C57


def test_a_transfer_that_hangs_shows_pynq_a_busy_channel(run_on_board: Run) -> None:
    script = """
x, y = allocate((6,), "f4"), allocate((100,), "f4")
dma.sendchannel.transfer(x)
dma.recvchannel.transfer(y)
dma.sendchannel.wait()
polls = {dma.recvchannel.idle for _ in range(20)}
print(json.dumps([sorted(polls), dma.recvchannel.running, dma.recvchannel.error]))
"""
    assert json.loads(run_on_board(LOAD + script)) == [[False], True, False]


def test_a_receive_that_is_too_short_makes_pynq_raise(run_on_board: Run) -> None:
    # As on a board, the channel has halted by the time that pynq looks.
    script = """
x, y = allocate((8,), "f4"), allocate((2,), "f4")
dma.sendchannel.transfer(x)
dma.recvchannel.transfer(y)
try:
    dma.recvchannel.wait()
except RuntimeError as error:
    print(json.dumps([str(error), dma.read(0x34), dma.sendchannel.running]))
"""
    message, status, running = json.loads(run_on_board(LOAD + script))
    assert message == "DMA channel not started"
    assert status == 0x4011
    assert not running


def test_an_address_outside_the_design_is_a_bus_error(run_on_board: Run) -> None:
    script = """
try:
    MMIO(0x5000_0000, 4).read(0)
except RuntimeError as error:
    print(error)
"""
    assert "nothing in the loaded design answers at 0x50000000" in run_on_board(LOAD + script)


def test_another_design_can_be_loaded_in_the_same_process(run_on_board: Run) -> None:
    script = """
MMIO(0x43C00000, 64).write(4, 77)
again = Overlay("hls4ml_nn.bit")
print(again.hier_0.standin_axi_0.read(4), again.device.twin_cycles)
"""
    assert run_on_board(LOAD + script).split() == ["0", "0"]


def test_an_overlay_that_was_not_downloaded_has_nothing_to_talk_to(run_on_board: Run) -> None:
    script = """
from pynq import MMIO, Overlay
Overlay("hls4ml_nn.bit", download=False)
try:
    MMIO(0x40400000, 64).read(4)
except RuntimeError as error:
    print(error)
"""
    assert "no bitstream is loaded" in run_on_board(script)


def test_a_bitstream_of_a_real_board_is_refused(run_on_board: Run, overlay: Path) -> None:
    sync = bytes.fromhex("ffffffffaa995566")
    write_bit(overlay / "hls4ml_nn.bit", sync, design="design_1", part="xc7z020clg400-1")
    assert "made for a real board" in run_on_board(REFUSED)


def test_a_bitstream_for_another_part_is_refused(run_on_board: Run, overlay: Path) -> None:
    write_bit(overlay / "hls4ml_nn.bit", bytes(64), design="design_1", part="xc7z010clg400-1")
    assert "for part xc7z010clg400, this twin has xc7z020clg400-1" in run_on_board(REFUSED)


def test_a_truncated_bitstream_is_refused(run_on_board: Run, overlay: Path) -> None:
    bit = overlay / "hls4ml_nn.bit"
    bit.write_bytes(bit.read_bytes()[:-4])
    assert "not a complete .bit file" in run_on_board(REFUSED)


def test_a_dma_that_is_not_emulated_is_refused(run_on_board: Run, overlay: Path) -> None:
    hwh = overlay / "hls4ml_nn.hwh"
    hwh.write_text(hwh.read_text().replace('"c_include_sg" VALUE="0"', '"c_include_sg" VALUE="1"'))
    assert "hier_0/axi_dma_0 has c_include_sg=1" in run_on_board(REFUSED)


def test_the_stock_driver_predicts_through_the_fabric(run_on_board: Run, overlay: Path) -> None:
    hls4ml = find_spec("hls4ml")
    assert hls4ml is not None
    assert hls4ml.origin is not None
    drivers = "templates/vivado_accelerator/pynq-z2/python_drivers/axi_stream_driver.py"
    stock = Path(hls4ml.origin).parent / drivers
    (overlay / "axi_stream_driver.py").write_bytes(stock.read_bytes())
    script = """
import numpy as np
from axi_stream_driver import NeuralNetworkOverlay
X = np.random.default_rng(1).standard_normal((450, 4)).astype(np.float32)
nn = NeuralNetworkOverlay("hls4ml_nn.bit", X.shape, (450, 2))
for _ in range(2):
    y, latency, throughput = nn.predict(X, profile=True)
    assert (y == X[:, ::2] + X[:, 1::2]).all()
print("golden")
"""
    assert run_on_board(script).splitlines()[-1] == "golden"


def test_programs_without_pynq_load_nothing_of_the_twin(board_python: Path, tmp_path: Path) -> None:
    environment = board_environment(board_python, board_kinds()["pynq-z2"], tmp_path)
    script = "import sys; print([m for m in sys.modules if 'twin' in m or 'numpy' in m])"
    said = subprocess.run(
        [board_python, "-c", script], env=dict(environment), check=True, capture_output=True
    )
    assert said.stdout == b"[]\n"


def test_other_pythons_start_in_the_twins_environment(tmp_path: Path, board_python: Path) -> None:
    environment = board_environment(board_python, board_kinds()["pynq-z2"], tmp_path)
    said = subprocess.run(
        [sys.executable, "-W", "error", "-c", "print('fine')"],
        env=dict(environment),
        check=True,
        capture_output=True,
    )
    assert said.stdout == b"fine\n"
