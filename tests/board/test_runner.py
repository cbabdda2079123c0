"""The runner measures a package on a (twin) board, and says plainly when it cannot."""

from __future__ import annotations

import fcntl
import json
import re
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from board import lease, package, runner
from board.supervision import RunError

if TYPE_CHECKING:
    import subprocess

    from tests.board.conftest import OnBoard

CLOCK_HZ = 100e6
SAMPLES = 450


def test_it_measures_cycles_latency_rate_and_outputs(on_board: OnBoard) -> None:
    assert on_board.run("--passes", "2") == (0, {"event": "done"})
    results = on_board.results()
    outputs = np.load(on_board.out / "y_hw.npy")
    np.testing.assert_array_equal(outputs, np.load(on_board.package / "y_csim.npy"))
    assert outputs.dtype == np.float32
    # Four words in, seven cycles, two words out; the next sample's words come meanwhile.
    assert results["latency_cycles"] == 10
    assert results["cycles_per_sample"] == pytest.approx((4 * SAMPLES + 7) / SAMPLES)
    assert results["counters"]["samples"] == SAMPLES
    assert results["fit"]["per_sample_s"] == pytest.approx(4 / CLOCK_HZ)
    assert results["latency_s"]["p50"] == pytest.approx(12 / CLOCK_HZ)
    assert results["inferences_per_s"] == pytest.approx(CLOCK_HZ / 4, rel=0.01)
    assert results["phases_s"] == {"dma": results["passes_s"][0]}
    assert results["simulated"]
    assert results["deterministic"]
    assert results["clock_mhz"] == 100.0
    assert results["csim"] == {"mismatches": 0, "first": [], "rerun": None}
    assert results["power_w"] is None
    assert [point["samples"] for point in results["series"]] == [1, 4, 16, 64, 256]


def test_packed_words_are_measured_alike(packed_on_board: OnBoard) -> None:
    assert packed_on_board.run("--batches", "1,8")[0] == 0
    results = packed_on_board.results()
    assert results["csim"]["mismatches"] == 0
    assert results["cycles_per_sample"] == pytest.approx(2, rel=0.01)


def test_a_design_without_counters_is_measured_without_them(on_board: OnBoard) -> None:
    assert on_board.run(ECHO_FAULT="blind")[0] == 0
    results = on_board.results()
    assert results["latency_cycles"] is results["cycles_per_sample"] is results["counters"] is None
    assert results["inferences_per_s"] == pytest.approx(CLOCK_HZ / 4, rel=0.01)


def test_every_field_of_the_results_is_described(on_board: OnBoard) -> None:
    assert on_board.run("--batches", "1,2")[0] == 0
    described = set(re.findall(r"\w+", runner.__doc__ or ""))
    assert set(on_board.results()) <= described


def test_it_loads_under_a_name_made_from_the_content(on_board: OnBoard) -> None:
    names = set()
    for comment in ("", "<!-- rebuilt -->"):
        with (on_board.package / "hls4ml_nn.hwh").open("a") as file:
            file.write(comment)
        on_board.digest_files()
        assert on_board.run("--batches", "1,2")[0] == 0
        names |= {path.name for path in (on_board.out / "design").glob("*.hwh")}
    assert len(names) == 2


def test_a_wrong_design_is_told_from_a_flaky_board(on_board: OnBoard) -> None:
    assert on_board.run(ECHO_FAULT="wrong")[0] == 0
    wrong = on_board.results()
    assert on_board.run(ECHO_FAULT="flaky")[0] == 0
    flaky = on_board.results()
    assert wrong["deterministic"]
    again = wrong["csim"]["rerun"]
    assert again["suspect"] == "design"
    assert wrong["csim"]["mismatches"] >= again["samples"] == again["wrong_alone"] > 0
    first = wrong["csim"]["first"][0]
    golden = np.load(on_board.package / "y_csim.npy")
    assert first["expected"] == golden[first["sample"], first["element"]] != first["got"]
    assert not flaky["deterministic"]
    assert flaky["csim"]["rerun"]["suspect"] == "board"


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        ("deaf", "dma_timeout", "the design has not taken its input within 0.5 s"),
        ("mute", "dma_timeout", "the design has not answered within 0.5 s"),
        ("early", "dma_error", "TLAST came after 4 of 8 bytes"),
        ("endless", "dma_error", "internal error: the packet is longer than the buffer"),
    ],
)
def test_a_transfer_that_fails_ends_the_run_with_the_registers_of_the_dma(
    on_board: OnBoard, fault: str, kind: str, said: str
) -> None:
    status, event = on_board.run("--dma-timeout", "0.5", ECHO_FAULT=fault)
    assert (status, event["event"], event["kind"]) == (1, "error", kind)
    assert said in event["what"]
    assert "\n  MM2S (send): control 0x" in event["what"]
    assert "\n  S2MM (receive): control 0x" in event["what"]
    assert not (on_board.out / "results.json").exists()


def test_a_package_for_real_hardware_is_refused_on_a_twin(on_board: OnBoard) -> None:
    on_board.change_manifest(target="hardware")
    status, event = on_board.run()
    assert (status, event["kind"]) == (4, "wrong_target")


def test_a_package_for_the_twin_is_refused_on_real_hardware() -> None:
    with pytest.raises(RunError, match="for target twin, this board is real hardware") as refused:
        package.design(Path(), {"target": "twin", "files": {}}, simulated=False)
    assert refused.value.code == 4


def test_a_package_with_both_designs_gives_each_board_its_own(on_board: OnBoard) -> None:
    for name in ("bit", "hwh"):
        own, other = (on_board.package / f"hls4ml_nn{twin}.{name}" for twin in ("_twin", ""))
        own.write_bytes(other.read_bytes())
        other.write_bytes(b"for real hardware")
    on_board.digest_files()
    on_board.change_manifest(target="hardware")
    manifest = package.read_manifest(on_board.package)
    assert package.design(on_board.package, manifest, simulated=False)[0] == "hls4ml_nn.bit"
    status, event = on_board.run()
    assert (status, event["event"]) == (0, "done")
    results = json.loads((on_board.out / "results.json").read_text())
    assert (results["target"], results["simulated"]) == ("twin", True)
    (on_board.package / package.TWIN_BIT).write_bytes(b"changed")
    status, event = on_board.run()
    assert (status, event["kind"]) == (5, "bad_package")


@pytest.mark.parametrize("name", ["hls4ml_nn.bit", "hls4ml_nn.hwh", "X_test.npy", "y_csim.npy"])
def test_a_changed_file_is_refused(on_board: OnBoard, name: str) -> None:
    with (on_board.package / name).open("ab") as file:
        file.write(b"x")
    status, event = on_board.run()
    assert (status, event["kind"]) == (5, "bad_package")
    assert name in event["what"]


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ("no JSON", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"schema_version": 9, "files": {}}', "schema 9"),
        ('{"schema_version": 1, "files": {}}', "does not list hls4ml_nn.bit"),
    ],
)
def test_a_manifest_of_another_kind_is_refused(on_board: OnBoard, manifest: str, said: str) -> None:
    (on_board.package / "manifest.json").write_text(manifest)
    status, event = on_board.run()
    assert status == 5
    assert said in event["what"]


def test_a_clock_other_than_the_built_one_ends_the_run(on_board: OnBoard) -> None:
    on_board.change_manifest(clock_mhz=125.0)
    status, event = on_board.run()
    assert (status, event["kind"]) == (1, "wrong_clock")
    assert "runs at 100 MHz" in event["what"]


def test_a_design_for_another_part_is_not_loaded(on_board: OnBoard) -> None:
    status, event = on_board.run(OVERLAYFLOW_TWIN_PART="xczu9eg-ffvb1156-2-e")
    assert (status, event["kind"]) == (6, "not_loaded")


def test_a_board_that_pynq_does_not_find_is_named(on_board: OnBoard) -> None:
    status, event = on_board.run(PYTHONPATH="")
    assert (status, event["kind"]) == (6, "no_board")
    assert "XILINX_XRT" in event["remedy"]


def other_lease(on_board: OnBoard, **more: Any) -> Path:
    """The board's lease file, which tells of somebody else's lease."""
    record = {"id": "theirs", "owner": "ada@lab", "purpose": "debugging", "held": False}
    record |= {"flow_run_id": "", "flow_run_name": "", "boot": "another"}
    record |= {"since": time.time(), "expires": time.time() + 600, "ends": 0.0}
    path = Path(on_board.environment[lease.VARIABLE])
    path.write_text(json.dumps(record | more))
    return path


def test_a_busy_board_is_left_alone_and_its_holder_named(on_board: OnBoard) -> None:
    path = other_lease(on_board, held=True)
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        status, event = on_board.run()
    assert (status, event["kind"]) == (3, "busy")
    assert "ada@lab" in event["what"]
    assert on_board.run("--batches", "1,2")[0] == 0  # whoever held it is gone
    assert path.read_text() == ""


def test_a_reserved_board_is_left_alone(on_board: OnBoard) -> None:
    other_lease(on_board)
    status, event = on_board.run()
    assert (status, event["kind"]) == (3, "busy")
    assert "ada@lab until " in event["what"]
    assert " UTC at the latest (debugging)" in event["what"]


def test_a_run_works_under_the_lease_that_it_belongs_to(on_board: OnBoard) -> None:
    path = other_lease(on_board)
    assert on_board.run("--batches", "1,2", "--lease", "theirs")[0] == 0
    assert path.read_text() != ""  # it is for the lease's holder to give back


def test_a_run_ends_when_the_file_of_its_lease_is_removed(on_board: OnBoard) -> None:
    path = other_lease(on_board)
    with on_board.start_runner("--lease", "theirs", "--repeats", "1000000") as runner:
        assert runner.stdout is not None
        events = (json.loads(line) for line in runner.stdout)
        next(event for event in events if event.get("phase") not in {"verify", "load"})
        path.unlink()
        *_, last = events
        assert runner.wait(timeout=60) == 9
    assert last["kind"] == "stale_lease"


def test_a_run_whose_lease_is_over_does_not_touch_the_board(on_board: OnBoard) -> None:
    other_lease(on_board)
    status, event = on_board.run("--lease", "ours")
    assert (status, event["kind"]) == (9, "stale_lease")
    assert "it went to ada@lab" in event["what"]
    assert not (on_board.out / "design").exists()


def under_way(process: subprocess.Popen[str]) -> None:
    """Wait until the design is loaded and does not answer."""
    assert process.stdout is not None
    assert any('"load", "done": 1' in line for line in process.stdout)


def rest(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any]]:
    assert process.stdout is not None
    events = [json.loads(line) for line in process.stdout]
    return process.wait(timeout=30), events[-1]


def test_it_ends_when_its_controller_is_gone(on_board: OnBoard) -> None:
    with on_board.start_runner(ECHO_FAULT="mute") as process:
        under_way(process)
        assert process.stdin is not None
        process.stdin.close()
        status, event = rest(process)
    assert (status, event["kind"]) == (7, "abandoned")
    assert only_design(on_board.out)


def test_it_ends_on_sigterm(on_board: OnBoard) -> None:
    with on_board.start_runner(ECHO_FAULT="mute") as process:
        under_way(process)
        process.terminate()
        status, event = rest(process)
    assert (status, event["kind"]) == (128 + signal.SIGTERM, "terminated")
    assert only_design(on_board.out)


def test_it_ends_at_its_deadline(on_board: OnBoard) -> None:
    status, event = on_board.run("--deadline", "2", ECHO_FAULT="mute")
    assert (status, event["kind"]) == (8, "deadline")
    # On a busy machine that may be before its design is there.
    assert {path.name for path in on_board.out.iterdir()} <= {"design"}


def only_design(out: Path) -> bool:
    """Whether there are no results."""
    return [path.name for path in out.iterdir()] == ["design"]


def test_wrong_arguments_say_what_is_allowed(on_board: OnBoard) -> None:
    with on_board.start_runner("--batches", "1,0") as process:
        assert process.wait(timeout=30) == 2
        assert process.stderr is not None
        assert "must be at least 1" in process.stderr.read()


def test_what_libraries_print_stays_out_of_the_events(on_board: OnBoard) -> None:
    script = """
from board.supervision import Events
events = Events()
print("noise of a library")
events.emit("done")
"""
    assert on_board.say(script) == {"event": "done"}
