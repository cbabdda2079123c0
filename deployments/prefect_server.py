"""The Prefect server of one command: the configured one, or a temporary one.

Prefect would start a temporary server in this process's group: Ctrl-C in a terminal ends that
server before the flow, whose last calls then wait minutes for it, and a killed flow leaves it
behind. Ours runs in a session of its own, under the guard that ends it with this process, however
that ends. It asks for a password that only this process knows, since other users of the machine
reach loopback too.
"""

import contextlib
import logging
import os
import secrets
import select
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from board.twin.processes import tail
from deployments.machine import HOST, free_port
from tasks.core.errors import ServerError
from tasks.processes.run import guarded

START_S = 180.0
POLL_S = 0.1
# What a command has to end by itself once its server is gone.
GRACE_S = 10.0
SEND_S = 5.0
# The server's files hold parameters and blocks, which are nobody else's business.
PRIVATE = 0o077


@contextlib.contextmanager
def prefect_server() -> Iterator[None]:
    """Check that the configured server answers, or run one of this process's own meanwhile.

    Raises:
        ServerError: the configured server does not answer, or the temporary one does not start.
    """
    from prefect.settings import (
        PREFECT_API_AUTH_STRING,
        PREFECT_API_URL,
        PREFECT_UI_URL,
        get_current_settings,
        temporary_settings,
    )

    from tasks.orchestration import server

    if PREFECT_API_URL.value():
        server.require()
        yield
        return
    settings = get_current_settings()
    port, password = free_port(0), f"overlayflow:{secrets.token_urlsafe(32)}"
    environment = {
        **{name: value for name, value in os.environ.items() if name.startswith("PREFECT_")},
        **settings.to_environment_variables(exclude_unset=True),
        "PREFECT__SERVER_EPHEMERAL": "1",
        "PREFECT__SERVER_FINAL": "1",
        "PREFECT_UI_ENABLED": "0",
        "PREFECT_SERVER_API_AUTH_STRING": password,
    }
    command = [
        *(sys.executable, "-P", "-m", "deployments.server_process"),
        *("uvicorn", "--factory", "prefect.server.api.server:create_app"),
        *("--host", HOST, "--port", str(port), "--log-level", "error", "--lifespan", "on"),
    ]
    _make_private(settings.home)
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="overlayflow-")))
        log = scratch / "server.log"
        lifeline = stack.enter_context(
            guarded(command, cwd=scratch, log=log, env=environment, umask=PRIVATE)
        )
        _wait(port, lifeline, log)
        stack.enter_context(_watched(lifeline))
        stack.enter_context(
            temporary_settings(
                {
                    PREFECT_API_URL: f"http://{HOST}:{port}/api",
                    PREFECT_API_AUTH_STRING: password,
                    PREFECT_UI_URL: "",  # its pages would be gone with it
                }
            )
        )
        try:
            yield
        finally:
            if not _has_ended(lifeline):
                _send_what_waits()


def _send_what_waits() -> None:
    """Let Prefect send the logs and events that it sends in the background."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    # In a notebook, this thread has an event loop that runs, for which drain_all would not wait.
    with ThreadPoolExecutor(1) as thread:
        for worker in (EventsWorker, APILogWorker):
            thread.submit(worker.drain_all, timeout=SEND_S).result()


def _make_private(home: Path) -> None:
    """Keep others from Prefect's directory: its database holds blocks and the key to them."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.suppress(PermissionError):  # it belongs to somebody else
        home.chmod(0o700)


def _wait(port: int, lifeline: socket.socket, log: Path) -> None:
    """Wait until the server answers."""
    import httpx

    deadline = time.monotonic() + START_S
    with httpx.Client(trust_env=False) as client:
        while time.monotonic() < deadline and not _has_ended(lifeline):
            with contextlib.suppress(httpx.TransportError):
                if client.get(f"http://{HOST}:{port}/api/health").is_success:
                    return
            time.sleep(POLL_S)
    raise ServerError(
        f"the temporary Prefect server does not start:\n{tail(log)}",
        where=f"{HOST}:{port}",
        remedy="start a server with `overlayflow up`, then run the command again",
    )


@contextlib.contextmanager
def _watched(lifeline: socket.socket) -> Iterator[None]:
    """Interrupt this process when its server ends before it.

    Raises:
        ServerError: the server has ended.
    """
    done = threading.Event()

    def watch() -> None:
        while not _has_ended(lifeline, POLL_S):
            if done.is_set():
                return
        logging.disable()  # Prefect would tell of each call that the server does not answer
        os.kill(os.getpid(), signal.SIGINT)
        # Prefect would go on asking the server how the run shall end.
        if not done.wait(GRACE_S):
            with contextlib.suppress(OSError):  # its reader may be gone
                os.write(2, f"overlayflow: {_gone()}\n".encode())
            os._exit(ServerError.exit_code)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        if _has_ended(lifeline):  # the interrupt is ours, or the error one of Prefect's client
            raise _gone() from None
        raise
    finally:
        done.set()
        thread.join()


def _gone() -> ServerError:
    return ServerError(
        "the temporary Prefect server was ended from outside",
        where="this command",
        remedy="run it again: finished steps are kept, and it continues from there; what was "
        "measured is kept with its verdict: overlayflow history",
    )


def _has_ended(lifeline: socket.socket, patience_s: float = 0.0) -> bool:
    poller = select.poll()
    poller.register(lifeline, select.POLLIN)
    return bool(poller.poll(1000 * patience_s))
