"""overlayflow twin: manage the emulated boards on this machine."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace, _SubParsersAction
from collections.abc import Callable, Mapping
from typing import Any

from deployments.cli.output import add_output, duration, print_json, print_table, size, whole

# How the values of faults that are sizes or durations are read.
_UNITS: Mapping[str, Callable[[str], object]] = {
    "slow-link": size,
    "drop-link": size,
    "high-buffers": size,
    "reboot": duration,
}


def add(commands: "_SubParsersAction[ArgumentParser]") -> None:
    """Add the arguments of start, list, status, stop, fault and clear."""
    top = commands.add_parser(
        "twin",
        help="start, show and stop twin boards",
        description="A twin is an emulated board: it is reached by SSH and runs the genuine pynq "
        "on emulated registers and the simulated design. It does not need root.",
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, text in (
        ("start", "start a twin unless it is running"),
        ("status", "show whether a twin is running, and its address"),
        ("stop", "stop a twin and everything running on it"),
    ):
        parser = verbs.add_parser(verb, help=text, description=f"{text[0].upper()}{text[1:]}.")
        parser.add_argument(
            "name", nargs="?", default="twin", help="name of the twin (default: %(default)s)"
        )
        if verb == "start":
            parser.add_argument(
                "--kind", default="pynq-z2", help="board kind (default: %(default)s)"
            )
            parser.add_argument(
                "--pynq", help="version of pynq on the twin (default: 3.1.2, or the newest)"
            )
            parser.add_argument(
                "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
            )
            parser.add_argument(
                "--port",
                type=whole(0, 65535),
                default=0,
                help="SSH port (default: any free port)",
            )
            parser.add_argument(
                "--factory-password",
                action="store_true",
                help="let the password of PYNQ's images log in (default: only the twin's key)",
            )
        add_output(parser)
    listing = verbs.add_parser(
        "list", help="list the twins", description="Lists the twins of this machine."
    )
    add_output(listing)
    _add_faults(verbs)
    top.set_defaults(run=run)


def _add_faults(verbs: "_SubParsersAction[ArgumentParser]") -> None:
    from board.twin.faults import FAULTS

    parser = verbs.add_parser(
        "fault",
        help="inject a fault into a running twin",
        description="Injects a fault into a running twin, to see how the flows react. Sizes are "
        "written 100kB, times 30s.",
        epilog="faults: "
        + "; ".join(
            f"{kind}{f'={fault.value}' if fault.value else ''} ({fault.does})"
            for kind, fault in FAULTS.items()
        ),
    )
    parser.add_argument("name", help="name of the twin")
    parser.add_argument("fault", metavar="FAULT[=VALUE]", help="fault to inject, see below")
    add_output(parser)
    parser = verbs.add_parser(
        "clear", help="remove faults from a twin", description="Removes faults from a twin."
    )
    parser.add_argument("name", help="name of the twin")
    parser.add_argument(
        "fault", nargs="?", metavar="FAULT", help="fault to remove (default: all faults)"
    )
    add_output(parser)


def run(arguments: Namespace) -> int:
    """Run the verb."""
    if arguments.verb == "list":
        return _list(arguments)
    if arguments.verb in {"fault", "clear"}:
        return _change_faults(arguments)
    return _change_power(arguments)


def _list(arguments: Namespace) -> int:
    from board.twin.faults import faults_of
    from tasks.boards import twins
    from tasks.core.errors import BoardUnreachableError

    found: list[dict[str, Any]] = []
    for name in twins.twin_names():
        twin = None
        try:
            twin = twins.twin_status(name)
            state = "running" if twin else "stopped"
        except BoardUnreachableError:
            state = "does not answer"
        faults = faults_of(twins.twins(), name) if twin else {}
        found.append({"name": name, "state": state, "twin": twin, "faults": faults})
    if arguments.json:
        print_json({"twins": found})
    elif not found:
        print("no twins yet; start one with: overlayflow twin start")
    else:
        rows = [
            (
                each["name"],
                each["state"],
                *(
                    (twin.kind, twin.pynq, f"{twin.host}:{twin.port}")
                    if (twin := each["twin"])
                    else ("", "", "")
                ),
                ", ".join(each["faults"]),
            )
            for each in found
        ]
        print_table("twins", ("name", "state", "kind", "pynq", "address", "faults"), rows)
    return 0


def _change_faults(arguments: Namespace) -> int:
    from board.twin.faults import faults_of
    from tasks.boards import twins

    if arguments.verb == "fault":
        kind, _, value = arguments.fault.partition("=")
        twins.set_fault(arguments.name, kind, _plain(kind, value))
    else:
        twins.clear_faults(arguments.name, arguments.fault)
    found = faults_of(twins.twins(), arguments.name)
    if arguments.json:
        print_json({"name": arguments.name, "faults": found})
    else:
        shown = (f"{kind}={value}" if value else kind for kind, value in found.items())
        print(f"faults of twin {arguments.name}: {', '.join(shown) or 'none'}")
    return 0


def _plain(kind: str, value: str) -> str:
    """Return the bytes of a size and the seconds of a duration, as twins keep them."""
    from tasks.core.errors import InputError

    read = _UNITS.get(kind, str)
    try:
        return str(read(value)) if value else ""
    except ArgumentTypeError as error:
        raise InputError(str(error), where=f"fault {kind}") from None


def _change_power(arguments: Namespace) -> int:
    from tasks.boards import twins

    name: str = arguments.name
    twin = None
    if arguments.verb == "stop":
        text = f"twin {name} {'was stopped' if twins.stop_twin(name) else 'was not running'}"
    else:
        if arguments.verb == "start":
            twin = twins.start_twin(
                name,
                arguments.kind,
                arguments.port,
                host=arguments.host,
                pynq=arguments.pynq,
                password=twins.FACTORY_PASSWORD if arguments.factory_password else None,
            )
        else:
            twin = twins.twin_status(name)
        text = f"twin {name} is not running; start it with: overlayflow twin start {name}"
    if twin is not None:
        login = f"ssh -p {twin.port} -i {twin.client_key} {twin.user}@{twin.host}"
        text = f"twin {name} ({twin.kind}, pynq {twin.pynq}) is running: {login}"
    if arguments.json:
        print_json({"name": name, "twin": twin})
    else:
        print(text)
    return 0
