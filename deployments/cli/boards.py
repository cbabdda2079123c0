"""overlayflow boards: manage the boards that flows may use, and their leases."""

import contextlib
import sys
from argparse import ArgumentParser, Namespace, _SubParsersAction
from pathlib import Path
from typing import TYPE_CHECKING

from deployments.cli.output import add_output, duration, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from tasks.boards.check import BoardCheck
    from tasks.core.records.base import Record

    Told = tuple[Record | dict[str, object], str]

# The check that is made last, if none before it ends them.
LAST = "overlay"
NO_BOARDS = (
    "no boards yet; start a twin (overlayflow twin start) or add a board (overlayflow boards add)"
)


def add(commands: "_SubParsersAction[ArgumentParser]") -> None:
    """Add the arguments of all verbs."""
    top = commands.add_parser(
        "boards",
        help="add, list, check and lease boards",
        description="Boards are Prefect blocks, so every machine of a team knows them. Twins on "
        "this machine need not be added.",
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_add(verbs)
    for verb, text in (
        ("list", "list the boards and the running twins"),
        ("show", "show a board and who has leased it"),
        ("check", "check boards in parallel: reachable, login, pynq, kind, space, clock"),
        ("remove", "remove a board from the list; nothing on it is changed"),
        ("lease", "lease a board, so no flow uses it while you work on it"),
        ("release", "release a board that you leased"),
    ):
        parser = verbs.add_parser(verb, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if verb == "check":
            parser.add_argument("name", nargs="*", help="name of a board (default: all)")
            parser.add_argument(
                "--overlay", action="store_true",
                help="also load a known-good design, which replaces the one on the board: PYNQ's "
                "base overlay, or on a twin a loopback",
            )  # fmt: skip
        elif verb != "list":
            parser.add_argument("name", help="name of the board")
        if verb == "lease":
            parser.add_argument(
                "--for", dest="duration_s", type=duration, required=True, metavar="TIME",
                help="maximum duration: 90s, 30m, 2h, 1d",
            )  # fmt: skip
            parser.add_argument("--why", required=True, help="reason, shown to others")
        add_output(parser)
    top.set_defaults(run=run)


def _add_add(verbs: "_SubParsersAction[ArgumentParser]") -> None:
    parser = verbs.add_parser(
        "add",
        help="add a board and pin its host key",
        description="Shows the fingerprint of the board's host key, asks you to confirm it, logs "
        "in once, and saves the board.",
        epilog="Example: overlayflow boards add lab-1 --kind pynq-z2 --host 192.168.2.99 "
        "--ask-password --tag lab",
    )
    parser.add_argument("name", help="name of lower-case letters, digits and hyphens")
    parser.add_argument("--kind", required=True, help="board kind, an entry of board/kinds.toml")
    parser.add_argument("--host", required=True, metavar="[USER@]HOST", help="host name or address")
    parser.add_argument("--port", type=int, default=22, help="SSH port (default: %(default)s)")
    parser.add_argument("--user", help="user (default: xilinx)")
    parser.add_argument("--key", type=Path, help="private key file without a passphrase")
    parser.add_argument("--agent", action="store_true", help="use the keys of the SSH agent")
    password = parser.add_mutually_exclusive_group()
    password.add_argument(
        "--ask-password", action="store_true", help="ask for the password for login and sudo"
    )
    password.add_argument(
        "--password-stdin", action="store_true", help="read the password from stdin"
    )
    parser.add_argument(
        "--tag", action="append", default=[], help="tag to select the board by; may be repeated"
    )
    parser.add_argument(
        "--jump",
        metavar="USER@HOST[:PORT]",
        help="jump host through which to connect, with the same key or agent",
    )
    parser.add_argument(
        "--meter", metavar="COMMAND",
        help="command of a power meter that prints watts line by line; runs on this machine, "
        "without a shell",
    )  # fmt: skip
    trust = parser.add_mutually_exclusive_group()
    trust.add_argument("--yes", action="store_true", help="pin the key without confirmation")
    trust.add_argument(
        "--fingerprint", metavar="SHA256:...",
        help="accept only this host key of the board, without asking",
    )  # fmt: skip
    parser.add_argument(
        "--jump-fingerprint", metavar="SHA256:...",
        help="accept only this host key of the jump host, without asking",
    )  # fmt: skip
    add_output(parser)


def run(arguments: Namespace) -> int:
    """Run the verb."""
    with _server(arguments):
        return _run(arguments)


def _run(arguments: Namespace) -> int:
    if arguments.verb == "add":
        from deployments.cli.boards_add import add_board

        _print(arguments, *add_board(arguments))
        _offer_in_forms()
        return 0
    if arguments.verb == "check":
        return _check(arguments)
    if arguments.verb == "list":
        return _list(arguments)
    _print(arguments, *_VERBS[arguments.verb](arguments))
    return 0


def _offer_in_forms() -> None:
    """Have the forms of the server offer the boards that are there now."""
    from deployments import forms

    forms.refresh()


def _server(arguments: Namespace) -> "AbstractContextManager[None]":
    """Return the Prefect server, unless only twins are named, which are on this machine."""
    from deployments.prefect_server import prefect_server
    from tasks.boards import twins

    names = getattr(arguments, "name", None) or []
    only_twins = {*([names] if isinstance(names, str) else names)} <= {*twins.twin_names()}
    return contextlib.nullcontext() if names and only_twins else prefect_server()


def _print(arguments: Namespace, record: "Record | dict[str, object]", text: str) -> None:
    if arguments.json:
        print_json(record)
    else:
        print(text)


def _list(arguments: Namespace) -> int:
    from deployments.cli.boards_add import shown
    from tasks.orchestration import board_block

    bad = [str(error) for error in board_block.invalid()]
    for each in bad:
        print(f"overlayflow: {each}", file=sys.stderr)
    found = [shown(address) for address in board_block.addresses()]
    if arguments.json:
        print_json({"boards": found, "invalid": bad})
    elif not found:
        print(NO_BOARDS)
    else:
        rows = [(each.name, each.kind, each.where, " ".join(each.tags)) for each in found]
        print_table("boards", ("name", "kind", "where", "tags"), rows)
    return 0


def _show(arguments: Namespace) -> "Told":
    from deployments.cli.boards_add import shown
    from tasks.boards import lease
    from tasks.orchestration import board_block

    address = board_block.address(arguments.name)
    state = lease.show(address)
    board = shown(address)
    who = "free" if state.free or state.lease is None else f"taken: {state.lease.words}"
    lines = [f"{name}: {value}" for name, value in board.facts() if value]
    return {"board": board, "lease": state}, "\n".join([*lines, f"lease: {who}"])


def _check(arguments: Namespace) -> int:
    from tasks import check_boards

    checks = check_boards.check_all(arguments.name, overlay=arguments.overlay, as_tasks=False)
    if arguments.json:
        print_json({"boards": checks})
        return _code(checks)
    if not checks:
        print(NO_BOARDS)
        return _code(checks)
    _show_checks(checks, details=arguments.verbose)
    return _code(checks)


def _code(checks: "Sequence[BoardCheck]") -> int:
    return 0 if checks and all(each.ok for each in checks) else 2


def _show_checks(checks: "Sequence[BoardCheck]", *, details: bool) -> None:
    """Print a line a board, what is wrong with each, and on request what each check found."""
    print_table(
        "boards",
        ("board", "kind", "state", "pynq", "failed", "not checked"),
        [
            (
                each.board,
                each.kind,
                "ok" if each.ok else "FAILED",
                next((found.detail for found in each.findings if found.name == "pynq"), "-"),
                ", ".join(found.name for found in each.findings if not found.ok) or "-",
                _unchecked(each),
            )
            for each in checks
        ],
    )
    for each in checks:
        for found in each.findings:
            if details or not found.ok:
                print(f"{each.board}: {found.name}: {found.detail}")
            if not found.ok and found.remedy:
                print(f"  -> {found.remedy}")


def _unchecked(check: "BoardCheck") -> str:
    """Say which checks were not made: those after a failure that ended them, or on request only."""
    last = check.findings[-1]
    if not last.ok and last.name != LAST:
        return f"all after {last.name}"
    return ", ".join(found.name for found in check.findings if not found.checked) or "-"


def _remove(arguments: Namespace) -> "Told":
    from tasks.orchestration import board_block

    board_block.remove(arguments.name)
    _offer_in_forms()
    return {"board": arguments.name}, f"removed board {arguments.name}"


def _lease(arguments: Namespace) -> "Told":
    from tasks.boards import lease
    from tasks.orchestration import board_block, board_page

    address = board_block.address(arguments.name)
    mine = lease.reserve(address, arguments.why, arguments.duration_s)
    board_page.refresh(address, state=board_page.taken(mine))
    return mine, (
        f"board {mine.board} is yours: {mine.words}\n"
        f"release it with: overlayflow boards release {mine.board}"
    )


def _release(arguments: Namespace) -> "Told":
    from tasks.boards import lease
    from tasks.boards.lease_answers import LeaseState
    from tasks.orchestration import board_block, board_page

    address = board_block.address(arguments.name)
    released = lease.release(address)
    board_page.refresh(address, state=board_page.FREE)
    state = LeaseState(board=address.name, lease=released, heard_s=None, free=True)
    what = "it was not leased" if released is None else f"released: {released.words}"
    return state, f"board {address.name}: {what}"


_VERBS = {"show": _show, "remove": _remove, "lease": _lease, "release": _release}
