"""What a board is and has is found step by step, each with its remedy."""

from typing import Any

import asyncssh
import pytest
from pydantic import SecretStr

from board.kinds import board_kinds
from tasks.finding import Finding
from tasks.remote.address import BoardAddress, HostKey
from tasks.remote.check import check, judge

pytestmark = pytest.mark.slow

HEALTHY = {
    "python": "3.10.4", "machine": "armv7l", "root": True, "profile": True, "twin": None,
    "board": "Pynq-Z2", "model": "Zynq", "disk_free_bytes": 5e9, "cma_total_kb": 131072,
    "cma_free_kb": 120000, "temperature_c": 48.0, "now": 1000.0, "pynq": "3.0.1",
    "pynq_error": None, "device": "pynq", "fclk0_mhz": 100.0, "overlay": None,
}  # fmt: skip


def found(address: BoardAddress) -> dict[str, Finding]:
    return {finding.name: finding for finding in check(address).findings}


def judged(*, load: bool = False, **facts: Any) -> dict[str, Finding]:
    kind = board_kinds()["pynq-z2"]
    findings = judge({**HEALTHY, **facts}, kind, now=1000.0, load=load)
    return {finding.name: finding for finding in findings}


def test_a_twin_has_all_that_is_needed(twin: BoardAddress) -> None:
    checked = check(twin.model_copy(update={"target": "twin"}))
    assert checked.ok, checked
    told = {finding.name: finding.detail for finding in checked.findings}
    assert list(told)[:4] == ["reachable", "host key", "login", "sudo"]
    assert told["kind"] == "pynq-z2"
    assert told["pynq"].startswith("3.")
    assert told["fabric clock"] == "100 MHz"


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


def test_the_base_overlay_must_be_loaded_when_asked_for() -> None:
    assert not judged(load=True)["overlay"].ok
    assert judged(load=True, overlay={"loaded": True, "parts": 40})["overlay"].ok
    assert "overlay" not in judged()


@pytest.mark.parametrize(
    ("told", "kind"), [("Pynq-Z2", "pynq-z2"), ("ZCU104", "zcu104"), ("Ultra96", "ultra96v2")]
)
def test_boards_are_known_by_the_names_that_their_images_give_them(told: str, kind: str) -> None:
    facts = {**HEALTHY, "board": told}
    findings = {each.name: each for each in judge(facts, board_kinds()[kind], now=1e3, load=False)}
    assert findings["kind"].ok
