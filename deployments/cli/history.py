"""overlayflow history: what was measured, of which model, on which board."""

from argparse import ArgumentParser, Namespace, _SubParsersAction

from deployments.cli.output import add_json, print_json, print_table


def add(commands: "_SubParsersAction[ArgumentParser]") -> None:
    """Arguments."""
    parser = commands.add_parser(
        "history",
        help="compare earlier runs",
        description="Lists the runs that ended with a verdict, the newest first.",
    )
    parser.add_argument("--model", help="only runs of this model file name")
    parser.add_argument("--board", help="only runs on this board")
    parser.add_argument("--limit", type=int, default=20, help="at most so many (%(default)s)")
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Print the runs."""
    from tasks.core.records.base import Record
    from tasks.core.records.measurement import Run
    from tasks.core.settings import store_url
    from tasks.reporting import history

    class History(Record):
        """What --json prints."""

        runs: tuple[Run, ...]

    runs = history.runs(
        store_url(), model=arguments.model, board=arguments.board, limit=arguments.limit
    )
    if arguments.json:
        print_json(History(runs=runs))
    elif not runs:
        print("no runs yet; start one with: overlayflow run MODEL --data DATA --board twin")
    else:
        print_table("runs", history.COLUMNS, [history.row(each) for each in runs])
    return 0
