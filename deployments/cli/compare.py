"""overlayflow compare: what differs between runs, in settings and figures."""

from argparse import ArgumentParser, Namespace, _SubParsersAction
from pathlib import Path

from deployments.cli.output import add_output, print_json, print_table, show_page


def add(commands: "_SubParsersAction[ArgumentParser]") -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "compare",
        help="compare runs: settings that differ, figures with their change",
        description="Shows in which settings runs differ, then their figures and how each changed "
        "against the first run. Needs no Prefect server.",
    )
    parser.add_argument(
        "name", nargs="+", metavar="RUN", help="id (or the beginning of it) or name of a run"
    )
    parser.add_argument(
        "--out", type=Path, help="write a page to this file, and open it if on a terminal"
    )
    parser.add_argument("--no-open", action="store_true", help="do not open the page")
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Print the comparison, and write the page if asked for.

    Raises:
        InputError: fewer than two runs, or one that is not in the history.
    """
    from tasks.core.errors import InputError
    from tasks.core.settings import store_url
    from tasks.reporting import history, page, run_comparison

    if len(arguments.name) == 1:
        raise InputError(
            "one run cannot be compared",
            where="compare",
            remedy="name two or more; `overlayflow history` lists them",
        )
    runs = [history.find(store_url(), name)[0] for name in arguments.name]
    compared = run_comparison.compare(runs)
    if arguments.out:
        arguments.out.write_text(page.complete(run_comparison.as_page(compared)), encoding="utf-8")
    if arguments.json:
        print_json(run_comparison.record(compared))
        return 0
    columns = [f"{each.flow_run_name}\n{each.flow_run_id[:8]}" for each in runs]
    for title, rows in (
        ("settings that differ", compared.settings),
        ("figures", compared.figures),
    ):
        cells = [
            (
                row.label,
                *(
                    f"{value or '-'} {f'({change.text})' if change.text else ''}".rstrip()
                    for value, change in zip(row.values, row.changes, strict=True)
                ),
            )
            for row in rows
        ]
        if cells:
            print_table(title, ("", *columns), cells)
        else:
            print(f"{title}: none")
    if compared.simulated:
        print(f"simulated on a twin: {', '.join(compared.simulated)}")
    if arguments.out:
        show_page(arguments.out, no_open=arguments.no_open)
    return 0
