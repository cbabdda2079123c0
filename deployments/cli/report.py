"""overlayflow report: write a run's report as one self-contained HTML file."""

from argparse import ArgumentParser, Namespace, _SubParsersAction
from pathlib import Path

from deployments.cli.output import add_json, print_json


def add(commands: "_SubParsersAction[ArgumentParser]") -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "report",
        help="write a run's report as HTML",
        description="Writes the report of a run with its pictures as one HTML file to send or "
        "keep. Needs no Prefect server.",
    )
    parser.add_argument("name", metavar="RUN", help="id (or the beginning of it) or name of a run")
    parser.add_argument(
        "--out", type=Path, help="file to write (default: the run's name and id, .html)"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Write the file and print its path."""
    from tasks.core.settings import store_url
    from tasks.reporting import history, html

    found, text = history.find(store_url(), arguments.name)
    default = f"{found.flow_run_name}-{found.flow_run_id[:8]}.html".replace(" ", "-")
    out: Path = arguments.out or Path(default.replace("/", "-"))
    out.write_text(html.page(found.flow_run_name, text), encoding="utf-8")
    if arguments.json:
        print_json({"file": out.absolute()})
    else:
        print(out)
    return 0
