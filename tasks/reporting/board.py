"""One page about a board: who has it, who waits for it, its health and its last runs."""

import shlex
from collections.abc import Callable, Sequence

from tasks.boards.address import BoardAddress
from tasks.core.records.base import Record
from tasks.core.records.measurement import Run
from tasks.reporting import history
from tasks.reporting.report import plain, table


class BoardNews(Record):
    """What the last flow that used a board found, kept until the next one.

    Attributes:
        state: who has it and until when, or that it is free.
        health: what the last check found.
        checked: when that was, UTC; empty if it was never checked.
    """

    state: str = "not known"
    health: str = "not checked"
    checked: str = ""


def markdown(
    address: BoardAddress,
    news: BoardNews,
    waiting: Sequence[str],
    runs: Sequence[Run],
    page_of: Callable[[str], str],
) -> str:
    """Return the page.

    Args:
        address: of the board.
        news: what is known about it.
        waiting: names of the runs that wait for it.
        runs: its last runs, newest first.
        page_of: returns the URL of a flow run; empty if there is none.
    """
    facts = [
        ("state", news.state),
        ("waiting", ", ".join(waiting) or "nobody"),
        ("last health check", f"{news.health} ({news.checked})" if news.checked else news.health),
        ("kind", address.kind),
        # As user@host, both UIs would make a mail address of it.
        ("address", f"{address.host}:{address.port}, user {address.user}"),
        ("tags", " ".join(address.tags)),
        ("jump host", address.jump.label if address.jump else ""),
        ("power meter", shlex.join(address.meter)),
    ]
    sections = [
        f"# Board {address.name}",
        f"Last run: {_last(runs, page_of)}",  # in a table, Prefect's UI shows no link
        table(("what", "now"), [(name, text) for name, text in facts if text]),
    ]
    if runs:
        lines = table(history.LINE, [history.line(run) for run in runs])
        sections += ["## Last runs", lines, history.SIMULATED]
    return "\n\n".join(sections) + "\n"


def _last(runs: Sequence[Run], page_of: Callable[[str], str]) -> str:
    if not runs:
        return "none"
    run = runs[0]
    url = page_of(run.flow_run_id)
    name = plain(run.flow_run_name)
    if url:
        name = f"[{name}]({url})"
    when = run.finished[:16].replace("T", " ")
    return f"{name}, {'passed' if run.verdict.passed else 'FAILED'}, {when} UTC"
