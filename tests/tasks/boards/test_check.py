"""What a board is and has is found step by step, each with its remedy."""

from functools import partial
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from pydantic import SecretStr

from board.kinds import board_kinds
from board.twin.faults import clear_faults, set_fault
from tasks.boards.address import BoardAddress, HostKey
from tasks.boards.check import answered, check, judge
from tasks.boards.lease import lease, show
from tasks.core.requirements import Finding
from tasks.store.store import Store
from tasks.toolchains.open import loopback

HEALTHY = {
    "python": "3.10.4", "machine": "armv7l", "root": True, "profile": True, "twin": None,
    "board": "Pynq-Z2", "model": "Zynq", "disk_free_bytes": 5e9, "cma_total_kb": 131072,
    "cma_free_kb": 120000, "temperature_c": 48.0, "now": 1000.0, "pynq": "3.0.1",
    "pynq_error": None, "device": "pynq", "fclk0_mhz": 100.0,
}  # fmt: skip


def found(address: BoardAddress) -> dict[str, Finding]:
    return {finding.name: finding for finding in check(address).findings}


def judged(**facts: Any) -> dict[str, Finding]:
    kind = board_kinds()["pynq-z2"]
    findings = judge({**HEALTHY, **facts}, kind, now=1000.0)
    return {finding.name: finding for finding in findings}


def test_a_twin_has_all_that_is_needed(twin: BoardAddress) -> None:
    checked = check(twin.model_copy(update={"target": "twin"}))
    assert checked.ok, checked
    told = {finding.name: finding.detail for finding in checked.findings}
    assert list(told)[:4] == ["reachable", "host key", "login", "sudo"]
    assert told["kind"] == "pynq-z2"
    assert told["pynq"].startswith("3.")
    assert told["fabric clock"] == "100 MHz"
    assert told["overlay"].startswith("not checked")


def test_a_machine_without_pynq_is_told_of_as_far_as_it_goes(sshd: BoardAddress) -> None:
    findings = found(sshd)
    assert not findings["pynq"].ok
    assert "XILINX_XRT" in findings["pynq"].remedy
    assert findings["disk"].ok


def test_what_fails_on_the_way_in_is_the_last_that_is_told(twin: BoardAddress) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    wrong_key = twin.model_copy(update={"host_key": HostKey.parse(other).line})
    nobody = twin.model_copy(update={"key_file": None, "password": SecretStr("wrong")})
    off = twin.model_copy(update={"port": 1})
    for address, last in ((off, "reachable"), (wrong_key, "host key"), (nobody, "login")):
        *before, failed = check(address).findings
        assert (failed.name, failed.ok) == (last, False)
        assert all(finding.ok for finding in before)


def test_refused_sudo_is_found(twin: BoardAddress) -> None:
    findings = found(twin.model_copy(update={"password": None}))
    assert not findings["sudo"].ok
    assert findings["python"].ok


def test_a_healthy_board_passes() -> None:
    assert all(finding.ok for finding in judged().values())


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("pynq", {"pynq_error": "RuntimeError: No Devices Found", "fclk0_mhz": None}),
        ("environment", {"profile": False}),
        ("kind", {"board": "Pynq-Z1"}),
        ("kind", {"board": "ZCU104"}),
        ("disk", {"disk_free_bytes": 1e6}),
        ("CMA memory", {"cma_free_kb": 1000}),
        ("time", {"now": 0.0}),
        ("temperature", {"temperature_c": 95.0}),
    ],
)
def test_one_thing_that_is_wrong_is_one_failure(name: str, facts: dict[str, Any]) -> None:
    assert [finding.name for finding in judged(**facts).values() if not finding.ok] == [name]


@pytest.mark.parametrize(
    ("facts", "ok", "said"),
    [
        ({"loaded": True, "parts": 40, "echoes": None}, True, "loaded, 40 IPs"),
        ({"loaded": True, "parts": 3, "echoes": True}, True, "echoes its input"),
        ({"loaded": True, "parts": 3, "echoes": False}, False, "echoes wrong words"),
        ({"loaded": False, "parts": 3, "echoes": None}, False, "3 IPs"),
        ({"error": "OSError: no base.bit"}, False, "no base.bit"),
    ],
)
def test_a_known_good_design_must_load_and_answer(
    facts: dict[str, Any], ok: bool, said: str
) -> None:
    finding = answered(facts, "power-cycle it")
    assert finding.ok is ok
    assert said in finding.detail


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


def test_a_twin_loads_a_known_good_design_which_answers(twin: BoardAddress, store: Store) -> None:
    checked = check(twin, known_good=partial(loopback.known_good, store))
    assert checked.findings[-1].name == "overlay"
    assert "echoes its input" in checked.findings[-1].detail
    assert show(twin).free


@pytest.mark.parametrize(
    ("fault", "said"),
    [("dma-stall", "has not answered within 5 s"), ("wrong-output", "echoes wrong words")],
)
def test_a_twin_that_fails_a_known_good_design_is_told_of(
    twin: BoardAddress, twins: Path, store: Store, fault: str, said: str
) -> None:
    set_fault(twins, twin.name, fault)
    try:
        finding = check(twin, known_good=partial(loopback.known_good, store)).findings[-1]
    finally:
        clear_faults(twins, twin.name)
    assert (finding.name, finding.ok) == ("overlay", False)
    assert said in finding.detail


def test_who_has_the_board_keeps_the_design_that_is_loaded(
    twin: BoardAddress, store: Store
) -> None:
    with lease([twin], "a run", duration_s=60):
        finding = check(twin, known_good=partial(loopback.known_good, store)).findings[-1]
    assert not finding.ok
    assert "(a run)" in finding.detail


@pytest.mark.parametrize(
    ("told", "kind"), [("Pynq-Z2", "pynq-z2"), ("ZCU104", "zcu104"), ("Ultra96", "ultra96v2")]
)
def test_boards_are_known_by_the_names_that_their_images_give_them(told: str, kind: str) -> None:
    facts = {**HEALTHY, "board": told}
    findings = {each.name: each for each in judge(facts, board_kinds()[kind], now=1e3)}
    assert findings["kind"].ok
