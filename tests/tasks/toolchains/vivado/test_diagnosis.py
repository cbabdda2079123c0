"""Promises of tasks/toolchains/vivado/diagnosis.py."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.toolchains.vivado.diagnosis import Diagnosis, diagnose, fatal
from tasks.toolchains.vivado.signatures import Signature, catalogue

GOOD_VIVADO = """\
#-----------------------------------------------------------
# Vivado v2019.2 (64-bit)
# Start of session at: Fri Sep 22 04:30:40 2023
#-----------------------------------------------------------
source design.tcl
CRITICAL WARNING: [PSU-1]  Parameter : PCW_UIPARAM_DDR_DQS_TO_CLK_DELAY_0 has negative value -0.05
CRITICAL WARNING: [BD 41-1276] Cannot set the parameter c_s_axis_s2mm_data_width on /axi_dma_0.
# if { [catch {exec false}] } { puts "ERROR: Test failed" }

*** Running vivado
    with args -log design_1_wrapper.vdi

****** Vivado v2019.2 (64-bit)
ERROR: [Memdata 28-96] Could not find a BMM_INFO_DESIGN property in the design.
CRITICAL WARNING: [Timing 38-282] The design failed to meet the timing requirements.
write_bitstream completed successfully
INFO: [Common 17-206] Exiting Vivado at Fri Sep 22 04:38:45 2023...
[Fri Sep 22 04:38:45 2023] impl_1 finished
INFO: [Common 17-206] Exiting Vivado at Fri Sep 22 04:39:20 2023...
"""
GOOD_VITIS_HLS = """\

****** Vitis HLS - High-Level Synthesis from C, C++ and OpenCL v2024.2 (64-bit)
WARNING: [HLS 200-2053] The vitis_hls executable is deprecated. Consider using vitis-run
ERROR: [HLS 200-101] config_array_partition: Unknown option '-maximum_size'.
ERROR: [HLS 200-101] config_array_partition: Unknown option '4096'.
Error while processing /p/myproject_prj/solution1/.autopilot/db/myproject.pp.0.cpp.
***** C/RTL SYNTHESIS COMPLETED IN 0h1m9s *****
INFO: [HLS 200-112] Total CPU user time: 41.1 seconds. Total elapsed time: 69 seconds
"""
EXPORT_AFTER_2021 = """\

****** Vivado(TM) HLS - High-Level Synthesis from C, C++ and SystemC v2019.2 (64-bit)
INFO: [IMPL 213-8] Exporting RTL as a Vivado IP.

****** Vivado v2019.2 (64-bit)
source run_ippack.tcl -notrace
bad lexical cast: source type value could not be interpreted as target
    while executing
"rdi::set_property core_revision 2209220430 {component component_1}"
INFO: [Common 17-206] Exiting Vivado at Fri Sep 22 04:30:19 2023...
ERROR: [IMPL 213-28] Failed to generate IP.
command 'ap_source' returned error code
    while executing
"source build_prj.tcl"
INFO: [Common 17-206] Exiting vivado_hls at Fri Sep 22 04:30:29 2023...
"""
CAUSES = ("cause", "suspect")
# A banner would begin a session.
NOISE = [line for line in GOOD_VIVADO.splitlines() if not line.startswith(("#", "*"))]
SESSION = """
*** Running vivado
    with args -log design_1_wrapper.vdi -mode batch

****** Vivado v2018.2 (64-bit)
{}
INFO: [Common 17-206] Exiting Vivado at Fri Sep 22 04:30:19 2023...
"""


def vivado(log: str, returncode: int | None = 1) -> Diagnosis | None:
    return diagnose(log.splitlines(), step="impl", tool="vivado", returncode=returncode)


def vivado_id(log: str, returncode: int | None = 1) -> str | None:
    found = vivado(log, returncode)
    return found.signature if found else None


def test_the_first_real_cause_is_told_not_the_last_line_nor_a_summary() -> None:
    found = diagnose(EXPORT_AFTER_2021.splitlines(), step="export", tool="vivado_hls", returncode=1)
    assert found is not None
    assert (found.signature, found.failure_class) == ("export-year", "configuration")
    assert found.line.startswith("bad lexical cast")
    assert EXPORT_AFTER_2021.splitlines()[found.line_number - 1].startswith("bad lexical cast")
    assert "AR 76960" in found.remedy


@pytest.mark.parametrize("returncode", [0, 1])
def test_errors_and_critical_warnings_of_good_runs_do_not_count(returncode: int) -> None:
    assert vivado(GOOD_VIVADO, returncode) is None
    assert not fatal(GOOD_VIVADO.splitlines())
    lines = GOOD_VITIS_HLS.splitlines()
    assert diagnose(lines, step="csynth", tool="vitis_hls", returncode=returncode) is None
    assert not fatal(lines, tool="vitis_hls")


def test_a_failed_run_is_found_though_the_exit_status_is_0() -> None:
    log = GOOD_VIVADO.replace(
        "[Fri Sep 22 04:38:45 2023] impl_1", "WARNING: [Vivado 12-8222] Failed run(s) : 'synth_1'\n"
    )
    assert fatal(log.splitlines(), tool="vivado")
    assert vivado_id(log, 0) == "run-failed"


def test_an_unknown_error_is_quoted_but_proves_nothing_alone() -> None:
    log = GOOD_VIVADO.replace("write_bitstream completed", "ERROR: [Odd 1-2] something new\nwrite")
    found = vivado(log)
    assert found is not None
    assert (found.signature, found.failure_class) == ("unrecognised-error", "permanent")
    assert found.line == "ERROR: [Odd 1-2] something new"
    assert not fatal(log.splitlines())


def test_a_known_cause_counts_more_than_an_unknown_error_before_it() -> None:
    log = "ERROR: [Odd 1-2] something new\nERROR: [Synth 8-439] module 'top' not found\n"
    assert vivado_id(log) == "synth-no-top"


def test_the_first_marker_is_quoted_if_no_line_says_more() -> None:
    assert vivado_id("place_design failed\nwrite_bitstream failed\n") == "place-failed"


def test_an_unknown_error_says_more_than_a_marker() -> None:
    log = "place_design failed\nERROR: [Common 17-69] Command failed: unheard of\n"
    found = vivado(log)
    assert found is not None
    assert found.line.endswith("unheard of")


def test_of_an_appended_log_only_the_last_session_counts() -> None:
    failed = SESSION.format("ERROR: [DRC NSTD-1] Unspecified I/O Standard: 3 out of 5 ports")
    good = SESSION.format("write_bitstream completed successfully")
    assert vivado_id(failed + good) is None
    assert not fatal((failed + good).splitlines())
    found = vivado(good + failed)
    assert found is not None
    assert found.signature == "pins-unconstrained"
    assert "NSTD-1" in (good + failed).splitlines()[found.line_number - 1]


def test_sessions_of_nested_tools_do_not_hide_what_came_before_them() -> None:
    log = GOOD_VIVADO.replace(
        "source design.tcl", "ERROR: [BD 5-390] IP definition not found for VLNV: x"
    )
    assert vivado_id(log) == "bd-ip-missing"


@pytest.mark.parametrize(
    ("returncode", "signature", "failure_class"),
    [
        (-9, "killed", "resource"),
        (137, "killed", "resource"),
        (-6, "ended-by-crash", "transient"),
        (134, "ended-by-crash", "transient"),
        (-11, "ended-by-crash", "transient"),
        (139, "ended-by-crash", "transient"),
        (-15, "ended-from-outside", "transient"),
        (130, "ended-from-outside", "transient"),
        (127, "tool-not-startable", "configuration"),
    ],
)
def test_a_run_that_ends_without_a_word_is_told_by_its_exit_status(
    returncode: int, signature: str, failure_class: str
) -> None:
    log = SESSION.format("Starting Placer Task").split("INFO")[0]
    found = vivado(log, returncode)
    assert found is not None
    assert (found.signature, found.failure_class) == (signature, failure_class)
    assert (found.line, found.line_number) == ("Starting Placer Task", 6)


def test_a_cause_in_the_log_counts_more_than_the_signal() -> None:
    assert vivado_id("write error: No space left on device\n", -9) == "disk-full"
    assert vivado_id("ERROR: [Odd 1-2] something new\n", -9) == "killed"


@pytest.mark.parametrize("returncode", [None, 1])
def test_a_log_without_its_closing_line_was_cut_off(returncode: int | None) -> None:
    log = SESSION.format("Starting Placer Task").split("INFO")[0]
    assert vivado_id(log, returncode) == "log-truncated"
    assert vivado_id(log, 0) is None
    assert vivado_id("no banner\n", returncode) is None


def test_the_shell_tells_of_a_kill_in_the_captured_output_only() -> None:
    log = ["INFO: [HLS 200-10] x", '/x/rdiArgs.sh: line 280:  2555 Killed        "$RDI_PROG" "$@"']
    found = diagnose(log, step="csynth", tool="vivado_hls", returncode=1)
    assert found is not None
    assert (found.signature, found.failure_class) == ("memory-killed", "resource")


def test_licences_that_are_busy_are_tried_again_and_missing_ones_are_not() -> None:
    refusal = (
        "WARNING: [Common 17-348] Failed to get the license for feature 'Synthesis' and/or device "
        "'xczu9eg'. Explanation: {}\nResolution: Check.\nsynth_design failed\n"
        "ERROR: [Common 17-345] A valid license was not found for feature 'Synthesis'\n"
    )
    classes = {}
    for why in (
        "Licensed number of users already reached.",
        "Cannot connect to license server system.",
        "The license feature Synthesis could not be found.",
    ):
        found = vivado(refusal.format(why))
        assert found is not None
        classes[found.signature] = found.failure_class
        # Granted the second time: the refusal alone is none of the run's faults.
        granted = refusal.format(why).split("synth_design failed")[0]
        assert vivado(granted, 0) is None
    assert classes == {
        "licence-busy": "transient",
        "licence-server-away": "transient",
        "licence-none": "configuration",
    }


def test_what_was_not_asked_for_is_not_missed() -> None:
    log = ["Vivado synthesis report not found.", "Cosim report not found."]
    assert diagnose(log, step="csynth", tool="hls4ml", returncode=1) is None
    found = diagnose(log, step="cosim", tool="hls4ml", returncode=1)
    assert found is not None
    assert found.signature == "hls4ml-no-cosim-report"


def test_the_quoted_line_has_no_secrets_and_is_short(tmp_path: Path) -> None:
    path = tmp_path / "vivado.log"
    path.write_bytes(b"ERROR: [Odd 1-2] https://me:hunter2@host API_TOKEN=abc \xff" + b"x" * 9999)
    found = diagnose(path, step="impl", tool="vivado", returncode=1)
    assert found is not None
    assert "hunter2" not in found.line
    assert "abc" not in found.line
    assert len(found.line) <= 400


def test_windows_line_ends_and_an_empty_log_are_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "runme.log"
    path.write_bytes(EXPORT_AFTER_2021.replace("\n", "\r\n").encode())
    found = diagnose(path, step="export", tool="vivado_hls", returncode=1)
    assert found is not None
    assert (found.signature, found.line_number) == ("export-year", 7)
    path.write_bytes(b"")
    assert diagnose(path, step="export", tool="vivado_hls", returncode=1) is None
    killed = diagnose(path, step="export", tool="vivado_hls", returncode=-9)
    assert killed is not None
    assert (killed.line, killed.line_number) == ("", 0)


@given(st.lists(st.text(max_size=60), max_size=30), st.integers(-64, 255))
def test_any_text_and_exit_status_get_an_answer(lines: list[str], returncode: int) -> None:
    found = diagnose(lines, step="impl", tool="vivado", returncode=returncode)
    assert found is None or found.cause
    assert fatal(lines) in (True, False)


@given(
    st.sampled_from([s for s in catalogue().signatures if s.fails and s.rank in CAUSES]),
    st.lists(st.sampled_from(NOISE), max_size=40),
)
def test_a_cause_is_found_wherever_it_stands(entry: Signature, noise: list[str]) -> None:
    tool = entry.tools[0] if entry.tools else "vivado"
    example = entry.examples[0].splitlines()
    log = ["prologue", *noise[::2], *example, *([] if entry.id == "run-waiting" else noise[1::2])]
    found = diagnose(log, step="", tool=tool, returncode=1)
    assert found is not None
    assert (found.signature, found.failure_class) == (entry.id, entry.kind)
    assert log[found.line_number - 1] == example[0]
    assert fatal(log, tool=tool) == entry.proves
