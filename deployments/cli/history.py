"""overlayflow history: list and compare earlier runs."""

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace, _SubParsersAction
from datetime import UTC, datetime, timedelta

from deployments.cli.output import add_output, duration, print_json, print_table, whole


def add(commands: "_SubParsersAction[ArgumentParser]") -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "history",
        help="list earlier runs",
        description="Lists the runs that reached a verdict, newest first, a line each. "
        "`overlayflow compare` shows two or more side by side.",
    )
    parser.add_argument("--model", help="only runs with this model file name")
    parser.add_argument("--project", help="only runs of this project")
    parser.add_argument("--board", help="only runs on this board")
    parser.add_argument("--verdict", choices=("passed", "failed"), help="only these")
    parser.add_argument(
        "--since",
        type=moment,
        metavar="WHEN",
        help="only runs after a date (2026-01-31) or time ago (2d)",
    )
    parser.add_argument("--until", type=moment, metavar="WHEN", help="only runs until then")
    parser.add_argument(
        "--limit",
        type=whole(1, 1_000_000),
        default=20,
        help="maximum number of runs (default: %(default)s)",
    )
    parser.add_argument(
        "--csv", action="store_true", help="print every figure and setting as CSV instead"
    )
    add_output(parser)
    parser.set_defaults(run=run)


def moment(text: str) -> datetime:
    """Convert a date, a date and time (UTC unless it says otherwise), or a time ago such as 2d."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        try:
            return datetime.now(UTC) - timedelta(seconds=duration(text, longest_d=36500))
        except ArgumentTypeError:
            raise ArgumentTypeError(
                f"{text!r} is no date and no time ago; use 2026-01-31, 2026-01-31T12:00 or 2d"
            ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def run(arguments: Namespace) -> int:
    """Print the runs."""
    from tasks.core.settings import store_url
    from tasks.reporting import history

    wanted = history.Wanted(
        model=arguments.model,
        project=arguments.project,
        board=arguments.board,
        passed={"passed": True, "failed": False, None: None}[arguments.verdict],
        since=arguments.since,
        until=arguments.until,
    )
    runs = history.runs(store_url(), wanted, limit=arguments.limit)
    if not runs:
        history.require_known(store_url(), wanted)
    if arguments.csv:
        sys.stdout.write(history.as_csv(runs))
    elif arguments.json:
        print_json({"runs": runs})
    elif not runs and wanted == history.EVERY:
        print("no runs yet; start one with: overlayflow run MODEL --data DATA --board twin")
    elif not runs:
        print("no run matches")
    else:
        print_table("", history.LINE, [history.line(each) for each in runs], narrow=True)
        if any(each.verdict.measurement.simulated for each in runs):
            print("* simulated: measured on a twin, in clock cycles of the design")
    return 0
