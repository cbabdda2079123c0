"""The measuring steps as plain functions: bring a package to a board and measure it there."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from board.kinds import board_kinds
from tasks.boards import measurement, transfer
from tasks.boards.address import BoardAddress
from tasks.boards.ssh import connect
from tasks.core.errors import InputError
from tasks.core.records.base import Entry
from tasks.core.records.measurement import Deployment, Measurement
from tasks.core.records.package import Package
from tasks.core.records.settings import MeasureSettings
from tasks.packaging.archive import PACKAGE_FILE
from tasks.store.store import Store, digest

log = logging.getLogger(__name__)

MEGA = 1e6


def deploy(store: Store, package: Package, address: BoardAddress) -> Deployment:
    """Transfer a package to a board, unless the board already has it.

    Raises:
        InputError: the package was built for a different part, or the board is a twin and the
            package is for hardware.
        BoardError: the board cannot be reached, or rejects the package.
    """
    part = board_kinds()[address.kind].part
    if package.manifest.part != part:
        raise InputError(
            f"the package is for {package.manifest.part}, but the board has {part}",
            where=address.label,
            remedy="build for this board's kind, or choose another board",
        )
    if address.target == "twin" and not package.manifest.runs_on("twin"):
        raise InputError(
            "a twin cannot run this package: it contains a bitstream for hardware, not a fabric "
            "image",
            where=address.label,
            remedy="choose a real board, or build the design with toolchain `open`",
        )
    started = time.monotonic()
    archive = store.files(package.entry) / PACKAGE_FILE
    with connect(address) as connection:
        deployed = transfer.deploy(connection, archive, package.digest, on_progress=_progress())
    return Deployment(
        package=package,
        board=address.name,
        board_kind=address.kind,
        directory=deployed.directory,
        sent_bytes=deployed.sent_bytes,
        seconds=time.monotonic() - started,
    )


def _progress() -> Callable[[int, int], None]:
    """Return a callback that logs every tenth of a transfer."""
    shown = 0

    def show(done: int, total: int) -> None:
        nonlocal shown
        if total and 10 * done // total > shown:
            shown = 10 * done // total
            log.info("sent %.1f of %.1f MB", done / MEGA, total / MEGA)

    return show


def benchmark(
    store: Store,
    address: BoardAddress,
    deployment: Deployment,
    settings: MeasureSettings,
    *,
    lease_id: str,
    run_id: str,
) -> Measurement:
    """Measure a deployed package on its board; the results are kept in the store.

    Args:
        store: store for the results.
        address: address of the board that has the package.
        deployment: the deployed package.
        settings: how to measure.
        lease_id: id of the board's lease; the board refuses to work for an invalid one.
        run_id: a name for this measurement, which no other has.

    Raises:
        BoardError: the board cannot be used, or the run failed there.
    """
    entry, inputs = _named(run_id, deployment.package)

    def build(out: Path) -> Measurement:
        measured = measurement.measure(address, deployment, settings, lease_id, out)
        return measured.model_copy(update={"entry": entry})

    label = deployment.package.manifest.model_name
    return at_hand(store, store.get_or_build(entry, inputs, Measurement, build, label=label))


def find(store: Store, package: Package, run_id: str) -> Measurement | None:
    """Return the measurement that `benchmark` made of a package under this name, or None.

    Raises:
        StoreError: the store cannot be read.
    """
    entry, _ = _named(run_id, package)
    return store.record(entry, Measurement) if store.verify(entry) else None


def _named(run_id: str, package: Package) -> tuple[Entry, dict[str, str]]:
    """Return the entry of a measurement, and the inputs that it is named by."""
    inputs = {"run": run_id, "package": package.digest}
    return Entry(step="benchmark", digest=digest("benchmark", inputs)), inputs


def at_hand(store: Store, measured: Measurement) -> Measurement:
    """Return a measurement whose directory is on this machine, wherever it was made.

    Raises:
        StoreError: its results are not in the store.
    """
    if measured.entry is None:
        return measured
    return measured.model_copy(update={"directory": str(store.files(measured.entry))})
