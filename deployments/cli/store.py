"""overlayflow store: list the results of earlier runs, and free space."""

from argparse import ArgumentParser, Namespace, _SubParsersAction
from datetime import timedelta

from deployments.cli.output import add_output, duration, print_json, print_table, size


def add(commands: "_SubParsersAction[ArgumentParser]") -> None:
    """Add the arguments of list and prune."""
    top = commands.add_parser(
        "store",
        help="list and prune the results of steps",
        description="The store keeps every step's result under the digest of its inputs. "
        "OVERLAYFLOW_STORE says where: a path or an fsspec URL.",
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="show the entries on this machine")
    add_output(listing)
    pruning = verbs.add_parser(
        "prune",
        help="remove entries, least recently used first",
        description="Removes entries that no run is using; a later run that needs one rebuilds "
        "it. --older-than also removes failure bundles of Vivado builds of that age.",
    )
    pruning.add_argument(
        "--older-than", type=age, metavar="TIME", help="entries not used for so long: 12h, 30d, 8w"
    )
    pruning.add_argument(
        "--keep", type=size, metavar="SIZE", help="until at most this much is left: 500MB, 10GB"
    )
    add_output(pruning)
    top.set_defaults(run=run)


def age(text: str) -> timedelta:
    """Convert an age such as 30d."""
    return timedelta(seconds=duration(text, longest_d=36500))


def run(arguments: Namespace) -> int:
    """List or prune entries."""
    from tasks.core.errors import InputError
    from tasks.core.settings import failures, store_url
    from tasks.store.store import Store
    from tasks.toolchains.vivado import bundle

    store = Store(store_url())
    if arguments.verb == "list":
        found, title = list(store.list()), f"entries of {store_url()}"
    else:
        if arguments.older_than is None and arguments.keep is None:
            raise InputError(
                "no pruning criterion given",
                where="store prune",
                remedy="pass --older-than 30d, --keep 10GB, or both",
            )
        found = list(store.prune(older_than=arguments.older_than, keep_bytes=arguments.keep))
        if arguments.older_than is not None:
            bundle.prune(failures(), arguments.older_than)
        title = "removed"
    if arguments.json:
        print_json({"entries": found})
        return 0
    if not found:
        print(f"{title}: none")
        return 0
    rows = [
        (
            each.entry.step,
            each.entry.digest[:12],
            each.label,
            f"{each.size / 1e6:.1f} MB",
            f"{each.used:%Y-%m-%d %H:%M}",
        )
        for each in found
    ]
    print_table(title, ("step", "digest", "model", "size", "last used (UTC)"), rows)
    return 0
