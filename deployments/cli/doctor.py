"""overlayflow doctor: what this machine has, what it lacks, and the command that gets it."""

from argparse import ArgumentParser, Namespace, _SubParsersAction

from deployments.cli.output import add_json, print_json, print_table


def add(commands: "_SubParsersAction[ArgumentParser]") -> None:
    """Arguments."""
    parser = commands.add_parser(
        "doctor",
        help="say what is missing, and how to get it",
        description="Checks what the conversion, the toolchains, the twin and Prefect need.",
    )
    parser.add_argument("--toolchain", choices=("open", "vivado"), help="only this one")
    parser.add_argument("--board-kind", help="with --toolchain: for this kind of board too")
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Print the findings; 0 if nothing is missing, else 2."""
    from tasks import doctor
    from tasks.finding import Finding
    from tasks.records import Record

    class Report(Record):
        """What --json prints."""

        findings: tuple[Finding, ...]

    findings = doctor.check(arguments.toolchain, arguments.board_kind)
    if arguments.json:
        print_json(Report(findings=tuple(findings)))
    else:
        rows = [
            (
                "ok" if each.ok else "MISSING",
                each.name,
                each.detail,
                each.remedy if not each.ok else "",
            )
            for each in findings
        ]
        print_table("overlayflow doctor", ("", "what", "found", "to get it"), rows)
    return 0 if all(each.ok for each in findings) else 2
