"""overlayflow history: list and compare earlier runs."""

from argparse import ArgumentParser, Namespace, _SubParsersAction

from deployments.cli.output import add_output, print_json, print_table


def add(commands: "_SubParsersAction[ArgumentParser]") -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "history",
        help="compare earlier runs",
        description="Lists the runs that reached a verdict, newest first.",
    )
    parser.add_argument("--model", help="only runs with this model file name")
    parser.add_argument("--board", help="only runs on this board")
    parser.add_argument(
        "--limit", type=int, default=20, help="maximum number of runs (default: %(default)s)"
    )
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Print the runs."""
    from tasks.core.settings import store_url
    from tasks.reporting import history

    runs = history.runs(
        store_url(), model=arguments.model, board=arguments.board, limit=arguments.limit
    )
    if arguments.json:
        print_json({"runs": runs})
    elif not runs:
        print("no runs yet; start one with: overlayflow run MODEL --data DATA --board twin")
    else:
        print_table("runs", history.COLUMNS, [history.row(each) for each in runs])
    return 0
