"""Runs board/runner.py on a board and reads its results."""

import contextlib
import hashlib
import logging
import uuid
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from board.kinds import board_kinds
from tasks.boards import program, runtime, transfer
from tasks.boards.address import BoardAddress
from tasks.boards.meter import Meter, metering
from tasks.boards.ssh import Connection, connect
from tasks.core.errors import BenchmarkError, BoardBusyError, BoardError, BoardUnreachableError
from tasks.core.records.measurement import Deployment, Figures, Measurement
from tasks.core.records.settings import MeasureSettings

log = logging.getLogger(__name__)

RESULTS = ("y_hw.npy", "results.json")
RUN = "run-"
# Exit statuses of board/runner.py.
BUSY, WRONG_TARGET, DAMAGED, NO_BOARD, ABANDONED, STALE = 3, 4, 5, 6, 7, 9


class Rerun(BaseModel):
    """The result of rerunning samples that differed."""

    suspect: Literal["design", "board"]


class Csim(BaseModel):
    """The runner's comparison of outputs with those of the C simulation."""

    rerun: Rerun | None


class Results(Figures):
    """The fields of results.json that are used; board/runner.py documents all of them."""

    model_config = ConfigDict(extra="ignore")
    schema_version: Literal[1]
    csim: Csim
    y_hw_sha256: str


def measure(
    address: BoardAddress,
    deployment: Deployment,
    settings: MeasureSettings,
    lease_id: str,
    out: Path,
) -> Measurement:
    """Run the benchmark of a deployed package.

    Args:
        address: of the board that has the package.
        deployment: of the package.
        settings: how to measure.
        lease_id: of the board's lease.
        out: directory for y_hw.npy and results.json.

    Raises:
        BoardBusyError: the lease has ended: somebody else has the board.
        BoardUnreachableError: the connection was lost.
        BoardError: the board rejected the package.
        BenchmarkError: the run failed on the board or did not end in time.
    """
    run_id = uuid.uuid4().hex
    remote_out = str(PurePosixPath(deployment.directory).parents[1] / f"{RUN}{run_id}")
    out.mkdir(parents=True, exist_ok=True)
    metered = metering(address.meter, out) if address.meter else contextlib.nullcontext()
    kind = board_kinds()[address.kind]
    with connect(address) as connection:
        runner = program.Program(
            argv=_command(
                runtime.bring(connection),
                remote_out,
                run_id,
                lease_id,
                settings,
                metered=bool(address.meter),
            ),
            directory=deployment.directory,
            environment={"XILINX_XRT": kind.xrt},
            profile=kind.environment_file or None,
            # pynq needs root to program a real fabric, but not a twin's.
            root=deployment.package.manifest.target == "hardware" and address.target != "twin",
        )
        try:
            with metered as meter:
                _run(connection, runner, settings, meter)
            transfer.fetch(connection, remote_out, RESULTS, out)
        finally:
            _clean_up(connection, remote_out, root=runner.root)
    return _measurement(deployment, out, meter)


def _command(
    programs: str,
    remote_out: str,
    run_id: str,
    lease_id: str,
    settings: MeasureSettings,
    *,
    metered: bool,
) -> tuple[str, ...]:
    return runtime.command(
        programs,
        "runner",
        *("--out", remote_out, "--run-id", run_id),
        *("--lease", lease_id),
        *("--passes", str(settings.passes)),
        *("--batches", ",".join(map(str, settings.batches))),
        *("--deadline", str(settings.deadline_s)),
        *(["--metered"] if metered else []),
    )


def _run(
    connection: Connection,
    runner: program.Program,
    settings: MeasureSettings,
    meter: Meter | None = None,
) -> None:
    error: dict[str, Any] = {}
    phase = ""

    def on_event(event: dict[str, Any]) -> None:
        nonlocal phase
        if event.get("event") == "error":
            error.update(event)
        elif event.get("phase", phase) != phase:
            phase = event["phase"]
            if meter is not None:
                meter.mark(phase)
            log.info("board %s: %s", connection.address.name, phase)

    finished = program.run(
        connection,
        runner,
        deadline_s=settings.deadline_s,
        on_line=program.json_lines(on_event, log.info),
    )
    if finished.status != 0:
        raise _failure(connection.address.label, finished.status, error, finished.stderr)


def _failure(where: str, status: int, event: dict[str, Any], stderr: str) -> BoardError:
    kinds: dict[int, type[BoardError]] = {
        BUSY: BoardBusyError,
        STALE: BoardBusyError,
        WRONG_TARGET: BoardError,
        DAMAGED: BoardError,
        NO_BOARD: BoardError,
        ABANDONED: BoardUnreachableError,
    }
    what = event.get("what", f"the runner ended with status {status}")
    return kinds.get(status, BenchmarkError)(
        f"{what}\n{stderr}".strip(), where=where, remedy=event.get("remedy", "")
    )


def _clean_up(connection: Connection, remote_out: str, *, root: bool) -> None:
    """Remove the results, and leftovers of runs that lost the board: it has one run at a time."""
    above = str(PurePosixPath(remote_out).parent)  # the user's: a pid file is written there
    found = ("find", above, "-maxdepth", "1", "-name", f"{RUN}*")
    remove = program.Program(
        argv=(*found, "-exec", "rm", "-rf", "--", "{}", "+"), directory=above, root=root
    )
    try:
        program.run(connection, remove, deadline_s=30, on_line=log.info)
    except BoardError as error:
        log.warning("%s: %s was not removed: %s", error.where, remote_out, error.what)


def _measurement(deployment: Deployment, out: Path, meter: Meter | None) -> Measurement:
    path = out / "results.json"
    try:
        results = Results.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise BenchmarkError(
            f"the board's results do not have the format of this version: {error}",
            where=str(path),
            remedy="package and deploy the design again",
        ) from error
    with (out / "y_hw.npy").open("rb") as outputs:
        digest = hashlib.file_digest(outputs, "sha256").hexdigest()
    if digest != results.y_hw_sha256:
        raise BenchmarkError(
            "the outputs were damaged in transfer from the board",
            where=str(out / "y_hw.npy"),
            remedy="run the benchmark again",
            transient=True,
        )
    rerun = results.csim.rerun
    measured = results.values_of(Figures)
    if results.power_w is not None:
        measured["power_by"] = "board"
    if meter is not None and (watts := meter.watts()) is not None:
        measured |= {"power_w": watts, "power_by": "meter"}
    return Measurement(
        deployment=deployment,
        y_hw_digest=digest,
        directory=str(out),
        suspect=rerun.suspect if rerun else None,
        **measured,
    )
