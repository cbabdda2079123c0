"""Each kind of failure, at its phase: class, remedy, tries, what is left, and the next good run."""

import logging
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tasks.core.errors import BuildError, FailureClass
from tasks.core.records.design import Synthesis
from tasks.core.records.settings import BuildSettings
from tests.tasks.toolchains.vivado_hls.conftest import Bench, processes

ALL_HLS = ("csynth_design", "export_design")
SIMULATED = ("csim_design", "csynth_design", "cosim_design", "export_design")
IMPLEMENTED = ("impl_1",)
ALL_RUNS = (
    *("design_1_processing_system7_0_0_synth_1", "design_1_axi_dma_0_0_synth_1"),
    *("design_1_tiny_axi_0_0_synth_1", "synth_1", "impl_1"),
)


@dataclass(frozen=True)
class Case:
    """A fault and what becomes of it.

    Attributes:
        fault: of tests/replay/faults.toml.
        failure_class: that it ends in.
        remedy: what the remedy must say.
        again: what the next good run does.
        tries: runs of the tool before it gives up.
        build: what the synthesis does beside.
    """

    fault: str
    failure_class: FailureClass
    remedy: str
    again: tuple[str, ...]
    tries: int = 1
    build: BuildSettings = BuildSettings()  # noqa: RUF009 - frozen


CSIM, COSIM = BuildSettings(csim=True), BuildSettings(cosim=True)
HLS = (
    Case("hls-part", "configuration", "Add the device family", ALL_HLS),
    Case("csim-compile", "permanent", "", ("csim_design", *ALL_HLS), build=CSIM),
    Case("csim-run", "permanent", "", ("csim_design", *ALL_HLS), build=CSIM),
    Case("hls-unroll", "permanent", "reuse factor", ALL_HLS),
    Case("hls-out-of-memory", "resource", "memory", ALL_HLS),
    Case("hls-killed", "resource", "memory", ALL_HLS),
    Case("hls-crash", "transient", "once more", ALL_HLS, tries=2),
    Case("hls-abnormal", "transient", "once more", ALL_HLS, tries=2),
    Case("hls-terminated", "transient", "again", ALL_HLS, tries=2),
    Case("hls-device-data", "transient", "", ALL_HLS, tries=2),
    Case("hls-nothing", "permanent", "log", ALL_HLS),
    Case("hls-exit-0", "permanent", "", ALL_HLS),
    Case("hls-disk", "resource", "Free space", ALL_HLS),
    Case("cosim-mismatch", "permanent", "", ("cosim_design", "export_design"), build=COSIM),
    Case("cosim-deadlock", "permanent", "FIFO", ("cosim_design", "export_design"), build=COSIM),
    Case("validation", "permanent", "", ("cosim_design", "export_design"), build=COSIM),
    Case("y2k22", "configuration", "76960", ("export_design",)),
    Case("y2k22-2021", "configuration", "76960", ("export_design",)),
    Case("export-nothing", "permanent", "log", ("export_design",)),
)
VIVADO = (
    Case("board-files", "configuration", "board_files", ALL_RUNS),
    Case("ip-missing", "permanent", "", ALL_RUNS),
    Case("clock", "permanent", "clock", ALL_RUNS),
    Case("udev", "configuration", "LD_PRELOAD", ALL_RUNS),
    Case("udev-report", "configuration", "LD_PRELOAD", ALL_RUNS),
    Case("licence-none", "configuration", "licence", ALL_RUNS),
    Case("ooc-out-of-memory", "resource", "memory", ALL_RUNS[2:], tries=2),
    Case("ooc-failed", "permanent", "", ALL_RUNS[2:]),
    Case("top-missing", "permanent", "", ALL_RUNS[3:]),
    Case("too-big", "permanent", "", IMPLEMENTED),
    Case("too-big-check", "permanent", "", IMPLEMENTED),
    Case("place-killed", "resource", "", IMPLEMENTED, tries=2),
    Case("vivado-crash", "transient", "once more", IMPLEMENTED, tries=2),
    Case("checkpoint-disk", "resource", "Free space", IMPLEMENTED),
    Case("bitstream-check", "permanent", "", IMPLEMENTED),
    Case("bit-missing", "permanent", "log", IMPLEMENTED),
    Case("bit-truncated", "transient", "log", IMPLEMENTED, tries=2),
    Case("bit-other-part", "transient", "log", IMPLEMENTED, tries=2),
    Case("reports-missing", "permanent", "log", ()),
)


def name(case: Case) -> str:
    return case.fault


def check_error(error: BuildError, case: Case, bench: Bench) -> None:
    assert error.failure_class == case.failure_class, error
    assert re.search(case.remedy, error.remedy, re.IGNORECASE), error
    assert error.tries == case.tries
    assert error.version == "2019.2"
    assert error.log is not None
    assert error.log.exists()
    assert error.bundle is not None
    with tarfile.open(error.bundle) as archive:
        names = [Path(member).name for member in archive.getnames()]
    assert {"error.txt", "facts.json", "environment.txt", "tool.log"} <= set(names)
    assert not processes(bench)


@pytest.mark.parametrize("case", HLS, ids=name)
def test_a_failed_synthesis_says_why_and_is_resumed(bench: Bench, case: Case) -> None:
    bench.build = case.build
    bench.fail(case.fault)
    with pytest.raises(BuildError) as raised:
        bench.synthesize()
    check_error(raised.value, case, bench)
    assert bench.runs("vivado_hls") == case.tries
    assert not list((bench.store_root / "synthesize").glob("*"))

    bench.fail()
    bench.forget()
    assert bench.synthesize().latency_cycles == 5
    assert tuple(event["name"] for event in bench.events("command")) == case.again


@pytest.mark.parametrize("case", VIVADO, ids=name)
def test_a_failed_implementation_says_why_and_is_resumed(
    bench: Bench, synthesized: Synthesis, case: Case
) -> None:
    bench.fail(case.fault)
    with pytest.raises(BuildError) as raised:
        bench.implement(synthesized)
    check_error(raised.value, case, bench)
    assert bench.runs("vivado") == case.tries
    assert not list((bench.store_root / "implement").glob("*"))

    bench.fail()
    bench.forget()
    assert bench.implement(synthesized).failed_nets == 0
    assert tuple(event["run"] for event in bench.events("run")) == case.again


def test_whatever_the_catalogue_knows_is_told_at_whatever_phase_it_strikes(
    bench: Bench, synthesized: Synthesis
) -> None:
    bench.strike(name="disk-full", at="opt_design")
    with pytest.raises(BuildError) as raised:
        bench.implement(synthesized)
    assert raised.value.signature == "disk-full"
    bench.build = CSIM
    bench.strike(name="hls-partition", at="export_design")
    with pytest.raises(BuildError) as raised:
        bench.synthesize()
    assert raised.value.signature == "hls-partition"


def test_a_run_that_looks_complete_and_reports_an_error_is_done_again(bench: Bench) -> None:
    bench.strike(name="hls-compile", at="start", tool="vivado_hls", effect="mark")
    for tries in (1, 2):
        with pytest.raises(BuildError, match="HLS does not accept the C"):
            bench.synthesize()
        assert bench.runs("vivado_hls") == tries


def test_what_an_earlier_run_has_written_does_not_pass_for_work(bench: Bench) -> None:
    bench.strike(name="hls-compile", at="start", tool="vivado_hls", effect="mark")
    with pytest.raises(BuildError):
        bench.synthesize()
    bench.fail("hls-nothing")  # beside all files of a complete run
    with pytest.raises(BuildError, match="phase synth has no good end"):
        bench.synthesize()
    bench.fail()
    bench.forget()
    bench.synthesize()
    assert tuple(event["name"] for event in bench.events("command")) == ALL_HLS


def test_secrets_that_a_tool_prints_are_kept_nowhere(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    lines = ["API_TOKEN=geheim-77", "ERROR: [HLS 999-1] cannot log in with --password geheim-77"]
    bench.strike(name="a dump", at="csynth_design", effect="error", lines=lines)
    with pytest.raises(BuildError, match="cannot log in") as raised:
        bench.synthesize()
    assert raised.value.log is not None
    log = raised.value.log.read_text()
    assert "API_TOKEN=***" in log
    assert "vivado_hls: ERROR: [HLS 999-1] cannot log in with --password ***" in caplog.text
    assert "geheim-77" not in str(raised.value) + log + caplog.text
