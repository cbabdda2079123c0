import csv
import io
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.core.errors import InputError
from tasks.core.records.measurement import Run, Verdict
from tasks.reporting import history
from tasks.reporting.history import Wanted
from tests.tasks import samples


def run(number: int, board: str = "twin") -> Run:
    measurement = samples.measurement()
    deployment = measurement.deployment.model_copy(update={"board": board})
    return Run(
        flow_run_id=f"{number:08x}-0000",
        flow_run_name=f"tiny on {board}",
        finished=f"2026-01-02T03:{number:02d}:00+00:00",
        verdict=Verdict(
            measurement=measurement.model_copy(update={"deployment": deployment}),
            gates=(),
            bit_exact=4,
            samples=4,
            accuracy_board=1.0,
        ),
    )


@pytest.fixture
def store(tmp_path: Path) -> str:
    for number in range(5):
        board = "twin" if number % 2 else "lab-1"
        history.add(str(tmp_path), run(number, board), f"# report {number}\n")
    return str(tmp_path)


def numbers(runs: tuple[Run, ...]) -> list[int]:
    return [int(each.flow_run_id[:8], 16) for each in runs]


def test_the_newest_runs_come_first(store: str) -> None:
    assert numbers(history.runs(store)) == [4, 3, 2, 1, 0]
    assert numbers(history.runs(store, limit=2)) == [4, 3]


def test_runs_are_found_by_model_project_and_board(store: str) -> None:
    assert numbers(history.runs(store, Wanted(board="twin"))) == [3, 1]
    assert numbers(history.runs(store, Wanted(project="tiny"), limit=1)) == [4]
    assert len(history.runs(store, Wanted(model="tiny.keras"))) == 5
    assert not history.runs(store, Wanted(project="other"))
    assert not history.runs(store, Wanted(model="other.keras"))


def test_runs_of_another_board_are_not_even_read(
    store: str, caplog: pytest.LogCaptureFixture
) -> None:
    for path in Path(store).glob("runs/*~lab-1~*.json"):
        path.write_text("{}")
    assert numbers(history.runs(store, Wanted(board="twin"))) == [3, 1]
    assert not caplog.records


def test_a_file_that_is_no_run_is_left_out_with_a_warning(
    store: str, caplog: pytest.LogCaptureFixture
) -> None:
    (path,) = Path(store).glob("runs/*~00000003-0000.json")
    path.write_text('{"schema_version": 9}')
    with caplog.at_level(logging.WARNING):
        assert numbers(history.runs(store)) == [4, 2, 1, 0]
    assert "not a run record of this version" in caplog.text


def test_a_run_is_found_by_id_by_its_beginning_or_by_name(store: str) -> None:
    for name in ("00000003-0000", "00000003", "tiny on twin"):
        found, report = history.find(store, name)
        assert found.flow_run_id == "00000003-0000"
        assert report == "# report 3\n"


def test_a_name_that_means_no_run_or_several_is_refused(store: str) -> None:
    with pytest.raises(InputError, match="no run with this id or name"):
        history.find(store, "ffff")
    with pytest.raises(InputError, match="5 runs match"):
        history.find(store, "0000000")


def test_an_empty_store_has_no_runs(tmp_path: Path) -> None:
    assert history.runs(str(tmp_path)) == ()


def test_a_row_tells_accuracy_latency_and_size() -> None:
    told = dict(zip(history.COLUMNS, history.row(run(0)), strict=True))
    assert (told["accuracy"], told["latency (µs)"], told["bit-exact"]) == (
        "100.00%",
        "1",
        "100.00%",
    )
    assert (told["LUT"], told["simulated"]) == ("100", "yes")


def test_a_line_says_what_differs_and_marks_what_is_simulated() -> None:
    told = dict(zip(history.LINE, history.line(run(0)), strict=True))
    assert told["when"] == "2026-01-02"
    assert (told["model"], told["differs"], told["latency"]) == ("tiny", "", "1 µs*")


def test_a_line_gives_the_minute_of_what_is_recent() -> None:
    now = datetime.now(UTC)
    recent = run(0).model_copy(update={"finished": now.isoformat()})
    told = dict(zip(history.LINE, history.line(recent), strict=True))
    assert told["when"] == now.strftime("%m-%d %H:%M")


def test_runs_are_found_by_verdict_and_time(store: str) -> None:
    assert not history.runs(store, Wanted(passed=False))
    at = datetime(2026, 1, 2, 3, 2, tzinfo=UTC)
    assert numbers(history.runs(store, Wanted(since=at))) == [4, 3, 2]
    assert numbers(history.runs(store, Wanted(until=at, board="lab-1"))) == [2, 0]


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [(Wanted(model="tny.keras"), "tiny.keras"), (Wanted(board="lab1"), "lab-1")],
)
def test_a_name_that_no_run_has_is_answered_by_those_that_are_near(
    store: str, wanted: Wanted, meant: str
) -> None:
    with pytest.raises(InputError, match=f"did you mean '{meant}'"):
        history.require_known(store, wanted)


def test_a_run_that_is_not_there_is_answered_by_those_that_are_near(store: str) -> None:
    with pytest.raises(InputError, match=r"did you mean tiny on twin \(0000000[13]\)"):
        history.find(store, "tiny on twn")


def test_a_table_for_programs_has_every_figure_and_setting(store: str) -> None:
    table = list(csv.DictReader(io.StringIO(history.as_csv(history.runs(store)))))
    assert [row["run"] for row in table[:2]] == ["00000004", "00000003"]
    assert {(row["accuracy"], row["clock_period_ns"], row["LUT"]) for row in table} == {
        ("1.0", "10.0", "100")
    }


def test_a_project_whose_name_begins_like_an_id_is_not_found_by_it(store: str) -> None:
    other = run(9)
    measurement = other.verdict.measurement
    manifest = samples.manifest(project_name="decade")
    package = measurement.deployment.package.model_copy(update={"manifest": manifest})
    deployment = measurement.deployment.model_copy(update={"package": package})
    verdict = other.verdict.model_copy(
        update={"measurement": measurement.model_copy(update={"deployment": deployment})}
    )
    history.add(store, other.model_copy(update={"verdict": verdict}), "")
    with pytest.raises(InputError, match="no run with this id or name"):
        history.find(store, "dec")


@pytest.mark.parametrize("directory", ["lab[1]", "a*b", "what?"])
def test_a_store_in_a_directory_with_brackets_keeps_its_history(
    tmp_path: Path, directory: str
) -> None:
    store = str(tmp_path / directory)
    history.add(store, run(1), "# report\n")
    assert numbers(history.runs(store)) == [1]
    assert history.find(store, "tiny on twin")[1] == "# report\n"


@pytest.mark.parametrize("name", ["[a-z]*", "*", "tiny~twin", "x"])
def test_a_file_of_any_name_spoils_the_history_for_nobody(store: str, name: str) -> None:
    (Path(store) / f"runs/2026~{name}~twin~00000009.json").write_text("not a run")
    assert numbers(history.runs(store)) == [4, 3, 2, 1, 0]
    assert numbers(history.runs(store, Wanted(project="tiny"))) == [4, 3, 2, 1, 0]
    assert history.find(store, "00000003")[0].flow_run_id == "00000003-0000"


def test_a_runs_own_name_goes_before_the_beginning_of_anothers_id(store: str) -> None:
    named = run(9).model_copy(update={"flow_run_name": "00000003"})
    history.add(store, named, "")
    assert history.find(store, "00000003")[0] == named
    assert history.find(store, "00000003-0000")[0] == run(3)


def test_a_run_waits_on_its_machine_while_the_shared_store_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    url = f"file://{tmp_path}/shared"
    history.add(url, run(1), "# page 1")
    directory = tmp_path / "shared" / "runs"
    directory.rename(tmp_path / "unplugged")
    directory.write_text("")  # where there is a file, no directory can be made: even root fails

    history.add(url, run(2), "# page 2")

    assert "stays on this machine" in caplog.text
    assert history.find(url, "00000002") == (run(2), "# page 2")
    directory.unlink()
    (tmp_path / "unplugged").rename(directory)
    assert numbers(history.runs(url)) == [2, 1]
    [waiting] = (tmp_path / "cache").rglob("*00000002-0000.json")
    unfinished = waiting.with_name(f"{waiting.name}.0123.part")  # another run is writing it
    unfinished.write_text("")
    history.add(url, run(3), "# page 3")
    assert unfinished.exists()
    assert {path.name.split("~")[-1] for path in directory.iterdir()} == {
        f"{number:08x}-0000.{suffix}" for number in (1, 2, 3) for suffix in ("html", "json")
    }
    assert numbers(history.runs(url)) == [3, 2, 1]
