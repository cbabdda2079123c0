"""Commands work in odd shells, containers and networks, or say what is odd."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from deployments.cli.surroundings import api_url, settle
from tasks.core.errors import InputError
from tasks.core.records.measurement import Run
from tasks.reporting import history
from tests.tasks import samples


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment of the test's own, which `settle` may change."""
    kept = {name: os.environ[name] for name in ("HOME", "PATH")}
    monkeypatch.setattr(os, "environ", kept)
    return kept


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:4200/api",
        "http://127.0.0.1:4200/api/",
        "http://127.0.0.1:4200",
        "http://127.0.0.1:4200/",
        " 127.0.0.1:4200 ",
    ],
)
def test_a_server_s_address_is_taken_as_people_write_it(text: str) -> None:
    assert api_url(text) == "http://127.0.0.1:4200/api"


def test_a_path_of_a_reverse_proxy_is_kept() -> None:
    assert api_url("https://lab.example.org/prefect/api") == "https://lab.example.org/prefect/api"


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9", "127.0.0.1:9"])
def test_loopback_is_never_proxied(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, name: str, proxy: str
) -> None:
    environment[name] = proxy
    settle()
    for each in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        if each in environment:
            monkeypatch.setenv(each, environment[each])
    with httpx.Client() as client:
        transport = client._transport_for_url(httpx.URL("http://127.0.0.1:4200/api"))
        assert transport is client._transport


def test_a_proxy_that_cannot_be_used_is_named(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    environment["all_proxy"] = "socks5h://proxy:1080"
    settle()
    assert "ignoring all_proxy" in capsys.readouterr().err
    assert "all_proxy" not in environment


def test_no_proxy_of_the_user_s_stays(environment: dict[str, str]) -> None:
    environment["no_proxy"] = "example.org"
    settle()
    assert environment["no_proxy"].split(",") == ["example.org", "127.0.0.1", "localhost", "::1"]


def test_a_user_without_a_home_is_asked_for_one(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 123456)
    del environment["HOME"]
    with pytest.raises(InputError, match="no home directory"):
        settle()
    environment["OVERLAYFLOW_HOME"] = "/data"
    settle()
    assert environment["HOME"] == "/data"


def test_charts_are_drawn_although_python_is_to_drop_docstrings(
    environment: dict[str, str],
) -> None:
    script = (
        "from deployments.cli.surroundings import settle\n"
        "settle()\n"
        "import altair\n"
        "print(altair.Chart().mark_line().mark)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment | {"PYTHONOPTIMIZE": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "line\n", done.stderr


@pytest.mark.parametrize(
    "odd",
    [
        {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "latin-1", "PYTHONOPTIMIZE": "2"},
        {"COLUMNS": "1", "TERM": "dumb", "NO_COLOR": "1"},
    ],
)
def test_a_report_of_figures_in_odd_surroundings_ends_with_status_0(
    environment: dict[str, str], tmp_path: Path, odd: dict[str, str]
) -> None:
    name = "модель µ\x1b[2J→"
    run = Run(
        flow_run_id="a" * 32,
        flow_run_name=name,
        finished="2026-01-02T03:04:00+00:00",
        verdict=samples.verdict(),
    )
    history.add(str(tmp_path / "store"), run, "")
    done = subprocess.run(
        [sys.executable, "-m", "deployments.cli.main", "history"],
        env=environment | odd | {"OVERLAYFLOW_HOME": str(tmp_path)},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"digits" in done.stdout or b"tiny" in done.stdout
    assert b"\x1b" not in done.stdout
