"""Diagnosis names the cause, not its consequences, for the kinds of failure that builds meet."""

from collections.abc import Iterable

import pytest

from tasks.toolchains.vivado.diagnosis import Diagnosis, diagnose
from tasks.toolchains.vivado.signatures import Tool

VITIS_HLS = "****** Vitis HLS - High-Level Synthesis from C, C++ and OpenCL v2024.2 (64-bit)"
VITIS_RUN = "****** vitis-run v2024.2 (64-bit)"
HLS_BUILD = "  **** HLS Build v2025.1 1234567"
LAUNCH = "INFO: [vitis-run 82-31] Launching vitis_hls: vitis_hls -nolog -run tcl -f build.tcl"
VPP = "****** v++ v2023.1 (64-bit)"
VIVADO = "#-----------------------------------------------------------\n# Vivado v2025.1 (64-bit)"
WORK = (
    "Sourcing Tcl script '/srv/nn/build.tcl'",
    "INFO: [HLS 200-1510] Running: csynth_design",
    "INFO: [HLS 200-10] Analyzing design file 'nn.cpp' ...",
)
CLOSING = "INFO: [vitis-run 60-1662] Stopping dispatch session having empty uuid."
TCL_STACK = (
    "    while executing",
    '"source build.tcl"',
    '    ("uplevel" body line 1)',
    "    invoked from within",
    '"uplevel \\#0 [list source $tclfile] "',
)


def judged(lines: Iterable[str], tool: Tool = "vitis_hls", returncode: int = 1) -> Diagnosis | None:
    return diagnose(lines, step="", tool=tool, returncode=returncode)


def kind(lines: Iterable[str], tool: Tool = "vitis_hls") -> tuple[str, str]:
    found = judged(lines, tool)
    assert found is not None
    return found.signature, found.failure_class


@pytest.mark.parametrize("banner", [VITIS_HLS, VITIS_RUN, HLS_BUILD, LAUNCH])
@pytest.mark.parametrize("noise", [[], ["WARNING: Default location for XILINX_HLS not found", ""]])
def test_a_log_of_hls_of_2024_and_later_without_its_end_was_cut_off(
    banner: str, noise: list[str]
) -> None:
    cut = [*noise, banner, *WORK]
    assert kind(cut) == ("log-truncated", "resource")
    assert judged([*cut, CLOSING]) is None
    assert judged(cut, returncode=0) is None


@pytest.mark.parametrize(
    "closing",
    [
        "INFO: [HLS 200-112] Total CPU user time: 7 seconds. Total elapsed time: 9 seconds",
        "INFO: [vitis-run 60-791] Total elapsed time: 0h 0m 9s",
        "INFO: [Common 17-206] Exiting vitis_hls at Mon Feb  2 10:00:00 2026...",
    ],
)
def test_any_closing_line_of_hls_ends_its_log_whatever_a_wrapper_prints_after(closing: str) -> None:
    assert judged([VITIS_RUN, *WORK, closing, *["Timing report not found."] * 200]) is None


def test_a_nested_vivado_that_ended_does_not_close_the_log_of_hls() -> None:
    nested = "INFO: [Common 17-206] Exiting Vivado at Mon Feb  2 10:00:00 2026..."
    assert kind([HLS_BUILD, *WORK, nested]) == ("log-truncated", "resource")


def test_the_copy_of_a_log_in_the_cache_of_ips_ends_with_the_checkpoint() -> None:
    log = [
        "*** Running vivado",
        "synth_design completed successfully",
        "INFO: [Common 17-1381] The checkpoint '/srv/p/ip_0.dcp' has been generated.",
    ]
    assert judged(log, "vivado") is None
    assert kind(log[:-1], "vivado") == ("log-truncated", "resource")


@pytest.mark.parametrize(
    "summary",
    [
        ["ERROR: [COSIM 212-5] *** C/RTL co-simulation file generation failed. ***"],
        ["ERROR: [COSIM 212-4] *** C/RTL co-simulation finished: FAIL ***"],
        ["ERROR: [SIM 211-100] 'csim_design' failed: compilation error(s)."],
        ["ERROR: [HLS 200-1715] Encountered problem during source synthesis"],
        ["ERROR: [HLS 200-70] Compilation errors found: In file included from nn.cpp:1:"],
        ["ERROR: [Vivado 12-13638] Failed runs(s) : 'nn_synth_1'", " 'nn_synth_1' run failed"],
        ["11", *TCL_STACK],
    ],
    ids=lambda lines: lines[0],
)
def test_a_summary_does_not_beat_the_cause_before_or_after_it(summary: list[str]) -> None:
    cause = "ERROR: [Synth 8-77] port 'b' is not on module 'nn' [nn.v:2]"
    for log in ([*summary, cause], [cause, *summary]):
        found = judged([VITIS_HLS, *log, *TCL_STACK, CLOSING])
        assert found is not None
        assert (found.signature, found.line) == ("synth-rtl", cause)


def test_summaries_alone_name_what_failed() -> None:
    log = [
        "ERROR: [COSIM 212-5] *** C/RTL co-simulation file generation failed. ***",
        "ERROR: [COSIM 212-4] *** C/RTL co-simulation finished: FAIL ***",
        *TCL_STACK,
    ]
    assert kind(log) == ("cosim-files", "permanent")


def test_an_unknown_error_before_a_summary_is_quoted() -> None:
    found = judged(["ERROR: something odd", "ERROR: [COSIM 212-4] *** finished: FAIL ***"])
    assert found is not None
    assert found.line == "ERROR: something odd"


def test_of_a_tcl_error_the_message_above_the_stack_is_quoted() -> None:
    found = judged(["Sourcing Tcl script 'build.tcl'", "Error in magic pass", *TCL_STACK, CLOSING])
    assert found is not None
    assert (found.signature, found.line) == ("tcl-error", "Error in magic pass")


SOLUTION = """\
==============================================================
{}Vitis HLS - High-Level Synthesis from C, C++ and OpenCL v2023.2 (64-bit)
Copyright
==============================================================
{}
"""


@pytest.mark.parametrize("dated", ["", "File generated on Mon Feb  2 10:00:00 2026\n"])
def test_of_the_log_of_a_solution_only_the_last_start_counts(dated: str) -> None:
    bad = SOLUTION.format(dated, "ERROR: [HLS 207-3776] use of undeclared identifier 'w9' (a.cpp)")
    good = SOLUTION.format(dated, "INFO: [HLS 200-789] **** Estimated Fmax: 200.00 MHz")
    assert judged((bad + good).splitlines()) is None
    found = judged((good + bad).splitlines())
    assert found is not None
    assert found.line_number == len(good.splitlines()) + len(bad.splitlines())


@pytest.mark.parametrize("banner", [VITIS_HLS, VITIS_RUN, HLS_BUILD])
def test_of_hls_sessions_in_one_log_only_the_last_counts(banner: str) -> None:
    bad = [banner, *WORK, "ERROR: [HLS 207-3776] use of undeclared identifier 'w9'", CLOSING]
    assert judged([*bad, "", banner, *WORK, CLOSING]) is None
    assert kind([banner, *WORK, CLOSING, "", *bad])[0] == "hls-clang"
    assert kind([*bad, "", banner, *WORK]) == ("log-truncated", "resource")


@pytest.mark.parametrize(
    ("line", "signature"),
    [
        ("ERROR: [v++ 207-3776] use of undeclared identifier 'w9' (a.cpp:1:2)", "hls-clang"),
        ("ERROR: [v++ 214-134] Pointer to pointer is not supported", "hls-not-synthesizable"),
        ("ERROR: [v++ 200-970] Internal stream 's' failed dataflow checking", "hls-dataflow"),
        ("ERROR: [VPL 30-640] Place Check : This design requires more DSPs", "fit-place"),
        ("ERROR: [VPL UTLZ-1] Resource utilization: RAMB18 over-utilized", "fit-check"),
        ("ERROR: [VPL 35-3] Design is not routable", "route-incomplete"),
        ("ERROR: [VPL 18-1000] Routing results verification failed", "route-incomplete"),
        (
            "ERROR: [v++ 60-773] In 'a', caught Tcl error: ERROR: [HLS 200-1023] Part 'x9'",
            "part-missing",
        ),
    ],
)
def test_messages_under_the_prefix_of_vpp_are_known_by_their_number(
    line: str, signature: str
) -> None:
    log = [VPP, "ERROR: [v++ 60-300] Failed to build kernel(ip) nn", line]
    found = judged([*log, "ERROR: [v++ 60-599] Kernel compilation failed to complete"], "v++")
    assert found is not None
    assert (found.signature, found.line) == (signature, line)


def test_messages_of_a_simulation_report_are_known_without_their_family() -> None:
    assert kind(["ERROR: [COSIM-317] C++ compile error."], "vivado_hls")[0] == "cosim-test-bench"


@pytest.mark.parametrize(
    "lines",
    [
        ["ERROR: [BD::TCL 103-2041] This script was generated using Vivado <2020.1>"],
        ["ERROR: [BD_TCL-109] This script was generated using Vivado <2020.1>"],
        ["ERROR: [BD 5-390] IP definition not found for VLNV: xilinx.com:ip:axi_dma:9.9"],
        ["ERROR: [HLS 200-644] The 'set_part -tool' hidden command is not supported."],
        ["ERROR: [HLS 200-101] config_rtl: Unknown option '-sparkling'."],
        ["ERROR: [HLS 200-101] open_component: Option 'flow_target' cannot have value 'x'."],
        ["ERROR: HLS Tcl script does not exist: /srv/nn/build.tcl"],
        ['couldn\'t read file "build.tcl": no such file or directory', *TCL_STACK],
        ['no files matched glob pattern "/srv/nn/*.v"', *TCL_STACK],
        ['invalid command name "open_component"', *TCL_STACK],
        ['can\'t read "parts": no such variable', *TCL_STACK],
        ["ERROR: [HLS 200-71] Command 'set_part' is ignored. There is no active solution."],
    ],
    ids=lambda lines: lines[0],
)
def test_the_wrong_version_or_script_is_configuration(lines: list[str]) -> None:
    found = judged([HLS_BUILD, *lines, CLOSING])
    assert found is not None
    assert (found.failure_class, found.line) == ("configuration", lines[0])


def test_an_option_that_hls4ml_tries_in_vain_stays_harmless() -> None:
    log = ["ERROR: [HLS 200-101] config_array_partition: Unknown option '-maximum_size'.", CLOSING]
    assert judged([HLS_BUILD, *log]) is None


@pytest.mark.parametrize(
    "line",
    [
        "/opt/Xilinx/Vivado/2020.1/include/gmp.h:7:1: error: 'mp_x' does not name a type",
        "/tools/Xilinx/Vivado/2019.2/tps/lnx64/gcc-6.2.0/include/c++/6.2.0/cmath:9:2: error: x",
        r"C:/Xilinx/Vivado/2019.2/win64/tools/clang/bin\..\lib/c++/4.5.2\new.h:3:1: error: odd",
        "/usr/include/x86_64-linux-gnu/bits/floatn.h:74:7: error: unsupported machine mode",
        "ERROR: [HLS 207-3802] unknown type name 'x' (/usr/include/c++/13/cstddef:5:1)",
    ],
)
def test_errors_in_the_headers_of_the_tool_are_configuration(line: str) -> None:
    log = ["ERROR: [HLS 200-70] Compilation errors found: In file included from nn.cpp:1:", line]
    assert kind(log) == ("cpp-tool-headers", "configuration")


@pytest.mark.parametrize(
    "lines",
    [
        ["/srv/nn/firmware/nn.cpp:7:1: error: 'w9' was not declared in this scope"],
        ["/opt/Xilinx/Vitis_HLS/2023.2/include/ap_int_base.h:7:1: error: no match for operator"],
        ["/opt/Xilinx/Vitis_HLS/2023.2/include/etc/ap_fixed_base.h:7:1: error: ambiguous"],
        [
            "nn.cpp:3:4:   required from here",
            "/opt/Xilinx/Vitis_HLS/2023.2/tps/lnx64/gcc-8/include/vector:7:1: error: deleted",
        ],
        [
            "/usr/include/c++/11/vector:7:1: error: no matching constructor",
            "  T x;",
            "nn.cpp:3:4: note: in instantiation of member function 'f' requested here",
        ],
    ],
    ids=lambda lines: lines[0],
)
def test_errors_that_the_code_causes_in_headers_are_permanent(lines: list[str]) -> None:
    assert kind(lines) == ("cpp-error", "permanent")


PERMANENT = {
    "hls-stream-use": [
        "ERROR: [XFORM 203-711] Internal stream 's' must be produced and consumed exactly once.",
    ],
    "hls-dataflow": [
        "ERROR: [XFORM 203-711] Bundle has more than one writer",
        "ERROR: [HLS 200-968] Internal global variable 'm' failed dataflow checking: odd",
        "ERROR: [HLS 200-970] Internal stream failed checking",
        "ERROR: [HLS 200-977] Argument 'x' has read operations in two processes",
        "ERROR: [HLS 200-979] Variable 'v' failed dataflow checking: odd",
        "ERROR: [HLS 200-779] Non-shared array 'a' failed dataflow checking",
        "ERROR: [HLS 200-994] Cannot read value of 'v' from previous iterations",
        "ERROR: [HLS 200-997] Found unsupported dataflow constructs in function 'f'",
        "ERROR: [HLS 200-471] Dataflow form checks found feedback dependence",
    ],
    "hls-no-top": [
        "ERROR: [HLS 214-157] Top function not found: there is no function named 'nn'",
        "ERROR: [HLS 200-70] Cannot find any design unit to elaborate.",
        "ERROR: [SYNCHK 200-79] Cannot find the top function 'nn' in the design.",
    ],
    "hls-interface": [
        "ERROR: [HLS 214-125] A struct cannot be used as an axi slave stream",
        "ERROR: [HLS 214-126] An Array of user defined type 'y' cannot be used as a fifo",
        "ERROR: [XFORM 203-801] Interface read on 'in.V' has incompatible types.",
    ],
    "hls-not-synthesizable": [
        "ERROR: [SYNCHK 200-61] nn.cpp:7: unsupported memory access on variable 'vla'",
        "ERROR: [HLS 214-139] odd pointer",
        "ERROR: [HLS 214-141] hls::stream inside aggregate type is not supported",
        "ERROR: [HLS 214-341] in function 'f': Pointer cast is not supported.",
        "ERROR: [HLS 214-999] a check of a later version",
    ],
    "hls-pragma": ["ERROR: [HLS 207-5482] Invalid pragma bind_op variable value 'a.b'"],
    "hls-partition": [
        "ERROR: [XFORM 203-103] Array 'k': partitioned elements number (9) has exeeded the limit",
    ],
    "hls-array": ["ERROR: [XFORM 203-103] Cannot partition array 'w' (nn.cpp:8): bad factor 4."],
    "cpp-header-missing": ["ERROR: [HLS 207-812] 'w9.h' file not found (nn.cpp:1:10)"],
    "cpp-link": ["ld.lld: error: undefined symbol: main"],
    "csim-crash": ["@E Simulation failed: SIGSEGV."],
    "cosim-check": ["ERROR: [COSIM 212-361] C TB post check failed, nonzero return value '1'."],
    "fit-pack": [
        "ERROR: [Place 30-487] The packing of instances into the device could not be obeyed.",
        "ERROR: [Place 30-859] 300 cells could not be placed",
        "ERROR: [Place 30-1153] Failed to commit 9 macros:",
    ],
    "route-incomplete": ["ERROR: [Constraints 18-1000] Routing results verification failed"],
    "synth-black-box": ["ERROR: [DRC INBB-3] Black Box Instances: Cell 'nn_0' of type 'nn'"],
    "bd-address": ["ERROR: [BD 41-1075] Cannot create master segment in address space </cpu>"],
    "bd-port-missing": [
        "ERROR: [BD 5-106] Arguments to the connect_bd_net command cannot be empty"
    ],
    "bd-command": ["ERROR: [BD 41-1712] Create IP failed with errors"],
    "ip-not-generated": ["ERROR: [IP_Flow 19-3428] Failed to create Customization object nn_0"],
    "bd-ip-missing": ["ERROR: [BD 5-390] IP definition not found for VLNV: xilinx.com:hls:nn:1.0"],
}


@pytest.mark.parametrize(
    ("signature", "line"), [(kind, line) for kind, lines in PERMANENT.items() for line in lines]
)
def test_failures_of_the_design_are_named_and_permanent(signature: str, line: str) -> None:
    log = [line, "ERROR: [HLS 200-1715] Encountered problem during source synthesis", *TCL_STACK]
    assert kind(log) == (signature, "permanent")


@pytest.mark.parametrize(
    "line",
    [
        "Unexpected Assertion error in File /srv/ws/x.cxx Line 9",
        "An unrecoverable error has occurred, synthesis cancelled.",
        "TclStackFree: incorrect freePtr. Call out of sequence?",
        "clang: /srv/ws/x.cpp:9: void f(): Assertion `n > 0' failed.",
        "ERROR: [Common 17-49] Internal Data Exception: odd",
        "FATAL_ERROR: Vivado Simulator kernel has discovered an exceptional condition",
    ],
)
def test_an_assertion_of_the_tool_is_worth_another_try(line: str) -> None:
    log = ["*** Running vivado", "", line]
    assert kind(log, "vivado") == ("crash-assertion", "transient")


def test_an_assertion_of_the_test_bench_is_not() -> None:
    log = ["csim.exe: ../../nn_test.cpp:4: int main(): Assertion `y > 0' failed."]
    assert kind(log) == ("csim-assertion", "permanent")


@pytest.mark.parametrize(
    ("line", "failure_class"),
    [
        ("INFO: [Common 17-344] 'source' was cancelled", "transient"),
        ("ERROR: [COSIM 212-366] Cannot delete directory 'sim/tv': it is being used", "transient"),
        ("LLVM ERROR: IO failure on output stream.", "resource"),
        ("slurmstepd: error: *** JOB 4 ON n CANCELLED AT x DUE TO TIME LIMIT ***", "resource"),
        ("slurmstepd: error: Detected 1 oom-kill event(s) in StepId=4.batch.", "resource"),
        ("xelab: libc.so: version `GLIBCXX_3.4.99' not found (required by x)", "configuration"),
        ("ERROR: [HLS 200-72] License checkout unsuccessful.", "configuration"),
        (
            "ERROR: [HLS 200-70] Project/solution path 'a b' contains illegal character ' '.",
            "configuration",
        ),
        ("clang: error: unable to execute command: Killed", "resource"),
        ("make: g++: Command not found", "configuration"),
        ("ERROR: [Coretcl 2-101] Project 'nn.xpr' is already open.", "configuration"),
        ("ERROR: [Common 17-162] Invalid option value specified for 'value'.", "configuration"),
        ("./elaborate.sh: line 2: LIBRARY_PATH: unbound variable", "configuration"),
        (
            "ERROR: [BD 41-1665] Unable to generate wrapper: design 'top.bd' is locked",
            "configuration",
        ),
    ],
)
def test_the_machine_is_told_from_the_design(line: str, failure_class: str) -> None:
    assert kind([HLS_BUILD, line, CLOSING])[1] == failure_class


def test_errors_of_families_without_entry_are_named_by_their_family() -> None:
    lines = {
        "hls-other": "ERROR: [SCHED 204-999] something new",
        "cosim-other": "ERROR: [COSIM 212-999] something new",
        "synth-rtl": "ERROR: [Synth 8-9999] something new",
        "place-error": "ERROR: [Place 30-999] something new",
        "design-rule": "ERROR: [DRC ODD-1] something new",
        "bd-refused": "ERROR: [BD 41-9999] something new",
    }
    for signature, line in lines.items():
        assert kind([HLS_BUILD, line, *TCL_STACK, CLOSING])[0] == signature


@pytest.mark.parametrize(
    "line",
    [
        "/opt/Xilinx/Vitis_HLS/2023.2/tps/tcl/tcl8.5/tzdata/Europe/Berlin can't be opened.",
        '#   puts "ERROR: Cannot find generated VHDL files. Did you run C synthesis?"',
        '#   common::send_gid_msg -severity "ERROR" "This script was generated using Vivado <$v>"',
        '## couldn\'t open "x": permission denied',
        "WARNING: [Common 17-9] cannot open ~/.Xilinx/cache: Permission denied",
        "WARNING: [Project 1-9] The project was created with a newer version of Vivado.",
        "WARNING: [HLS 200-40] Cannot find library 'xilinx/Virtex-7/Virtex-7'.",
        "ERROR: [Memdata 28-96] Could not find a BMM_INFO_DESIGN property in the design.",
    ],
)
def test_lines_that_good_runs_print_are_no_failure(line: str) -> None:
    closing = "INFO: [Common 17-206] Exiting Vivado at Mon Feb  2 10:00:00 2026..."
    for banner, end, tool in ((HLS_BUILD, CLOSING, "vitis_hls"), (VIVADO, closing, "vivado")):
        log = [*banner.splitlines(), *WORK, line, *WORK, end]
        assert judged(log, tool) is None  # type: ignore[arg-type]


def test_a_program_of_hls_that_fails_without_a_message_is_named_if_nothing_else_is() -> None:
    silent = ["command 'ap_source' returned error code", *TCL_STACK]
    assert kind([VITIS_HLS, *WORK, *silent, CLOSING]) == ("hls-silent", "configuration")
    other = ["ERROR: [HLS 200-70] Pre-synthesis failed.", *silent]
    assert kind([VITIS_HLS, *WORK, *other, CLOSING])[0] == "hls-presynthesis"
