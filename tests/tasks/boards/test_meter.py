"""An external power meter: which of its readings count."""

import sys
from pathlib import Path

import pytest

from tasks.boards.meter import DONE, IDLE, LOAD, Meter, metering
from tasks.core.errors import ToolMissingError
from tests.waiting import until

# Reads `watts`, as an instrument that shows another figure from one moment to the next.
METER = """
import pathlib, time
print("connected to PM-1", flush=True)
while True:
    print(pathlib.Path("watts").read_text(), flush=True)
    time.sleep(0.01)
"""


def show(meter: Meter, watts: str, readings: int = 5) -> None:
    """Have the instrument show something until it was read a few times."""
    target = meter.path.with_name("watts")
    aside = target.with_suffix(".part")
    aside.write_text(watts)
    aside.replace(target)
    until(lambda: meter.path.read_text().split("\n")[:-1][-readings:] == [watts] * readings)


def test_readings_count_by_what_the_board_did_when_they_were_printed(tmp_path: Path) -> None:
    (tmp_path / "watts").write_text("9")
    with metering([sys.executable, "-c", METER], tmp_path) as meter:
        for phase, watts in ((IDLE, "1.5"), (LOAD, "4.0"), (DONE, "7")):
            show(meter, "ranging")
            meter.mark(phase)
            show(meter, watts)
    assert meter.watts() == 4.0


def test_lines_that_are_no_figures_and_lines_that_are_cut_off_do_not_count(tmp_path: Path) -> None:
    meter = Meter(tmp_path / "meter.log")
    for phase, printed in (
        (IDLE, b"PM-1\n1\n"),
        (LOAD, b"1\n5\n"),
        (DONE, b"7\nnan\noverload\n12"),
    ):
        with meter.path.open("ab") as file:
            file.write(printed)
        meter.mark(phase)
    with meter.path.open("ab") as file:
        file.write(b"34.5\n")
    assert meter.watts() == 7.0


def test_a_meter_that_tells_nothing_is_no_figure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with metering([sys.executable, "-c", "raise SystemExit('no device')"], tmp_path) as meter:
        until(meter.path.read_text)
        for phase in (IDLE, LOAD, DONE):
            meter.mark(phase)
    assert meter.watts() is None
    assert "gave no reading under load" in caplog.text
    assert meter.path.read_text() == "no device\n"


def test_a_board_that_did_not_come_so_far_has_no_figure(tmp_path: Path) -> None:
    with metering(["cat", "/dev/null"], tmp_path) as meter:
        meter.mark(IDLE)
    assert meter.watts() is None


def test_a_meter_that_is_not_installed_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    with (
        pytest.raises(ToolMissingError, match="no-such-meter") as raised,
        metering(["no-such-meter", "--watts"], tmp_path),
    ):
        pass
    assert "machine that runs the flow" in raised.value.remedy
