"""overlayflow twin: twins with another pynq, on another address, with faults and without."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from board.twin import lifecycle
from deployments.cli import main
from tasks.boards import twins
from tasks.core import settings

Say = Callable[..., str]


@pytest.fixture
def say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Say]:
    """Runs `overlayflow twin` and returns what it prints: its answer, or its complaint."""
    monkeypatch.setenv("OVERLAYFLOW_HOME", str(tmp_path))

    def command(*arguments: str, code: int = 0) -> str:
        assert main.main(["twin", *arguments]) == code
        captured = capsys.readouterr()
        return captured.err if code else captured.out

    yield command
    for name in twins.twin_names():
        twins.stop_twin(name)


def twin(told: str) -> Any:
    return json.loads(told)["twin"]


def test_faults_are_given_shown_and_taken(say: Say) -> None:
    say("start", "shaky")
    assert say("fault", "shaky", "dma-error=decode") == ("faults of twin shaky: dma-error=decode\n")
    assert "faults of twin shaky: full-disk, dma-error=decode\n" in say(
        "fault", "shaky", "full-disk"
    )
    assert say("clear", "shaky", "dma-error") == "faults of twin shaky: full-disk\n"
    told = json.loads(say("clear", "shaky", "--json"))
    assert (told["name"], told["faults"]) == ("shaky", {})
    assert "no fault 'gremlins'" in say("fault", "shaky", "gremlins", code=2)
    assert "internal, slave or decode" in say("fault", "shaky", "dma-error=odd", code=2)
    assert "no fault 'gremlins'" in say("clear", "shaky", "gremlins", code=2)
    assert "does not run" in say("fault", "nobody", "full-disk", code=2)
    assert say("fault", "shaky", "slow-link=100kB") == "faults of twin shaky: slow-link=100000\n"
    assert "'soon' is not a duration; use 90s" in say("fault", "shaky", "reboot=soon", code=2)


def test_a_twin_listens_where_it_is_told_to(say: Say) -> None:
    record = twin(say("start", "elsewhere", "--host", "127.0.0.2", "--json"))
    assert record["host"] == "127.0.0.2"
    assert twin(say("status", "elsewhere", "--json")) == record
    assert "xilinx@127.0.0.2" in say("status", "elsewhere")


@pytest.mark.slow
def test_a_twin_has_the_pynq_that_is_asked_for(say: Say) -> None:
    if not settings.board_python("3.0.1").exists():
        pytest.skip("no environment with pynq 3.0.1: run `make board-envs`")
    assert twin(say("start", "old", "--pynq", "3.0.1", "--json"))["pynq"] == "3.0.1"
    assert "it runs with pynq 3.0.1, not 3.1.2" in say("start", "old", "--pynq", "3.1.2", code=2)


def test_a_pynq_that_is_not_set_up_is_told_with_the_remedy(say: Say) -> None:
    assert "make board-envs" in say("start", "new", "--pynq", "9.9", code=2)
    assert lifecycle.names(twins.twins()) == []
