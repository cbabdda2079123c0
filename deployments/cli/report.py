"""overlayflow report: write a run's report as one self-contained HTML file, and open it."""

import re
from argparse import ArgumentParser, Namespace, _SubParsersAction
from pathlib import Path

from deployments.cli.output import add_output, print_json, show_page


def add(commands: "_SubParsersAction[ArgumentParser]") -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "report",
        help="write a run's report as HTML, and open it",
        description="Writes the report of a run with its charts as one HTML file to read, send or "
        "keep, and opens it in the browser if called from a terminal. Needs no Prefect server.",
    )
    parser.add_argument("name", metavar="RUN", help="id (or the beginning of it) or name of a run")
    parser.add_argument(
        "--out", type=Path, help="file to write (default: the run's name and id, .html)"
    )
    parser.add_argument("--no-open", action="store_true", help="do not open it in the browser")
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Write the file and print its path."""
    from tasks.core.settings import store_url
    from tasks.reporting import history, page

    found, stored = history.find(store_url(), arguments.name)
    name = re.sub(r"[^A-Za-z0-9.,_]+", "-", found.flow_run_name)
    out: Path = arguments.out or Path(f"{name}-{found.flow_run_id[:8]}.html")
    out.write_text(page.complete(stored or page.page(found, {})), encoding="utf-8")
    if arguments.json:
        print_json({"file": out.absolute()})
        return 0
    show_page(out, no_open=arguments.no_open)
    return 0
