"""Write the pages of the documentation that are generated: python -m deployments.cli.reference DIR.

The command line comes from the parsers, the settings from their records.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deployments.cli.main import parser
from tasks.core.records.base import Settings
from tasks.core.records.settings import BuildSettings, ConvertSettings, MeasureSettings
from tasks.quality.gates import GateSettings

# Parameters of the flow deploy-model (all but the first in `advanced`), and what each holds.
_RECORDS: dict[str, type[Settings]] = {
    "conversion": ConvertSettings,
    "build": BuildSettings,
    "measurement": MeasureSettings,
    "limits": GateSettings,
}
_COLUMNS = "90"
_COMMANDS = """# Command line

What each command prints with `--help`. The exit status is 0 for success, 1 if a step, tool or gate
failed, and 2 if the input or the set-up cannot be used or the run was interrupted."""
_SETTINGS = """# Settings

Fields of the forms in Prefect's UI, of the flows' parameters (`build`, `limits` and `measurement`
in `advanced`), and of `limits` and `measurement` in a sweep file. The options of `overlayflow run`
set the same fields."""


def command_line() -> str:
    """Return the page of all commands with their help."""
    os.environ["COLUMNS"] = _COLUMNS  # argparse has no other way to be told
    pages = [_COMMANDS]
    pages += [
        f"{'#' * depth} {each.prog}\n\n```text\n{each.format_help().rstrip()}\n```"
        for depth, each in _commands(parser(), 2)
    ]
    return "\n\n".join(pages) + "\n"


def _commands(
    command: argparse.ArgumentParser, depth: int
) -> Iterator[tuple[int, argparse.ArgumentParser]]:
    """Yield a command and those below it, with their depth."""
    yield depth, command
    for action in command._actions:  # noqa: SLF001  argparse shows its commands nowhere else
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for each in action.choices.values():
                yield from _commands(each, depth + 1)


def settings() -> str:
    """Return the page of all settings records."""
    pages = [_SETTINGS]
    for name, record in _RECORDS.items():
        schema = record.model_json_schema()
        rows = [
            f"| `{field}` | {_type(value)} | {_default(value)} | {value['description']} |"
            for field, value in schema["properties"].items()
        ]
        head = "| field | type | default | meaning |\n|---|---|---|---|"
        pages.append("\n".join([f"## {name}\n\n{schema['description']}\n", head, *rows]))
    return "\n\n".join(pages) + "\n"


def _type(field: dict[str, Any]) -> str:
    """Return a field's type and bounds."""
    if "enum" in field:
        return ", ".join(f"`{each}`" for each in field["enum"])
    kind = str(field["type"])
    if kind == "array":
        kind = f"list of {_type(field['items'])}"
    if kind == "object":
        kind = f"{_type(field['additionalProperties'])}, by name"
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {field[key]:g}" for key, sign in signs.items() if key in field]
    return " ".join([kind, ", ".join(bounds)]).strip()


def _default(field: dict[str, Any]) -> str:
    value = field.get("default", "")
    return "" if value == "" else f"`{json.dumps(value)}`"


def write(directory: Path) -> None:
    """Write both pages."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "command-line.md").write_text(command_line())
    (directory / "settings.md").write_text(settings())


if __name__ == "__main__":
    write(Path(sys.argv[1]))
