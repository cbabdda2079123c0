"""A real Tcl interpreter with commands in Python."""

import os
import tkinter as tk
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from tests.replay.errors import CommandError

Command = Callable[..., str | None]

# The commands answer a code and a value: an exception in a callback would lose its message.
_DEFINE = """
proc %s {args} {
    lassign [_replay %s {*}$args] code value
    if {$code} { return -code error $value }
    return $value
}
"""
# Without a name, or with "stdout", the text goes through Python, in order with what it prints.
_PUTS = """
rename puts _puts
proc puts {args} {
    if {[llength $args] == 1} { return [_print [lindex $args 0]] }
    if {[lindex $args 0] eq "stdout"} { return [_print [lindex $args 1]] }
    _puts {*}$args
}
"""


class Interpreter:
    """A Tcl interpreter that ends its process as the tools do.

    Args:
        name: of the tool, as its last line has it.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._tcl = tk.Tcl()
        self._commands: dict[str, Command] = {}
        self._tcl.createcommand("_replay", self._call)
        self._tcl.createcommand("_print", lambda text: print(text, flush=True))
        self._tcl.eval(_PUTS)
        self._tcl.createcommand("exit", self._exit)

    def register(self, commands: Mapping[str, Command]) -> None:
        """Add commands."""
        self._commands.update(commands)
        for name in commands:
            self._tcl.eval(_DEFINE % (name, name))

    def run(self, script: Path, argv: list[str]) -> NoReturn:
        """Source a script and exit: 0 at its end, 1 after an error that it did not catch."""
        self._tcl.call("set", "argv", tuple(argv))
        self._tcl.call("set", "argc", len(argv))
        try:
            self._tcl.call("source", str(script))
        except tk.TclError:
            print(self._tcl.getvar("errorInfo"))
            self._exit("1")
        self._exit("0")

    def _call(self, name: str, *arguments: str) -> tuple[int, str]:
        try:
            return 0, self._commands[name](*map(str, arguments)) or ""
        except CommandError as error:
            if str(error):
                print(error)
            return 1, f"ERROR: [Common 17-39] '{name}' failed due to earlier errors."

    def _exit(self, code: str = "0") -> NoReturn:
        now = datetime.now(UTC).strftime("%a %b %d %H:%M:%S %Y")
        print(f"INFO: [Common 17-206] Exiting {self._name} at {now}...", flush=True)
        os._exit(int(code))
