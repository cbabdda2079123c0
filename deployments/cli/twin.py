"""overlayflow twin: the emulated boards of this machine."""

from argparse import ArgumentParser, Namespace, _SubParsersAction

from deployments.cli.output import add_json, print_json


def add(commands: "_SubParsersAction[ArgumentParser]") -> None:
    """Arguments of start, status and stop."""
    top = commands.add_parser(
        "twin",
        help="start, show and stop twin boards",
        description="A twin is an emulated board: reached by SSH, running the genuine pynq over "
        "emulated registers and the simulated design. It needs no root.",
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, text in (
        ("start", "start a twin, unless it runs"),
        ("status", "show whether a twin runs, and where"),
        ("stop", "stop a twin and all that runs on it"),
    ):
        parser = verbs.add_parser(verb, help=text, description=f"{text[0].upper()}{text[1:]}.")
        parser.add_argument("name", nargs="?", default="twin", help="(%(default)s)")
        if verb == "start":
            parser.add_argument("--kind", default="pynq-z2", help="board kind (%(default)s)")
            parser.add_argument("--port", type=int, default=0, help="SSH port (a free one)")
        add_json(parser)
    top.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Start, show or stop."""
    from board.twin.record import TwinRecord
    from tasks import boards
    from tasks.records import Record

    class TwinState(Record):
        """What --json prints."""

        name: str
        twin: TwinRecord | None

    name: str = arguments.name
    twin: TwinRecord | None = None
    if arguments.verb == "stop":
        text = f"twin {name} {'is stopped' if boards.stop_twin(name) else 'did not run'}"
    else:
        if arguments.verb == "start":
            twin = boards.start_twin(name, arguments.kind, arguments.port)
        else:
            twin = boards.twin_status(name)
        text = f"twin {name} does not run; start it with: overlayflow twin start {name}"
    if twin is not None:
        login = f"ssh -p {twin.port} -i {twin.client_key} {twin.user}@{twin.host}"
        text = f"twin {name} ({twin.kind}) runs: {login}"
    if arguments.json:
        print_json(TwinState(name=name, twin=twin))
    else:
        print(text)
    return 0
