"""Failing logs of public builds are judged as their index says, at the rates that are promised."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tasks.toolchains.vivado.diagnosis import Diagnosis, diagnose
from tasks.toolchains.vivado.signatures import Rank, catalogue
from tests.tasks.toolchains.vivado.realdata import SHARED, Entry, index

CASES = SHARED / "cases" / "logs"
CLASS_RIGHT, CAUSE_NAMED, CUT_RIGHT = 0.95, 0.8, 0.9
CUTS = (0.3, 0.6, 0.9)


@dataclass(frozen=True)
class Case:
    """One failing log, and what is right."""

    log: Path
    expected_class: str
    found: Diagnosis | None

    @property
    def class_right(self) -> bool:
        return self.found is not None and self.expected_class in ("any", self.found.failure_class)

    @property
    def cause_named(self) -> bool:
        ranks: dict[str, Rank] = {each.id: each.rank for each in catalogue().signatures}
        signature = self.found.signature if self.found else ""
        return self.class_right and ranks.get(signature, "cause") not in ("unknown", "marker")


def cases() -> Iterator[Case]:
    with (CASES / "INDEX.tsv").open(encoding="utf-8") as rows:
        for row in csv.DictReader(rows, delimiter="\t"):
            log = CASES / f"{row['nr']}.log"
            tool = row["tool"]
            assert tool in ("vivado_hls", "vitis_hls", "vivado", "v++", "hls4ml")
            found = diagnose(log, step="", tool=tool, returncode=None)  # type: ignore[arg-type]
            yield Case(log, row["expected_class"], found)


@pytest.mark.skipif(not CASES.exists(), reason="no cases beside the repository")
def test_public_failures_get_the_right_class_and_a_cause(
    record_property: Callable[[str, object], None],
) -> None:
    judged = list(cases())
    classes = sum(case.class_right for case in judged) / len(judged)
    causes = sum(case.cause_named for case in judged) / len(judged)
    record_property("class right", classes)
    record_property("cause named", causes)
    assert classes >= CLASS_RIGHT, [case.log.name for case in judged if not case.class_right]
    assert causes >= CAUSE_NAMED, [case.log.name for case in judged if not case.cause_named]


def complete() -> list[Entry]:
    """Return the good logs of 2024 and later."""
    return [
        entry
        for entry in index()
        if entry.path.suffix in (".log", ".vds", ".vdi")
        and any(
            f"v{year}." in entry.path.read_text(errors="replace")[:600]
            for year in (2024, 2025, 2026)
        )
        and "ERR=0" in entry.stated
    ]


@pytest.mark.skipif(not index(), reason="no real data beside the repository")
def test_good_logs_that_are_cut_in_the_middle_are_told_from_whole_ones(
    record_property: Callable[[str, object], None],
) -> None:
    right = []
    for entry in complete():
        lines = entry.path.read_text(encoding="utf-8", errors="replace").splitlines()
        tool = "vitis_hls" if entry.tool.startswith("Vitis HLS") else "vivado"
        assert diagnose(lines, step="", tool=tool, returncode=1) is None  # type: ignore[arg-type]
        for share in CUTS:
            cut = lines[: int(share * len(lines))]
            found = diagnose(cut, step="", tool=tool, returncode=1)  # type: ignore[arg-type]
            right.append(found is not None and found.failure_class == "resource")
    rate = sum(right) / len(right)
    record_property("cut-off logs right", rate)
    assert rate >= CUT_RIGHT
