"""Names of flow runs: the one that a person gave, else one that says what the run does."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from prefect.runtime import flow_run

# Prefect draws names such as amber-falcon, its V2 form such as Incredible-Keagle, its V1 form
# such as gamma-borka, omega4-ledos-m and zeta-lorien-conflux.
_GREEK = (
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|omicron|pi|rho|sigma|"
    "tau|upsilon|phi|chi|psi|omega"
)
_DRAWN = re.compile(rf"[A-Za-z]+-[A-Za-z]+|({_GREEK})\d*-[a-z]+(-[a-z]+)?")


def given_or(describe: Callable[[dict[str, Any]], str]) -> Callable[[], str]:
    """Return what a flow takes for its run's name.

    Args:
        describe: returns a name for the run's parameters, for runs without a name of their own.
    """

    def name() -> str:
        given = flow_run.name
        if given and not _DRAWN.fullmatch(given):
            return str(given)
        return describe(flow_run.parameters)

    return name


def on_board(what: str, board: str, *differs: str) -> str:
    """Return, for example, `digits on twin · packed, 8 ns`."""
    words = ", ".join(filter(None, differs))
    return f"{what} on {board}" + (f" · {words}" if words else "")


def attempt() -> str:
    """Return what only this attempt at the flow run is called: a run may be retried in the UI."""
    return f"{flow_run.id}-{flow_run.run_count}"


def by_time(what: str, form: str) -> str:
    """Return what a run does and when it was to start, in UTC."""
    start = flow_run.scheduled_start_time or datetime.now(UTC)
    return f"{what} {start.astimezone(UTC).strftime(form)}"
