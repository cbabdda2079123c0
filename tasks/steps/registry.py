"""The store's packages as a registry: list them, and pair those accepted with their boards."""

from collections.abc import Iterator, Sequence

from tasks.boards.address import BoardAddress
from tasks.boards.requirement import takes
from tasks.core.errors import GateError, OverlayflowError
from tasks.core.records.base import Record
from tasks.core.records.measurement import Run
from tasks.core.records.package import Package
from tasks.store.store import Store


class Outcome(Record):
    """Result of measuring one package on one board."""

    project: str
    package: str
    board: str
    verdict: str
    message: str


def packages(store: Store) -> Iterator[Package]:
    """Yield every package once, oldest first; skip damaged ones with a warning."""
    seen = set()
    for package in store.records("package", Package):
        if package.digest not in seen:  # an imported package is a separate entry
            seen.add(package.digest)
            yield package


def pairs(
    store: Store,
    addresses: Sequence[BoardAddress],
    projects: Sequence[str],
    accepted: Sequence[Run],
) -> Iterator[tuple[Package, str]]:
    """Yield each accepted package that is still stored, with the name of the board it is for.

    Args:
        store: store of the packages.
        addresses: addresses of the boards.
        projects: names of projects to include; all if empty.
        accepted: the runs whose packages to include, each on its board.
    """
    deployments = [run.verdict.measurement.deployment for run in accepted]
    for package in packages(store):
        if projects and package.manifest.project_name not in projects:
            continue
        boards = {each.board for each in deployments if each.package.digest == package.digest}
        for address in addresses:
            if address.name in boards and takes(address, package.manifest):
                yield package, address.name


def passed(run: Run) -> Outcome:
    """Return the outcome of a run that finished; its gates may have warned."""
    deployment = run.verdict.measurement.deployment
    warned = [gate.message for gate in run.verdict.gates if not gate.passed]
    return Outcome(
        project=deployment.package.manifest.project_name,
        package=deployment.package.digest[:12],
        board=deployment.board,
        verdict="passed",
        message="; ".join(warned),
    )


def failed(package: Package, board: str, error: OverlayflowError) -> Outcome:
    """Return the outcome of a run that failed at a gate, in a tool or on the board."""
    return Outcome(
        project=package.manifest.project_name,
        package=package.digest[:12],
        board=board,
        verdict="FAILED",
        message=str(error),
    )


def gone(board: str, error: OverlayflowError) -> Outcome:
    """Return the outcome of a requested board that does not exist."""
    return Outcome(
        project="everything", package="", board=board, verdict="FAILED", message=str(error)
    )


def require_all(outcomes: Sequence[Outcome]) -> None:
    """Raise GateError unless every package passed on every board."""
    bad = [f"{each.project} on {each.board}" for each in outcomes if each.verdict != "passed"]
    if bad:
        raise GateError(
            f"{len(bad)} of {len(outcomes)} measurements failed: {', '.join(bad)}",
            where="benchmark-nightly",
            remedy="open the failed runs",
        )
