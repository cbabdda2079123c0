"""A parser that explains a wrong command line: its own usage, and what may have been meant."""

import argparse
import itertools
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tasks.core.errors import InputError, near

# Every command has them: see deployments/cli/output.py.
OUTPUT = ("--json", "-q", "--quiet", "-v", "--verbose")


class Parser(argparse.ArgumentParser):
    """A parser of commands; those of its subcommands are of the same class."""

    _given: Sequence[str] = ()

    def parse_known_args(
        self, args: Iterable[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse, and refuse here what is not known: argparse would show the usage of the top."""
        self._given = sys.argv[1:] if args is None else list(args)
        if self._subparsers:
            self._given = _command_first(self._given)
        known, unknown = super().parse_known_args(self._given, namespace)
        if unknown:
            options = [text for action in self._actions for text in action.option_strings]
            meant = next(
                (found for text in unknown if (found := near(text.partition("=")[0], options))), ""
            )
            self.error(f"unrecognized arguments: {shlex.join(unknown)}{meant}")
        return known, unknown

    def error(self, message: str) -> NoReturn:
        """Print the usage and the error, as one JSON record with --json, and exit with 2."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction) and message.endswith(  # noqa: SLF001
                f"required: {action.metavar}"
            ):
                message += f" (choose from {', '.join(action.choices)})"
        if "--json" in self._given:
            from deployments.cli.output import print_error

            print_error(InputError(message, where=self.prog, remedy=f"{self.prog} --help"))
        super().error(message)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Say what may have been meant, as argparse does itself from Python 3.14 on."""
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            meant = near(str(value), map(str, action.choices or ()))
            raise argparse.ArgumentError(action, f"{error.message}{meant}") from None


def _command_first(given: Sequence[str]) -> list[str]:
    """Move the options of the output, which may stand before a command as well, behind it."""
    options = list(itertools.takewhile(OUTPUT.__contains__, given))
    return [*given[len(options) :], *options]


class Version(argparse.Action):
    """Print the installed version; it is looked up only if asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print it and exit."""
        from importlib.metadata import version

        print(f"overlayflow {version('overlayflow')}")
        parser.exit()


class Completion(argparse.Action):
    """Print the completion of a shell."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        _namespace: argparse.Namespace,
        values: Any,
        _option: str | None = None,
    ) -> None:
        """Print it and exit."""
        import shtab

        for action in _actions(parser):
            if action.type is Path:
                action.complete = shtab.FILE  # type: ignore[attr-defined]  # what shtab looks for
        print(shtab.complete(parser, shell=values))
        parser.exit()


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments of a parser and of all below it."""
    for action in parser._actions:  # noqa: SLF001  argparse names them nowhere else
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for below in action.choices.values():
                yield from _actions(below)
