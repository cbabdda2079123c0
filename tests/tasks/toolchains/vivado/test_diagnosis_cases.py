"""Logs of public reports that lie beside the repository are judged as their index says."""

import csv
from typing import TYPE_CHECKING, cast

import pytest

from tasks.toolchains.vivado.diagnosis import diagnose
from tests.tasks.toolchains.vivado.realdata import SHARED

if TYPE_CHECKING:
    from tasks.toolchains.vivado.signatures import Tool

LOGS = SHARED / "cases" / "logs"
# The entry of signatures.toml that names the cause which the index states.
NAMED = {
    "01": "hls-dataflow",
    "03": "hls-stream-use",
    "05": "hls-stream-use",
    "07": "hls-not-synthesizable",
    "09": "hls-interface",
    "11": "cpp-tool-headers",
    "13": "cosim-files",
    "15": "memory-refused",
    "17": "bd-address",
    "19": "script-option",
    "21": "script-version",
    "23": "hls-silent",
    "25": "crash-assertion",
    "27": "route-incomplete",
    "29": "fit-pack",
    "31": "hls-config-file",
    "33": "part-missing",
    "35": "cpp-tool-headers",
    "37": "tool-not-found",
    "39": "hls-no-top",
    "41": "script-not-found",
    "43": "log-truncated",
    "45": "synth-rtl",
    "47": "hls-clang",
}


def index() -> list[dict[str, str]]:
    """All cases; none where there is no index."""
    path = LOGS / "INDEX.tsv"
    if not path.exists():
        return []
    return list(csv.DictReader(path.open(), delimiter="\t", quoting=csv.QUOTE_NONE))


@pytest.mark.skipif(not index(), reason="the cases do not lie beside this repository")
def test_each_case_has_its_signature() -> None:
    assert [case["nr"] for case in index()] == list(NAMED)


@pytest.mark.parametrize("case", index(), ids=lambda case: f"{case['nr']} {case['expected_cause']}")
def test_a_reported_failure_is_named_with_its_class(case: dict[str, str]) -> None:
    found = diagnose(
        LOGS / f"{case['nr']}.log", step="", tool=cast("Tool", case["tool"]), returncode=None
    )
    assert found is not None
    assert found.signature == NAMED[case["nr"]]
    assert case["expected_class"] in {found.failure_class, "any"}
