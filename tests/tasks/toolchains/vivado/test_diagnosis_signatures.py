"""Promises of signatures.toml: every entry knows its own examples, and what failures.md found."""

import json
import re
from typing import Any

import pytest

from tasks.toolchains.vivado.signatures import Ending, Signature, catalogue
from tests.tasks.toolchains.vivado.realdata import SHARED

# Failures that no line of a log tells: watchdogs and checks of the outputs find them.
WITHOUT_TEXT = {"hls-truncated", "hls-noop", "hls-hang", "pynq-dma-hang", "vpl-hang"}
# Programs that overlayflow does not run; board connections have their own errors in tasks/boards.
OTHER_PROGRAMS = re.compile(r"finn-|ssh-|scp-|pmk-")
KINDS = {
    "PERMANENT": "permanent",
    "CONFIG": "configuration",
    "TRANSIENT": "transient",
    "RESOURCE": "resource",
    "WARN": "warning",
    "BENIGN": "benign",
    "FATAL": "permanent",
}
# The catalogue goes further: the first of two lines alone proves nothing, and a report counts only
# where it was asked for.
JUDGED_OTHERWISE = {"lic-348": "licence-refused-once", "h4m-no-vsynth": "benign-report-not-asked"}


def known_failures() -> list[dict[str, Any]]:
    path = SHARED / "failures.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return [
        failure
        for failure in found
        if failure["id"] not in WITHOUT_TEXT and not OTHER_PROGRAMS.match(failure["id"])
    ]


def entries() -> list[Signature | Ending]:
    return [*catalogue().signatures, *catalogue().endings]


def first(text: str, signatures: list[Signature]) -> str:
    return next(signature.id for signature in signatures if signature.pattern.search(text))


@pytest.mark.parametrize("signature", catalogue().signatures, ids=lambda signature: signature.id)
def test_examples_match_their_own_entry_first_in_every_scope(signature: Signature) -> None:
    step = signature.steps[0] if signature.steps else ""
    for example in signature.examples:
        for tool in signature.tools or (None,):
            assert first(example, catalogue().in_scope(tool, step)) == signature.id


def test_ids_are_unique_and_the_last_entry_is_the_catch_all() -> None:
    ids = [entry.id for entry in entries()]
    assert len(ids) == len(set(ids))
    assert catalogue().signatures[-1].id == "unrecognised-error"


def test_no_exit_status_has_two_meanings() -> None:
    statuses = [status for ending in catalogue().endings for status in ending.returncodes]
    assert len(statuses) == len(set(statuses))
    assert [ending.id for ending in catalogue().endings if ending.truncated] == ["log-truncated"]


def test_every_entry_says_in_whole_sentences_what_it_means_and_what_to_do() -> None:
    for entry in entries():
        assert entry.cause.endswith("."), entry.id
        assert entry.remedy[0].isupper(), entry.id
        assert len(entry.cause) + len(entry.remedy) < 220, entry.id


def test_nothing_matches_the_empty_line() -> None:
    assert [s.id for s in catalogue().signatures if s.pattern.search("\n\nok\n \n")] == []


def test_the_log_of_a_tool_may_hold_those_of_the_tools_it_starts() -> None:
    ids = {signature.id for signature in catalogue().in_scope("vivado_hls", "")}
    assert {"hls-unroll", "licence-none", "disk-full"} <= ids
    assert "dma-busy" not in ids
    assert "hls-unroll" not in {signature.id for signature in catalogue().in_scope("vivado", "")}


@pytest.mark.parametrize("failure", known_failures(), ids=lambda failure: failure["id"])
def test_every_known_failure_with_text_is_judged_as_its_finders_judge_it(
    failure: dict[str, Any],
) -> None:
    text = failure["text"].replace("  (exit 127)", "")
    signatures = catalogue().in_scope(None, "")
    lines: dict[int, Signature] = {}
    for signature in signatures:
        for match in signature.pattern.finditer(text):
            lines.setdefault(text.rfind("\n", 0, match.start()) + 1, signature)
    found = [lines[offset] for offset in sorted(lines)]
    causes = [each for each in found if each.fails and each.rank in ("cause", "suspect")]
    judged = (causes or found)[0]
    if failure["id"] in JUDGED_OTHERWISE:
        assert judged.id == JUDGED_OTHERWISE[failure["id"]]
    else:
        kind, *_ = re.findall(r"[A-Z]+", failure["cls"])
        assert judged.kind == KINDS[kind]
    if failure["cls"].startswith("FATAL"):
        assert judged.rank == "marker"
