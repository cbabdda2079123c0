"""The driver does what hls4ml's does, without its defects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.board.conftest import OnBoard

LOAD = """
import json, os, signal
import numpy as np
from board.overlay import DmaError, DmaTimeoutError, NeuralNetworkOverlay
X, y = np.load("X_test.npy"), np.load("y_csim.npy")
def same(some, others):
    return bool(np.array_equal(some, others))
"""
NETWORK = LOAD + 'nn = NeuralNetworkOverlay("hls4ml_nn.bit", X.shape, y.shape)\n'


def test_predict_returns_what_the_stock_driver_returns(on_board: OnBoard) -> None:
    script = """
plain = nn.predict(X)
profiled, seconds, rate = nn.predict(X, debug=True, profile=True)
print(json.dumps([same(plain, y), same(profiled, y), str(plain.dtype), seconds * rate]))
"""
    plain, profiled, dtype, samples = on_board.say(NETWORK + script)
    assert plain
    assert profiled
    assert dtype == "float32"
    assert samples == pytest.approx(450)


def test_it_takes_batches_of_any_size(on_board: OnBoard) -> None:
    script = """
nn = NeuralNetworkOverlay("hls4ml_nn.bit", (8, 4), (8, 2))
sizes = [1, 8, 3, 450, 0, 9]
print(json.dumps([same(nn.predict(X[:n]), y[:n]) for n in sizes]))
"""
    assert on_board.say(LOAD + script) == [True] * 6


def test_transfers_stay_below_the_length_limit_of_the_dma(on_board: OnBoard) -> None:
    hwh = on_board.package / "hls4ml_nn.hwh"
    name = 'NAME="c_sg_length_width" VALUE='
    assert f'{name}"26"' in hwh.read_text()
    hwh.write_text(hwh.read_text().replace(f'{name}"26"', f'{name}"9"'))
    script = """
lengths = []
write = nn.device.write_registers
def spy(address, data):
    if address & 0xFF == 0x28:
        lengths.append(int.from_bytes(data, "little"))
    write(address, data)
nn.device.write_registers = spy
print(json.dumps([same(nn.predict(X), y), nn.dma.max_bytes, lengths]))
"""
    right, limit, lengths = on_board.say(NETWORK + script)
    assert right
    assert limit == 511
    assert lengths == [496] * 14 + [256]  # 31 samples of 16 bytes, then the last 16 samples


def test_results_are_copies(on_board: OnBoard) -> None:
    script = """
first = nn.predict(X[:10])
nn.predict(X[10:20])
part = nn.predict(X[:1])
part[:] = 7
print(json.dumps([same(first, y[:10]), same(nn.predict(X[:1]), y[:1]), type(first).__name__]))
"""
    assert on_board.say(NETWORK + script) == [True, True, "ndarray"]


def test_encode_and_decode_are_the_callers_and_buffers_stay(on_board: OnBoard) -> None:
    script = """
nn = NeuralNetworkOverlay("hls4ml_nn.bit", X.shape, y.shape, dtype=np.int32)
def encode(x):
    return np.round(x * 2.0**10)
def decode(words):
    return words * 2.0**-10
close = [np.abs(nn.predict(X, encode=encode, decode=decode) - y).max() for _ in range(2)]
print(json.dumps([close, str(nn.predict(X, encode=encode).dtype)]))
"""
    close, dtype = on_board.say(NETWORK + script)
    assert close == [pytest.approx(0, abs=2**-11)] * 2
    assert dtype == "int32"


def test_packed_words_are_converted_as_the_manifest_says(packed_on_board: OnBoard) -> None:
    script = """
raw = nn.predict(X[:4], decode=lambda elements: elements)
print(json.dumps([same(nn.predict(X), y), same(raw, y[:4] * 16), str(raw.dtype), raw.shape]))
"""
    assert packed_on_board.say(NETWORK + script) == [True, True, "int8", [4, 3]]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("nn.predict(np.full((1, 5), np.nan))", "no fixed-point form"),
        ("nn.predict(np.zeros((2, 4)))", "shape (2, 4); the design takes 5 elements"),
        ("nn.predict(1.0)", "shape (); the design takes 5 elements"),
        ("nn.predict(None)", "shape (); the design takes 5 elements"),
        ("nn.predict({'x': X})", "shape (); the design takes 5 elements"),
        ("nn.predict(X[0])", "shape (5,); the design takes 5 elements"),
        ("nn.predict(X.ravel())", "the design takes 5 elements"),
        ("nn.predict(X.T)", "the design takes 5 elements"),
        ("nn.predict(X + 1j)", "complex numbers"),
        ("nn.predict(np.ma.masked_less(X, 0))", "masked"),
        ("NeuralNetworkOverlay('hls4ml_nn.bit', (1, 5), (1,))", "output has shape [3]"),
    ],
)
def test_input_that_does_not_fit_is_refused(packed_on_board: OnBoard, call: str, said: str) -> None:
    script = f"""
try:
    {call}
except ValueError as error:
    print(json.dumps(str(error)))
"""
    assert said in packed_on_board.say(NETWORK + script)


@pytest.mark.parametrize("value", ["np.nan", "-np.inf", "1e300"])
def test_numbers_that_are_none_in_float32_are_refused(on_board: OnBoard, value: str) -> None:
    script = f"""
given = X.astype(np.float64)
given[7, 1] = {value}
try:
    nn.predict(given)
except ValueError as error:
    print(json.dumps([str(error), same(nn.predict(X), y)]))
"""
    assert on_board.say(NETWORK + script) == ["NaN and infinity have no fixed-point form", True]


def test_the_same_samples_in_any_form_give_the_same_outputs(on_board: OnBoard) -> None:
    script = """
nn = NeuralNetworkOverlay("hls4ml_nn.bit", (None, 4), (None, 2))
locked = X.copy()
locked.setflags(write=False)
forms = [
    X.tolist(), tuple(X), X.astype("f8"), np.asfortranarray(X), np.repeat(X, 2, 0)[::2],
    X[::-1][::-1], X.astype(">f4"), locked, X[:, None], X.astype(object), np.ma.masked_array(X),
]
rounded = np.round(X)
whole = [same(nn.predict(rounded.astype(t)), nn.predict(rounded)) for t in ("i8", "i1", object)]
print(json.dumps([*(same(nn.predict(form), y) for form in forms), *whole]))
"""
    assert on_board.say(LOAD + script) == [True] * 14


def test_elements_that_are_not_the_designs_words_are_refused(on_board: OnBoard) -> None:
    script = """
try:
    NeuralNetworkOverlay("hls4ml_nn.bit", X.shape, y.shape, dtype="float64")
except ValueError as error:
    print(json.dumps(str(error)))
"""
    assert "16 bytes a sample, and elements of float64 make 32" in on_board.say(LOAD + script)


def test_a_twin_has_as_much_time_as_a_transfer_has_bytes(on_board: OnBoard) -> None:
    """Its fabric is simulated: 166,000 samples took longer than a board's limit, and failed."""
    script = """
nn.timeout_s = 0
many = np.resize(X, (20_000, 4))
print(json.dumps(same(nn.predict(many), np.resize(y, (20_000, 2)))))
"""
    assert on_board.say(NETWORK + script)


def test_a_design_that_does_not_answer_is_given_up_with_the_registers(on_board: OnBoard) -> None:
    script = """
nn.timeout_s = 0.2
try:
    nn.predict(X)
except DmaTimeoutError as error:
    sent, received = error.registers["send"], error.registers["receive"]
    after = nn.dma.registers()
os.environ["ECHO_FAULT"] = ""
again = NeuralNetworkOverlay("hls4ml_nn.bit", X.shape, y.shape).predict(X)
print(json.dumps([sent, received, after["receive"], same(again, y)]))
"""
    sent, received, after, works_again = on_board.say(NETWORK + script, ECHO_FAULT="mute")
    assert sent["length"] == 450 * 16
    assert sent["status"] & 0x2, "all input was taken"
    assert received["length"] == 450 * 8
    assert not received["status"] & 0x3, "neither idle nor halted"
    assert after["length"] == 0, "the DMA was reset, so that it lets go of the buffer"
    assert works_again


def test_ctrl_c_aborts_the_transfer(on_board: OnBoard) -> None:
    script = """
signal.signal(signal.SIGALRM, signal.default_int_handler)
signal.setitimer(signal.ITIMER_REAL, 0.3)
try:
    nn.predict(X)
except KeyboardInterrupt:
    print(json.dumps([nn.dma.registers()[channel]["length"] for channel in ("send", "receive")]))
"""
    assert on_board.say(NETWORK + script, ECHO_FAULT="deaf") == [0, 0]


def test_arguments_for_pynq_reach_pynq(on_board: OnBoard) -> None:
    script = """
import pynq
class Stop(Exception):
    pass
def spy(self, bitfile_name, **arguments):
    raise Stop(arguments)
pynq.Overlay.__init__ = spy
asked = dict(dtbo="a.dtbo", download=False, ignore_version=True, device="device")
try:
    NeuralNetworkOverlay("hls4ml_nn.bit", X.shape, y.shape, **asked)
except Stop as stopped:
    print(json.dumps(stopped.args[0] == asked))
"""
    assert on_board.say(LOAD + script)


def test_a_loaded_design_can_be_used_without_loading_it_again(on_board: OnBoard) -> None:
    script = """
nn.predict(X)
before = nn.device.twin_cycles
other = NeuralNetworkOverlay("hls4ml_nn.bit", X.shape, y.shape, download=False)
print(json.dumps([same(other.predict(X), y), other.device.twin_cycles > before > 0]))
"""
    assert on_board.say(NETWORK + script) == [True, True]


def test_a_dma_in_scatter_gather_mode_is_refused(on_board: OnBoard) -> None:
    script = """
from board.dma import Dma
class Driver:
    description = {"parameters": {"c_include_sg": "1"}}
try:
    Dma(Driver())
except ValueError as error:
    print(json.dumps(str(error)))
"""
    assert "scatter-gather" in on_board.say(LOAD + script)


def test_the_time_of_a_call_is_split_into_phases(on_board: OnBoard) -> None:
    script = """
outputs, seconds, rate = nn.predict(X, profile=True)
print(json.dumps([nn.phases, seconds]))
"""
    phases, seconds = on_board.say(NETWORK + script)
    assert list(phases) == ["encode", "copy_in", "dma", "copy_out", "decode"]
    assert min(phases.values()) > 0
    assert sum(phases.values()) == pytest.approx(seconds)


def test_buffers_can_be_freed_and_come_back(on_board: OnBoard) -> None:
    script = """
nn.free_buffers()
nn.free_buffers()
freed = nn.input_buffer is nn.output_buffer is None
print(json.dumps([freed, same(nn.predict(X), y)]))
"""
    assert on_board.say(NETWORK + script) == [True, True]


def test_an_overlay_refuses_to_answer_with_another_s_design(on_board: OnBoard) -> None:
    script = """
other = NeuralNetworkOverlay("hls4ml_nn.bit", X.shape, y.shape)
try:
    refused = nn.predict(X[:3]).tolist()
except RuntimeError as error:
    refused = str(error)
right = same(other.predict(X), y)
nn.download()
print(json.dumps([refused, right, same(nn.predict(X), y)]))
"""
    refused, right, again = on_board.say(NETWORK + script)
    assert "another design was loaded" in refused
    assert (right, again) == (True, True)


def test_predict_gives_each_thread_its_own_outputs(on_board: OnBoard) -> None:
    script = """
from concurrent.futures import ThreadPoolExecutor
def ask(n):
    return all(same(nn.predict(X[n:n + 8]), y[n:n + 8]) for _ in range(20))
with ThreadPoolExecutor(4) as pool:
    print(json.dumps(list(pool.map(ask, range(0, 160, 8)))))
"""
    assert all(on_board.say(NETWORK + script))
