"""Entry point of `overlayflow`: parse arguments, run a command, turn errors into messages."""

import contextlib
import faulthandler
import logging
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from argparse import Namespace
from collections.abc import Sequence
from http.client import UNAUTHORIZED
from types import FrameType

from deployments.cli import (
    baseline,
    bench,
    boards,
    compare,
    doctor,
    estimate,
    history,
    package,
    printable,
    report,
    run,
    server,
    store,
    surroundings,
    sweep,
    twin,
)
from deployments.cli.output import print_error
from deployments.cli.parser import Completion, Parser, Version
from tasks.core.errors import (
    BoardsFailedError,
    GateError,
    InterruptionError,
    OverlayflowError,
    ServerError,
    causes,
)

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Tools have 20 s to end, see tasks/processes/run.py, and Prefect some calls to make after that.
STOP_S = 40.0
_AGAIN_S = 0.01


def parser() -> Parser:
    """Return the parser with all commands."""
    top = Parser(
        prog="overlayflow",
        description="From a trained model to a measured PYNQ overlay, as one Prefect flow.",
        epilog="Start with: overlayflow twin start; overlayflow run examples/digits/digits.keras "
        "--data examples/digits/digits.npz --board twin",
    )
    top.add_argument("--version", action=Version, nargs=0, help="print the version and exit")
    top.add_argument(
        "--print-completion", action=Completion, choices=("bash", "zsh", "fish"),
        help="print the completion of a shell and exit; docs/operate.md says where it goes",
    )  # fmt: skip
    top.add_argument_group(
        "output", "--json, -q and -v, which every command has, may also stand before it"
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    building, measuring = (run, estimate, sweep, package), (bench, boards, twin)
    keeping = (store, history, compare, baseline, report)
    for module in (*building, *measuring, *keeping, server, doctor):
        module.add(commands)
    return top


def command() -> int:
    """Run the command of this process, which ends by any signal as by Ctrl-C, and in bounded time.

    Prefect's own handler of SIGTERM can leave a lock of Python's logging taken, for which Prefect
    then waits forever. Guards end all tools, and leases their programs on boards, once this process
    is gone.
    """
    faulthandler.enable()  # a crash of native code says where
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write)  # told of signals whoever handles them: Prefect takes SIGTERM
    for number in (*ENDS, signal.SIGALRM):
        signal.signal(number, _interrupt)
    sys.unraisablehook = _interrupt_again

    def end_surely() -> None:
        while os.read(read, 1)[0] not in ENDS:
            pass
        time.sleep(STOP_S)
        with contextlib.suppress(OSError):  # its reader may be gone
            os.write(2, b"overlayflow: did not stop within %g s and was ended\n" % STOP_S)
        os._exit(InterruptionError.exit_code)

    threading.Thread(target=end_surely, daemon=True).start()
    return main()


def _interrupt(_number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, but not within logging, whose lock would stay taken: soon after."""
    while frame is not None:
        if frame.f_globals.get("__name__") == "logging":
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
            return
        frame = frame.f_back
    raise KeyboardInterrupt


def _interrupt_again(unraisable: "sys.UnraisableHookArgs") -> None:
    """Raise KeyboardInterrupt anew, soon, if Python dropped it since a destructor raised it."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
    else:
        sys.__unraisablehook__(unraisable)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 for success; 1 if a step, tool or gate failed; 2 if the input or the set-up cannot be
        used, or the run was interrupted.
    """
    printable.install()
    arguments = parser().parse_args(argv)
    try:
        surroundings.settle()
        _set_up_prefect(arguments)
        code: int = arguments.run(arguments)
    except BrokenPipeError:  # the reader of our output has closed it
        sys.stderr.close()
        return 0
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  always end with a message
        shown = _ended_by(error)
        if arguments.json and not _has_record(shown):
            print_error(shown)
        print(f"overlayflow: {shown}", file=sys.stderr)
        return shown.exit_code
    return code


def _ended_by(error: BaseException) -> OverlayflowError:
    """Return what ended the command as one of our errors, which needs no traceback."""
    # If interrupted in its bookkeeping, Prefect raises an error of its own.
    if any(isinstance(each, KeyboardInterrupt) for each in causes(error)):
        return InterruptionError(
            "interrupted; finished steps are kept, and the next run continues from there"
        )
    if isinstance(error, OverlayflowError):
        return error
    return _from_server(error) or _unexpected(error)


def _has_record(error: OverlayflowError) -> bool:
    """Return whether the command printed the record of what failed before it ended."""
    if isinstance(error, GateError):
        return error.run is not None
    return isinstance(error, BoardsFailedError)


def _from_server(error: BaseException) -> OverlayflowError | None:
    """Return our error for an error of Prefect's client that the server caused, or None."""
    import httpx

    for each in causes(error):
        if isinstance(each, httpx.HTTPStatusError):
            from tasks.orchestration.server import BUSY

            status = each.response.status_code
            where = f"{each.request.url.scheme}://{each.request.url.netloc.decode()}"
            if status == UNAUTHORIZED:
                return ServerError(
                    "the Prefect server requires authentication",
                    where=where,
                    remedy="export PREFECT_API_AUTH_STRING=USER:PASSWORD, as set on the server",
                    transient=False,
                )
            if status in BUSY:
                return ServerError(
                    "the Prefect server was too busy to answer",
                    where=where,
                    remedy="run it again when its machine has less to do: finished steps are kept",
                )
        if isinstance(each, httpx.TransportError):
            return _gone()
    return None


def _gone() -> OverlayflowError | None:
    """Return the error that the Prefect server does not answer, or None if it does."""
    from tasks.orchestration import server

    try:
        server.require()
    except ServerError as error:
        return error
    return None


def _unexpected(error: BaseException) -> OverlayflowError:
    """Keep the traceback of an unexpected error in a file, and return an error that names it."""
    handle, path = tempfile.mkstemp(prefix="overlayflow-crash-", suffix=".log")
    with open(handle, "w", encoding="utf-8") as file:  # noqa: PTH123  a descriptor
        traceback.print_exception(error, file=file)
    return OverlayflowError(
        f"unexpected {type(error).__name__}: {error}",
        remedy=f"this is a bug in overlayflow; report it with the traceback in {path}",
    )


def _set_up_prefect(arguments: Namespace) -> None:
    """Set Prefect up: no telemetry, our progress in run logs, the server of `overlayflow up`."""
    if arguments.quiet:  # the terminal's log alone; the run's own, in the UI, stays complete
        os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "WARNING"
    if arguments.verbose:
        # Our own details: what Prefect says to its server would bury them.
        os.environ["PREFECT_LOGGING_LOGGERS_PREFECT_EXTRA_LEVEL"] = "DEBUG"
    # A short command ends while Prefect still sends its events, and Prefect warns that it waits.
    for worker in ("EventsWorker", "APILogWorker"):
        logging.getLogger(worker).addFilter(
            lambda record: "Still processing" not in str(record.msg)
        )
    from deployments import machine

    machine.set_up_prefect()


if __name__ == "__main__":
    sys.exit(command())
