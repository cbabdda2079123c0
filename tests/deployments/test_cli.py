import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest

from deployments.cli import main, run, store
from deployments.cli.output import size
from tasks.conversion.names import project_name
from tasks.core.errors import InputError
from tasks.core.records.measurement import Run
from tasks.core.records.settings import ConvertSettings
from tasks.reporting import history
from tests.tasks import samples

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"
COMMANDS = ("run", "bench", "twin", "store", "history", "doctor")


def test_help_imports_neither_prefect_nor_what_steps_need() -> None:
    script = (
        "import sys\n"
        "from deployments.cli import main\n"
        "try:\n"
        "    main.main(['--help'])\n"
        "except SystemExit:\n"
        "    pass\n"
        "heavy = {'prefect', 'tensorflow', 'hls4ml', 'numpy', 'paramiko', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"
    assert all(f"    {command}" in done.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main([command, "--help"])
    assert ended.value.code == 0
    assert f"overlayflow {command}" in capsys.readouterr().out


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parsers of all commands, and of their verbs."""
    inner = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    for each in inner:
        for below in each.choices.values():
            yield from leaves(below)
    if not inner:
        yield parser


def test_every_command_can_answer_programs() -> None:
    silent = [each.prog for each in leaves(main.parser()) if "--json" not in each.format_help()]
    assert not silent


def test_the_version_is_that_of_the_installed_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"overlayflow {version('overlayflow')}\n"


def test_an_unknown_command_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["fly"])
    assert ended.value.code == 2
    assert "invalid choice: 'fly'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "usage", "meant"),
    [
        (["hsitory"], "overlayflow", "history"),
        (["boards", "chekc"], "overlayflow boards", "check"),
        (["run", "m.keras", "--precison", "auto"], "overlayflow run", "--precision"),
        (["run", "m.keras", "--strategy=Latncy"], "overlayflow run", "Latency"),
        (["store", "prune", "--kep", "10GB"], "overlayflow store prune", "--keep"),
    ],
)
def test_a_typing_error_gets_the_usage_of_its_command_and_a_suggestion(
    typed: list[str], usage: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(typed)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith(f"usage: {usage} [-h]")
    assert told.endswith(f": did you mean {meant!r}?\n")


@pytest.mark.usefixtures("empty_home")
def test_options_of_the_output_may_stand_before_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for typed in (
        ["--json", "twin", "list"],
        ["twin", "--json", "list"],
        ["twin", "list", "--json"],
    ):
        assert main.main(["-q", *typed]) == 0
        assert json.loads(capsys.readouterr().out)["twins"] == []
    with pytest.raises(SystemExit):
        main.main(["-q", "twin", "list", "-v"])
    assert "-q/--quiet" in capsys.readouterr().err


def test_a_command_without_its_verb_names_the_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main.main(["twin"])
    told = capsys.readouterr().err
    assert "required: VERB (choose from start, status, stop, list, fault, clear)" in told


@pytest.mark.parametrize(
    "typed", [["history", "--json", "--limt", "3"], ["--json", "history", "--limt", "3"]]
)
def test_a_program_gets_a_wrong_command_line_as_a_record(
    typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main.main(typed)
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["exit_code"] == 2
    assert error["where"] == "overlayflow history"
    assert "did you mean '--limit'?" in error["what"]


def test_a_program_gets_an_error_as_a_record_and_a_person_as_text(
    empty_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert empty_home.exists()
    assert main.main(["store", "prune", "--json"]) == 2
    shown = capsys.readouterr()
    error = json.loads(shown.out)["error"]
    assert (error["type"], error["exit_code"]) == ("InputError", 2)
    assert error["what"] in shown.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_completion_that_it_can_read(
    shell: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit):
        main.main(["--print-completion", shell])
    script = tmp_path / "completion"
    script.write_text(capsys.readouterr().out)
    assert all(name in script.read_text() for name in ("--reuse-factor", "io_stream", "history"))
    if shutil.which(shell):
        subprocess.run([shell, "-n", script], check=True)


def test_bash_completes_commands_and_choices(tmp_path: Path) -> None:
    script = tmp_path / "completion"
    command = [sys.executable, "-m", "deployments.cli.main", "--print-completion", "bash"]
    script.write_text(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    ask = """
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        "$(complete -p overlayflow | sed 's/.*-F \\([^ ]*\\).*/\\1/')" overlayflow
        echo "${COMPREPLY[*]}"
    """

    def completed(*words: str) -> list[str]:
        asked = ["bash", "-c", ask, "bash", str(script), "overlayflow", *words]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()

    assert completed("hist") == ["history"]
    assert completed("run", "--io-type", "io_s") == ["io_stream"]


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish: apt-get install fish")
def test_fish_completes_commands_and_choices(tmp_path: Path) -> None:
    script = tmp_path / "completion"
    command = [sys.executable, "-m", "deployments.cli.main", "--print-completion", "fish"]
    script.write_text(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    def completed(typed: str) -> list[str]:
        asked = ["fish", "-c", f"source {script}; complete -C '{typed}'"]
        told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        return [line.split("\t")[0] for line in told.splitlines()]

    assert completed("overlayflow hist") == ["history"]
    assert completed("overlayflow run --io-type io_s") == ["io_stream"]
    assert completed("overlayflow twin sto") == ["stop"]


def test_the_documentation_of_run_names_the_defaults_of_the_settings() -> None:
    arguments = main.parser().parse_args(["run", "m.keras", "--data", "d.npz"])
    assert run.settings_of(arguments) == ConvertSettings(project_name="m")


def test_a_reuse_factor_that_no_layer_has_is_refused_by_the_layers_name() -> None:
    given = ["run", "m.keras", "--data", "d.npz", "--layer-reuse-factor", "hidden=0"]
    with pytest.raises(InputError, match=r"layer_reuse_factor\.hidden: .* greater than or equal"):
        run.settings_of(main.parser().parse_args(given))


@pytest.mark.parametrize(
    ("stem", "name"), [("digits", "digits"), ("my model-2", "my_model_2"), ("2nd", "model_2nd")]
)
def test_a_model_files_name_becomes_a_project_name(stem: str, name: str) -> None:
    assert project_name(Path(f"{stem}.keras")) == name


@pytest.mark.parametrize(("text", "bytes_"), [("10GB", 10**10), ("500M", 5 * 10**8), ("7", 7)])
def test_sizes_are_read_as_people_write_them(text: str, bytes_: int) -> None:
    assert size(text) == bytes_


def test_ages_are_read_as_people_write_them() -> None:
    assert store.age("12h") == timedelta(hours=12)
    assert store.age("8w") == timedelta(weeks=8)


def test_a_new_machine_has_an_empty_store_and_no_history(
    empty_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["store", "list", "--json"]) == 0
    assert main.main(["history", "--json"]) == 0
    entries, history = map(json.loads, capsys.readouterr().out.splitlines())
    assert entries["entries"] == []
    assert history["runs"] == []
    assert not list(empty_home.glob("store/*/*"))


def test_pruning_needs_something_to_go_by(
    empty_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert empty_home.exists()
    assert main.main(["store", "prune"]) == 2
    assert "pass --older-than 30d, --keep 10GB, or both" in capsys.readouterr().err


def test_pruning_takes_what_failed_builds_left_long_ago(empty_home: Path) -> None:
    failures = empty_home / "failures"
    failures.mkdir()
    for name, days in (("old.tar.gz", 40), ("new.tar.gz", 20)):
        (failures / name).touch()
        then = time.time() - 86400 * days
        os.utime(failures / name, (then, then))
    assert main.main(["store", "prune", "--older-than", "30d"]) == 0
    assert [path.name for path in failures.iterdir()] == ["new.tar.gz"]


def test_a_defect_of_ours_is_a_message_with_a_file_not_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: object) -> int:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("deployments.cli.history.run", broken)
    assert main.main(["history"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("overlayflow: unexpected ZeroDivisionError: oh")
    log = Path(told.rsplit(" ", 1)[1].strip())
    assert "ZeroDivisionError: oh" in log.read_text()
    log.unlink()


@pytest.mark.parametrize(
    "command",
    [
        ["boards", "list"],
        ["boards", "check"],
        ["sweep", str(DIGITS / "sweep.yaml")],
        ["run", str(DIGITS / "digits.keras"), "--data", str(DIGITS / "digits.npz")],
    ],
    ids=["boards list", "boards check", "sweep", "run"],
)
def test_a_server_that_is_down_is_said_at_once(
    no_server: str, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert main.main(command) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"overlayflow: {no_server}: the Prefect server does not answer")
    assert "overlayflow up" in told


def test_a_server_that_goes_away_is_told_from_a_defect_of_ours(
    no_server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lost(_: object) -> int:
        try:
            httpx.get(no_server)
        except httpx.ConnectError as error:
            raise RuntimeError("cannot write down how the run ended") from error
        return 0

    monkeypatch.setattr("deployments.cli.history.run", lost)
    assert main.main(["history"]) == 2
    assert capsys.readouterr().err.startswith(f"overlayflow: {no_server}: the Prefect server")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "requires authentication\n  -> export PREFECT_API_AUTH_STRING"),
        (503, "was too busy to answer\n  -> run it again"),
    ],
)
def test_what_a_server_refuses_is_told_from_a_defect_of_ours(
    empty_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    status: int,
    words: str,
) -> None:
    def refused(_: object) -> int:
        asked = httpx.Request("GET", "https://prefect.example.org/api/block_types")
        httpx.Response(status, request=asked).raise_for_status()
        return 0

    assert empty_home.exists()
    monkeypatch.setattr("deployments.cli.history.run", refused)
    assert main.main(["history"]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"overlayflow: https://prefect.example.org: the Prefect server {words}")


def test_an_interrupt_that_a_library_turns_into_its_own_error_is_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: object) -> int:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ValueError("the run has not begun")  # noqa: B904  as Prefect's engine does
        return 0

    monkeypatch.setattr("deployments.cli.history.run", interrupted)
    assert main.main(["history"]) == 2
    assert capsys.readouterr().err.startswith("overlayflow: interrupted")


def test_doctor_says_of_each_need_whether_it_is_met(capsys: pytest.CaptureFixture[str]) -> None:
    code = main.main(["doctor", "--json"])
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert {"prefect", "hls4ml", "alkaid", "pyosys", "verilator", "g++", "twin"} <= {
        each["name"] for each in findings
    }
    assert all(each["remedy"] for each in findings if not each["ok"])
    assert len({each["name"] for each in findings}) == len(findings)
    main.main(["-v", "doctor"])
    told = capsys.readouterr().out
    assert all(f"\n{name}: g++: " in told for name in ("open", "vivado", "vivado-hls"))
    assert code == (0 if all(each["ok"] or each["optional"] for each in findings) else 2)


def test_the_history_and_a_comparison_are_read_from_the_store(
    empty_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(empty_home / "store")
    for number, words in ((1, "float32"), (2, "packed")):
        described = samples.manifest(settings=ConvertSettings.model_validate({"words": words}))
        run = Run(
            flow_run_id=f"{number:08}-0000",
            flow_run_name="tiny on twin",
            finished="2026-01-01T00:00:00+00:00",
            verdict=samples.verdict(described, latency_s={"p50": number * 1e-6}),
        )
        history.add(store, run, "")
    assert main.main(["history", "--model", "tiny.keras", "--since", "2025-12-31"]) == 0
    assert "packed" in capsys.readouterr().out
    assert main.main(["history", "--until", "2025-12-31"]) == 0
    assert capsys.readouterr().out == "no run matches\n"
    assert main.main(["history", "--project", "tinny"]) == 2
    assert "no run has this project: did you mean 'tiny'?" in capsys.readouterr().err
    page = tmp_path / "compared.html"
    assert main.main(["compare", "00000001", "00000002", "--out", str(page)]) == 0
    told = capsys.readouterr().out
    assert "packed" in told
    assert "2 (+100.0%)" in told
    assert "+100.0%" in page.read_text()
    assert main.main(["compare", "00000001"]) == 2


def test_doctor_says_what_each_toolchain_would_do_here_and_which_one_auto_takes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tkinter", reason="no tkinter: apt-get install python3-tk")
    replay = Path(__file__).parents[1] / "replay" / "bin" / "vivado"
    (tmp_path / "vivado").write_text(f'#!/bin/sh\nexec {replay} "$@"\n')
    (tmp_path / "vivado").chmod(0o755)
    (tmp_path / "scenario.toml").write_text('version = "2024.1"')
    monkeypatch.setattr("tasks.toolchains.vivado.installation._answers", {})
    monkeypatch.setenv("OVERLAYFLOW_REPLAY_SCENARIO", str(tmp_path / "scenario.toml"))
    monkeypatch.setenv("OVERLAYFLOW_REPLAY_PYTHON", sys.executable)
    monkeypatch.setattr("tasks.toolchains.vivado.preflight._CONTAINER_MARKS", ())
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    main.main(["doctor", "--json"])
    findings = json.loads(capsys.readouterr().out)["findings"]
    found = {each["name"]: each["detail"] for each in findings}
    assert found["toolchain open"] == found["toolchain vivado"] == "ready"
    assert found["toolchain vivado-hls"] == "lacks vivado_hls, vivado"
    assert found["toolchain auto"].startswith("takes vivado: a Vivado is installed")
