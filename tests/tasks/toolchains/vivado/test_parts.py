"""The parts of the toolchain that need no tool: workplaces, phases, progress, bundles, times."""

import contextlib
import os
import tarfile
import time
from pathlib import Path

import pytest

from tasks.core.errors import BuildError, InputError
from tasks.core.records.settings import BuildSettings
from tasks.hardware.bitfile import fabric_image, target, write_bit
from tasks.hardware.hwh_read import built_clock_mhz
from tasks.toolchains.base import Progress
from tasks.toolchains.vivado import bundle, progress
from tasks.toolchains.vivado.products import Products
from tasks.toolchains.vivado.progress import Duration, ProgressMeter, RunsProgress, ended_run
from tasks.toolchains.vivado.supervised import Attempts, Patience, Step, pause
from tasks.toolchains.vivado.workplace import Workplace, opened
from tasks.toolchains.vivado_hls import phases
from tests.tasks.samples import entry

ENTRY = entry("implement")
PART = "xc7z020clg400-1"


def fill(directory: Path) -> None:
    directory.mkdir()
    (directory / "source").write_text("as converted")


def refuse(directory: Path) -> None:
    pytest.fail(f"{directory} is filled again")


def build_error(**fields: object) -> BuildError:
    error = BuildError("it failed", tool="vivado", version="2019.2", failure_class="permanent")
    vars(error).update(fields)
    return error


def test_a_workplace_is_filled_once_and_kept(tmp_path: Path) -> None:
    with opened(tmp_path, ENTRY, fill) as place:
        (place.project / "result").write_text("1")
        place.done("synth", [place.project / "result"])
    with opened(tmp_path, ENTRY, refuse) as again:
        assert again.is_done("synth")
        assert not again.is_done("export")


def test_a_phase_whose_files_changed_is_not_done(tmp_path: Path) -> None:
    with opened(tmp_path, ENTRY, fill) as place:
        result = place.project / "result"
        result.write_text("1")
        place.done("synth", [result])
        result.write_text("22")
        assert not place.is_done("synth")


def test_a_workplace_that_was_filled_by_half_is_filled_again(tmp_path: Path) -> None:
    def fail(directory: Path) -> None:
        fill(directory)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), opened(tmp_path, ENTRY, fail):
        pass
    with opened(tmp_path, ENTRY, fill) as place:
        assert (place.project / "source").exists()


def test_a_state_that_was_cut_off_is_none(tmp_path: Path) -> None:
    with opened(tmp_path, ENTRY, fill) as place:
        place.done("synth", [])
        (place.directory / "state.json").write_text('{"synth": {')
        assert not place.is_done("synth")


def test_workplaces_of_complete_builds_go_a_day_later(tmp_path: Path) -> None:
    def make(digit: str) -> Workplace:
        with opened(tmp_path, entry("synthesize", digit), fill) as place:
            place.done("synth", [])
            if digit != "b":
                place.complete()
        return place

    old, unfinished, new = (make(digit) for digit in "abc")
    for place in (old, unfinished):
        long_ago = time.time() - 2 * 24 * 3600
        os.utime(place.directory / "state.json", (long_ago, long_ago))
    with opened(tmp_path, ENTRY, fill):
        assert [each.directory.exists() for each in (old, unfinished, new)] == [False, True, True]


def test_options_are_given_in_hls4mls_order() -> None:
    settings = BuildSettings(cosim=True, fifo_opt=True)
    wanted = phases.wanted(settings)
    assert [phase.name for phase in wanted] == ["csim", "synth", "cosim", "export"]
    assert phases.arguments(wanted, settings) == (
        "reset=0 csim=1 synth=1 cosim=1 validation=1 export=1 vsynth=0 fifo_opt=1"
    )
    assert phases.arguments(wanted[3:], settings) == (
        "reset=0 csim=0 synth=0 cosim=0 validation=0 export=1 vsynth=0 fifo_opt=0"
    )


def test_a_phase_needs_its_marker_its_files_and_a_good_word_in_the_flow_log(
    tmp_path: Path,
) -> None:
    [export] = [phase for phase in phases.PHASES if phase.name == "export"]
    [file] = phases.outputs(export, tmp_path, "tiny")
    flow_log = tmp_path / phases.FLOW_LOG.format(project="tiny")
    log = "***** EXPORT IP COMPLETED IN 0h0m22s *****"

    def finished(log: str) -> bool:
        return phases.finished([export], tmp_path, "tiny", log) == [export]

    assert not finished(log)
    file.parent.mkdir(parents=True)
    file.touch()
    assert finished(log)
    assert not finished("nothing")
    flow_log.parent.mkdir(parents=True)
    flow_log.write_text("Command     export_design done; error code: 2; 0.1 sec.\n")
    assert not finished(log)
    phases.clear([export], tmp_path, "tiny")
    assert not file.exists()


def marked(runs: Path, run: str, *marks: str) -> Path:
    for mark in marks:
        path = runs / run / f".{mark}.rst"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return runs / run


def test_a_run_is_ended_by_its_markers_only(tmp_path: Path) -> None:
    assert ended_run(marked(tmp_path, "synth_1", "vivado.begin", "vivado.end"))
    assert not ended_run(marked(tmp_path, "a_synth_1", "vivado.begin"))
    assert not ended_run(marked(tmp_path, "b_synth_1", "vivado.end", "vivado.error"))
    assert not ended_run(marked(tmp_path, "impl_1", "vivado.end", "place_design.end"))
    assert ended_run(marked(tmp_path, "impl_1", "write_bitstream.end"))


def test_progress_follows_the_marker_files(tmp_path: Path) -> None:
    news = list[Progress]()
    follower = RunsProgress(ProgressMeter(news.append, 100.0), tmp_path)
    follower.poll()
    marked(tmp_path, "a_synth_1", "vivado.begin", "vivado.end")
    marked(tmp_path, "b_synth_1", "vivado.begin")
    follower.poll()
    marked(tmp_path, "cached_synth_1", "Vivado_Synthesis.queue")
    marked(tmp_path, "b_synth_1", "vivado.end")
    marked(tmp_path, "synth_1", "vivado.begin", "vivado.end")
    follower.poll()
    marked(tmp_path, "impl_1", "init_design.begin", "init_design.end", "opt_design.end")
    follower.poll()
    follower.poll()  # nothing new: nothing said
    assert [each.phase for each in news] == [
        "block design",
        "out of context: 1 of 2 runs",
        "synthesis of the top",
        "place_design",
    ]
    assert [each.fraction for each in news] == sorted(each.fraction for each in news)
    assert news[-1].left_s == pytest.approx(100 * (1 - news[-1].fraction))


def test_a_run_that_prints_is_alive_though_vivado_is_silent(tmp_path: Path) -> None:
    follower = RunsProgress(ProgressMeter(list[Progress]().append, None), tmp_path)
    assert not follower.poll()
    log = marked(tmp_path, "a_synth_1", "vivado.begin") / "runme.log"
    log.write_text("Start Technology Mapping\n")
    assert [follower.poll() for _ in range(3)] == [True, False, False]


def test_the_most_similar_build_tells_how_long_the_next_one_takes(tmp_path: Path) -> None:
    assert progress.expected_s(tmp_path, "implement", PART, 100) is None
    for size, seconds in ((100, 60.0), (1000, 600.0), (100, 70.0)):
        progress.note(tmp_path, Duration(step="implement", part=PART, size=size, seconds=seconds))
    assert progress.expected_s(tmp_path, "implement", PART, 120) == 70.0
    assert progress.expected_s(tmp_path, "implement", PART, 900) == 600.0
    assert progress.expected_s(tmp_path, "synthesize", PART, 900) is None
    (tmp_path / "durations.jsonl").write_text("cut off {")
    assert progress.expected_s(tmp_path, "implement", PART, 120) is None


def test_a_bundle_has_logs_and_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "ghp_" + "a1B2" * 9
    monkeypatch.setenv("XILINX_ACCESS_TOKEN", secret)
    monkeypatch.setenv("XILINXD_LICENSE_FILE", "2100@licences")
    project = tmp_path / "project"
    (project / "runs").mkdir(parents=True)
    (project / "runs" / "runme.log").write_text(f"GITHUB_TOKEN={secret}\nERROR: no\n")
    (project / "design.dcp").write_bytes(bytes(100))
    error = build_error(remedy=f"log in with {secret}")
    path = bundle.write(
        tmp_path / "failures", entry=ENTRY, project=project, error=error, facts={"tool": "vivado"}
    )
    with tarfile.open(path) as archive:
        texts = {
            Path(member.name).name: archive.extractfile(member).read().decode()  # type: ignore[union-attr] # files only
            for member in archive.getmembers()
        }
    assert set(texts) == {"error.txt", "facts.json", "environment.txt", "runme.log"}
    assert secret not in "".join(texts.values())
    assert "ERROR: no" in texts["runme.log"]
    assert "2100@licences" in texts["environment.txt"]


def test_a_build_whose_reports_cannot_be_read_leaves_a_bundle_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVERLAYFLOW_HOME", str(tmp_path))
    step = Step(
        entry=ENTRY,
        tool="vivado",
        program=Path("vivado"),
        version="2019.2",
        environment={},
        project=tmp_path,
        out=tmp_path,
        deadline_s=1,
        stall_s=1,
    )

    def unreadable() -> Duration:
        raise InputError("it names no clock")

    with pytest.raises(InputError):
        step.collected(unreadable)
    assert len(list((tmp_path / "failures").glob("implement-*.tar.gz"))) == 1


def bit(path: Path, data: bytes, part: str = PART) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_bit(path, data, design="design_1_wrapper", part=part)


def test_a_bitstream_says_itself_what_it_is_for(tmp_path: Path) -> None:
    configuration = bytes.fromhex("ffffffff" * 8 + "aa995566") + bytes(64)
    assert target(bit(tmp_path / "a.bit", configuration)) == "hardware"
    assert target(bit(tmp_path / "b.bit", fabric_image(b"a library"))) == "twin"
    with pytest.raises(InputError, match="no configuration data"):
        target(bit(tmp_path / "c.bit", bytes(64)))


def test_a_bitstream_for_another_part_or_cut_off_is_a_problem(tmp_path: Path) -> None:
    products = Products.of_hls4ml(tmp_path, "tiny", PART)
    assert "was not written" in products.bit_problem()
    bit(products.bit, fabric_image(b"a library"))
    assert not products.bit_problem()
    bit(products.bit, fabric_image(b"a library"), "xc7z010clg400-1")
    assert "7z010clg400, not for 7z020clg400" in products.bit_problem()
    products.bit.write_bytes(products.bit.read_bytes()[:-8])
    assert "bytes of data, the file has" in products.bit_problem()


@pytest.mark.parametrize("text", ["<EDKSYSTEM>", "<EDKSYSTEM/>"])
def test_a_handoff_without_clock_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "design_1.hwh").write_text(text)
    with pytest.raises(InputError):
        built_clock_mhz(tmp_path / "design_1.hwh")


@pytest.mark.parametrize(
    ("fields", "jobs", "tries"),
    [
        ({"failure_class": "permanent"}, 4, 1),
        ({"failure_class": "configuration"}, 4, 1),
        ({"failure_class": "transient"}, 4, 2),
        ({"failure_class": "resource"}, 4, 3),
        ({"failure_class": "resource"}, 1, 1),
        ({"failure_class": "resource", "signature": "disk-full"}, 4, 1),
    ],
)
def test_the_class_of_a_failure_decides_about_tries(
    fields: dict[str, object], jobs: int, tries: int
) -> None:
    attempts = Attempts(
        jobs=jobs, patience=Patience(sleep=lambda _: None), licence=contextlib.nullcontext
    )
    with pytest.raises(BuildError) as raised:
        attempts.run(lambda _number, _jobs: build_error(**fields))
    assert raised.value.tries == tries


def test_a_pause_lasts_as_long_as_it_should() -> None:
    start = time.monotonic()
    pause(0.02)
    assert time.monotonic() - start >= 0.02


def test_a_complete_build_that_runs_again_is_not_cleaned_up_by_a_neighbour(tmp_path: Path) -> None:
    with opened(tmp_path, ENTRY, fill) as place:
        place.complete()
        os.utime(place.directory / "state.json", (0, 0))
        neighbour = entry("implement", "f")
        with opened(tmp_path, neighbour, fill):
            assert (place.project / "source").exists()
            assert (tmp_path / f"{place.directory.name}.lock").exists()
