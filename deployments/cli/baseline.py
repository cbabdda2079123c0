"""overlayflow baseline: manage the runs that later runs are compared with."""

from argparse import ArgumentParser, Namespace, _SubParsersAction

from deployments.cli.output import add_output, print_json, print_table


def add(commands: "_SubParsersAction[ArgumentParser]") -> None:
    """Add the arguments of accept, list and remove."""
    top = commands.add_parser(
        "baseline",
        help="accept a run as the baseline of later runs",
        description="A project has one baseline for each of its settings on each board. Accuracy, "
        "latency, throughput and utilisation of later runs of the same are compared with it, "
        "within the tolerances of the gates.",
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    accept = verbs.add_parser(
        "accept", help="make a run the baseline of its project, settings and board"
    )
    accept.add_argument("name", metavar="RUN", help="id (or the beginning of it) or name of a run")
    listing = verbs.add_parser("list", help="show the baselines")
    remove = verbs.add_parser("remove", help="remove the baselines of a project on a board")
    remove.add_argument("project", help="name of the project")
    remove.add_argument("board", help="name of the board")
    for parser in (accept, listing, remove):
        add_output(parser)
    top.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Accept or remove a baseline, then list all baselines."""
    from tasks.core.settings import store_url
    from tasks.quality import baselines
    from tasks.reporting import history

    if arguments.verb == "accept":
        baselines.accept(store_url(), history.find(store_url(), arguments.name)[0])
    elif arguments.verb == "remove":
        baselines.remove(store_url(), arguments.project, arguments.board)
    runs = baselines.every(store_url())
    if arguments.json:
        print_json({"runs": runs})
    elif not runs:
        print("no baselines; accept a run with: overlayflow baseline accept RUN")
    else:
        columns = ("board", *history.LINE)
        rows = [(each.verdict.measurement.deployment.board, *history.line(each)) for each in runs]
        print_table("baselines", columns, rows, narrow=True)
    return 0
