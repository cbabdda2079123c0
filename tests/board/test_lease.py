"""The board's lease file: whose the board is, whatever happens to clock, file and holder."""

from __future__ import annotations

import json
import os
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board import lease
from board.lease import BusyError, LeaseFile, checked, left_s, worded

if TYPE_CHECKING:
    from pathlib import Path

ADA, BOB = "ada@lab", "bob@desk"


def record(owner: str = ADA, lease_id: str = "one", *, held: bool = True) -> dict[str, Any]:
    texts = {"id": lease_id, "owner": owner, "purpose": "measure"}
    return {**texts, "flow_run_id": "", "flow_run_name": "", "held": held}


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "lease"
    path.touch()
    monkeypatch.setenv(lease.VARIABLE, str(path))
    monkeypatch.setattr(lease, "SETTLE_S", 0.0)
    return path


def reserve(owner: str, lease_id: str, duration_s: float) -> tuple[Any, Any]:
    with closing(LeaseFile()) as file:
        return file.reserve(record(owner, lease_id, held=False), duration_s)


def refused(owner: str) -> bool:
    """Whether somebody is refused the board; if not, they had it for a moment."""
    with closing(LeaseFile()) as file:
        try:
            file.take(record(owner, "asked"), 60)
        except BusyError:
            return True
        file.give_back()
    return False


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How far the board's clock is set forward; the one that counts from its start stays."""
    ahead = [0.0]
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + ahead[0])
    return ahead


def test_a_lease_that_is_held_again_lasts_as_long_as_before_the_clock_was_set(
    clock: list[float],
) -> None:
    first = LeaseFile()
    first.take(record(), 600)
    first.close()  # the connection broke
    clock[0] = 3 * 365 * 86400
    again = LeaseFile()
    assert left_s(again.join("one")) == pytest.approx(600, abs=5)


@pytest.mark.parametrize("years", [3, -3])
def test_a_reservation_lasts_as_long_as_it_was_made_for_when_the_clock_is_set(
    path: Path, clock: list[float], years: int
) -> None:
    reserve(ADA, "kept", 600)
    clock[0] = years * 365 * 86400
    assert refused(BOB)
    found = json.loads(path.read_text())
    path.write_text(json.dumps({**found, "ends": lease._uptime() - 1}))
    assert not refused(BOB)


def test_after_a_restart_a_reservation_ends_by_the_clock_or_after_its_duration(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve(ADA, "kept", 600)
    monkeypatch.setattr(lease, "_boot", lambda: "the next")
    monkeypatch.setattr(lease, "_uptime", lambda: 100.0)
    kept = LeaseFile().read()
    assert kept is not None
    clock[0] = 60
    assert left_s(kept) == pytest.approx(540, abs=5)
    clock[0] = -3 * 365 * 86400  # nobody has set it yet
    assert left_s(kept) == pytest.approx(500, abs=5)


def test_ones_own_run_works_under_ones_reservation_and_leaves_it_behind() -> None:
    reserve(ADA, "kept", 600)
    run = LeaseFile()
    _, taken_over = run.take(record(ADA, "run"), 60)
    assert taken_over is None
    assert refused(ADA)
    run.give_back()
    run.close()
    assert refused(BOB)
    with closing(LeaseFile()) as file:
        released = file.release(ADA)
    assert released is not None
    assert released["id"] == "kept"
    assert not refused(BOB)


def test_a_run_that_dies_under_a_reservation_leaves_it_behind() -> None:
    reserve(ADA, "kept", 600)
    run = LeaseFile()
    run.take(record(ADA, "run"), 60)
    run.close()
    assert refused(BOB)


def test_a_reservation_is_made_anew_by_its_owner() -> None:
    reserve(ADA, "kept", 60)
    made, taken_over = reserve(ADA, "longer", 600)
    assert (made["id"], taken_over) == ("longer", None)


def test_a_removed_file_lets_nobody_in_before_its_holder_has_noticed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = LeaseFile()
    holder.take(record(), 600)
    path.unlink()
    slept: list[float] = []
    monkeypatch.setattr(lease, "SETTLE_S", 2.0)
    monkeypatch.setattr(time, "sleep", slept.append)
    other = LeaseFile()
    assert slept == [2.0]
    assert not holder.is_current()
    assert other.is_current()


def test_who_waited_for_a_file_that_was_replaced_takes_the_new_one(path: Path) -> None:
    late = LeaseFile()
    path.unlink()
    path.touch()
    holder = LeaseFile()
    holder.take(record(), 600)
    with pytest.raises(BusyError):
        late.take(record(BOB, "two"), 60)


NONSENSE: list[Any] = [
    {},
    [],
    "lease",
    record(held=False),
    {**record(held=False), "since": 0, "expires": 1e300, "ends": 1},
    {**record(held=False), "since": 0, "expires": float("nan"), "ends": 1},
    {**record(held=False), "since": 1e300, "expires": 1e300, "ends": 1},
    {**record(held=False), "since": 0, "expires": "soon", "ends": 1},
    {**record(held=False), "since": 0, "expires": True, "ends": 1},
    {**record(held=False), "since": 0, "expires": 10**400, "ends": 1},
    {**record(), "owner": None, "since": 0, "expires": 60, "ends": 1},
]


@pytest.mark.parametrize("content", NONSENSE)
def test_a_file_that_makes_no_sense_stands_for_no_lease(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))
    file = LeaseFile()
    assert file.read() is None
    assert file.is_free()
    file.take(record(), 60)


@given(st.binary(max_size=200))
def test_no_content_of_the_file_ends_in_an_error(content: bytes) -> None:
    try:
        found = checked(json.loads(content.decode()))
    except (ValueError, RecursionError):
        return
    assert worded(found)


def test_nobody_has_a_board_for_longer_than_a_month() -> None:
    taken, _ = LeaseFile().take(record(), 1e12)
    assert left_s(taken) < 31 * 86400
    assert checked(taken) is not None


def test_looking_takes_nothing() -> None:
    looking = LeaseFile()
    assert looking.is_free()
    holder = LeaseFile()
    holder.take(record(), 60)
    assert not looking.is_free()


def test_a_link_in_the_place_of_the_file_is_not_followed(path: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("content")
    path.unlink()
    path.symlink_to(precious)
    with pytest.raises(OSError, match="symbolic"):
        LeaseFile()
    assert precious.read_text() == "content"
    assert os.path.lexists(path)
