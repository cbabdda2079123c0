"""Real logs of Vivado HLS, Vitis HLS and Vivado are judged as their index states."""

import re

import pytest

from tasks.processes.redaction import redact
from tasks.toolchains.vivado.diagnosis import diagnose, fatal
from tasks.toolchains.vivado.signatures import Tool
from tests.tasks.toolchains.vivado.realdata import Entry, index

# What the index states of the runs that failed: the path's end, the signature and its line.
FAILED = {
    "model_5_pynq/vivado.log": ("board-files-missing", "[Board 49-71]"),
    "gnn_axi/vivado_24040.backup.log": ("licence-none", "was found but is expired"),
    "model_3/hls4ml_prj_pynq/hs_err_pid7019.log": ("crash-in-libudev", "libudev"),
    "Cnn_Hls/solution1/.autopilot/db/autopilot.flow.log": ("export-failed", "[IMPL 213-28]"),
    "simple_ip/solution1/.autopilot/db/autopilot.flow.log": ("export-failed", "[IMPL 213-28]"),
    "hls_test/solution1/.autopilot/db/autopilot.flow.log": ("export-failed", "[IMPL 213-28]"),
    "cnn_accelerator_fpga/vivado_hls.log": ("export-year", "bad lexical cast"),
    "cnn_accelerator_fpga/hls/vivado_hls.log": ("export-year", "bad lexical cast"),
    "cnn_accelerator_fpga/test_fpga/vivado_hls.log": ("export-year", "bad lexical cast"),
    "cnn_accelerator.runs/synth_1/design_1_wrapper.vds": ("synth-no-top", "[Synth 8-439]"),
    "cnn_accelerator.runs/synth_1/runme.log": ("synth-no-top", "[Synth 8-439]"),
    "cnn_accelerator/vivado_10828.backup.log": ("bd-clock-open", "[BD 41-758]"),
    "cnn_zynq_hw.runs/impl_1/cnn_top.vdi": ("place-too-many-pins", "[Place 30-58]"),
    "cnn_zynq_hw.runs/impl_1/runme.log": ("place-too-many-pins", "[Place 30-58]"),
    "symbolic_HLS/vitis_hls.log": ("run-failed", "[Vivado 12-13638]"),
    "arati_ganesh_ece8893_spring25_lab2/vitis_hls.log": ("disk-checkpoint", "[Runs 36-520]"),
}
# Ended without a word: killed, and crashed in a library (which only its hs_err file tells).
CUT_OFF = ("model_2/hls4ml_prj/vivado_hls.log", "hls4ml_prj_pynq/vivado_7019.backup.log")


def logs() -> list[Entry]:
    return [entry for entry in index() if re.search(r"\.(log|vds|vdi)$", entry.path.name)]


def failed(entry: Entry) -> tuple[str, str] | None:
    return next((told for end, told in FAILED.items() if str(entry.path).endswith(end)), None)


def is_cut_off(entry: Entry) -> bool:
    return str(entry.path).endswith(CUT_OFF)


def tool(entry: Entry) -> Tool:
    if entry.tool.startswith("Vitis HLS"):
        return "vitis_hls"
    return "vivado_hls" if "autopilot" in entry.path.name or "hls" in entry.path.name else "vivado"


@pytest.mark.parametrize("entry", [log for log in logs() if failed(log)], ids=str)
@pytest.mark.parametrize("returncode", [0, 1])
def test_failed_runs_are_told_by_their_first_cause(entry: Entry, returncode: int) -> None:
    signature, text = failed(entry) or ("", "")
    found = diagnose(entry.path, step="", tool=tool(entry), returncode=returncode)
    assert found is not None
    assert found.signature == signature
    assert text in found.line
    lines = entry.path.read_text(encoding="utf-8", errors="replace").split("\n")
    assert lines[found.line_number - 1].startswith(found.line[:200])
    assert fatal(entry.path)
    assert fatal(entry.path, tool=tool(entry))


@pytest.mark.parametrize(
    "entry", [log for log in logs() if not failed(log) and not is_cut_off(log)], ids=str
)
def test_no_line_of_a_good_run_counts(entry: Entry) -> None:
    assert not fatal(entry.path)
    assert diagnose(entry.path, step="", tool=tool(entry), returncode=1) is None


@pytest.mark.parametrize("entry", [log for log in logs() if is_cut_off(log)], ids=str)
def test_runs_that_ended_without_a_word_are_told_by_that(entry: Entry) -> None:
    assert not fatal(entry.path)
    ends = {None: "log-truncated", 1: "log-truncated", -9: "killed", 134: "ended-by-crash"}
    for returncode, signature in ends.items():
        found = diagnose(entry.path, step="", tool=tool(entry), returncode=returncode)
        assert found is not None
        assert found.signature == signature


@pytest.mark.skipif(not index(), reason="no real data beside the repository")
def test_every_failed_log_of_the_index_is_expected_here() -> None:
    assert sum(1 for log in logs() if failed(log)) == len(FAILED)
    assert sum(1 for log in logs() if is_cut_off(log)) == len(CUT_OFF)
    stated = [log for log in logs() if "firstERR" in log.stated and "bit: " not in log.stated]
    unexpected = [str(log) for log in stated if not failed(log) and "HLS 200-642" not in log.stated]
    assert unexpected == []


@pytest.mark.parametrize("entry", logs(), ids=str)
def test_logs_without_secrets_stay_as_they_are(entry: Entry) -> None:
    text = entry.path.read_text(encoding="utf-8", errors="replace")[:50_000]
    assert redact(text) == text
