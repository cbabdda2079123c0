"""Entry point of `overlayflow`: reads arguments, runs a command, turns errors into messages."""

import argparse
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from http.client import UNAUTHORIZED

from deployments.cli import (
    baseline,
    bench,
    boards,
    doctor,
    history,
    package,
    report,
    run,
    server,
    store,
    sweep,
    twin,
)
from tasks.core.errors import OverlayflowError, ServerError, causes

INTERRUPTED = 2


def parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    top = argparse.ArgumentParser(
        prog="overlayflow",
        description="From a trained model to a measured PYNQ overlay, as one Prefect flow.",
        epilog="Start with: overlayflow twin start; overlayflow run examples/digits/digits.keras "
        "--data examples/digits/digits.npz --board twin",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    building, measuring = (run, sweep, package), (bench, boards, twin)
    keeping = (store, history, baseline, report)
    for module in (*building, *measuring, *keeping, server, doctor):
        module.add(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 done; 1 a step, tool or gate failed; 2 the input or the set-up cannot be used, or the
        run was interrupted.
    """
    arguments = parser().parse_args(argv)
    _set_up_prefect()
    try:
        code: int = arguments.run(arguments)
    except BrokenPipeError:  # whoever read our output has enough
        sys.stderr.close()
        return 0
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  the last resort: a message
        return _ended_by(error)
    return code


def _ended_by(error: BaseException) -> int:
    """Say what ended the command, never by a bare traceback; returns the exit status."""
    # Prefect, interrupted in the midst of its bookkeeping, raises an error of its own.
    if any(isinstance(each, KeyboardInterrupt) for each in causes(error)):
        print(
            "overlayflow: interrupted; finished steps are kept, the next run goes on after them",
            file=sys.stderr,
        )
        return INTERRUPTED
    if isinstance(error, OverlayflowError):
        told = error
    else:
        told = _from_server(error) or _unexpected(error)
    print(f"overlayflow: {told}", file=sys.stderr)
    return told.exit_code


def _from_server(error: BaseException) -> OverlayflowError | None:
    """What to say of an error of Prefect's client whose cause is its server: gone, or locked."""
    import httpx

    for each in causes(error):
        if isinstance(each, httpx.HTTPStatusError) and each.response.status_code == UNAUTHORIZED:
            return ServerError(
                "the Prefect server lets in only who knows its password",
                where=f"{each.request.url.scheme}://{each.request.url.netloc.decode()}",
                remedy="export PREFECT_API_AUTH_STRING=USER:PASSWORD, as the server has it",
                transient=False,
            )
        if isinstance(each, httpx.TransportError):
            return _gone()
    return None


def _gone() -> OverlayflowError | None:
    """That the Prefect server does not answer; None if it does."""
    from tasks.orchestration import server

    try:
        server.require()
    except ServerError as error:
        return error
    return None


def _unexpected(error: BaseException) -> OverlayflowError:
    """What to say of an error that nobody foresaw: keep its traceback, name the file."""
    handle, path = tempfile.mkstemp(prefix="overlayflow-crash-", suffix=".log")
    with open(handle, "w", encoding="utf-8") as file:  # noqa: PTH123  a descriptor
        traceback.print_exception(error, file=file)
    return OverlayflowError(
        f"unexpected {type(error).__name__}: {error}",
        remedy=f"this is a defect of overlayflow; its traceback is in {path}",
    )


def _set_up_prefect() -> None:
    """Telemetry off, progress of our own packages in run logs, the server of `overlayflow up`."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "tasks")
    # A machine at work needs longer for a temporary server than Prefect's 20 s.
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
    # The server takes runs for dead that are silent for longer: deployments/automations.py.
    os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "30")
    from deployments import machine

    for name, value in machine.BATCHES.items():  # for a server that Prefect starts by itself
        os.environ.setdefault(name, value)
    settled = machine.running()
    if settled is not None:
        os.environ.setdefault("PREFECT_API_URL", f"{settled.address}/api")


if __name__ == "__main__":
    sys.exit(main())
