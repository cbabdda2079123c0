"""A Prefect server that is too busy: what it kept from running is tried once more."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from tasks.orchestration import server


@pytest.fixture
def answers() -> Iterator[tuple[str, list[int]]]:
    """A server's address, and the statuses with which it answers, one after the other."""
    statuses: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(statuses.pop(0))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}", statuses
        listening.shutdown()


def ask(url: str) -> int:
    try:
        return httpx.get(url).raise_for_status().status_code
    except httpx.HTTPStatusError as error:
        raise RuntimeError("cannot start a run") from error  # as a library may wrap it


def test_a_run_that_a_busy_server_has_ended_runs_once_more(
    answers: tuple[str, list[int]],
) -> None:
    url, statuses = answers
    statuses += [503, 200]
    assert server.again_if_busy(ask)(url) == 200
    statuses += [503, 503]
    with pytest.raises(RuntimeError):
        server.again_if_busy(ask)(url)
    assert not statuses


def test_a_run_that_failed_otherwise_does_not_run_again(answers: tuple[str, list[int]]) -> None:
    url, statuses = answers
    statuses += [500, 200]
    with pytest.raises(RuntimeError):
        server.again_if_busy(ask)(url)
    assert statuses == [200]
