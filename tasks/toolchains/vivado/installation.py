"""Finds the Vivado tools, and asks them for their version and parts."""

import logging
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from tasks.core.errors import ToolError
from tasks.core.settings import vivado_settings
from tasks.processes.redaction import redact
from tasks.processes.run import supervise

ToolName = Literal["vivado_hls", "vivado"]
HLS: ToolName = "vivado_hls"
VIVADO: ToolName = "vivado"
_VERSION_ONLY = ("-version",)
_VERSION = re.compile(r"\bv(\d{4}\.\d+(?:\.\d+)?)\b")
_SHELL_S = 60.0
# Normally a tool answers in seconds, but on a network file system it is slow.
_ANSWER_S = 300.0


@dataclass(frozen=True)
class Installation:
    """The tools that were found.

    Attributes:
        tools: absolute paths by name.
        environment: added to this process's own for each of their runs.
        settings: the settings64.sh that was given; None without one.
    """

    tools: Mapping[ToolName, Path]
    environment: Mapping[str, str] = field(default_factory=dict)
    settings: Path | None = None


@dataclass(frozen=True)
class Answer:
    """A tool's answer when it is started.

    Attributes:
        version: e.g. `2019.2`; empty if the tool did not start.
        text: its complete output.
    """

    version: str
    text: str


# Answers by installed program and command line.
_answers: dict[tuple[object, ...], dict[tuple[str, ...], Answer]] = {}
_asking = threading.Lock()


def find() -> Installation:
    """Find the tools by the given settings64.sh, then PATH, then XILINX_VIVADO."""
    settings = vivado_settings()
    environment: dict[str, str] = {}
    if settings is not None and settings.is_file():
        environment = _sourced(settings, settings.stat().st_mtime_ns, os.environ.get("PATH", ""))
    search = [environment.get("PATH", os.environ.get("PATH", os.defpath))]
    if "XILINX_VIVADO" in os.environ:
        search.append(str(Path(os.environ["XILINX_VIVADO"]) / "bin"))
    path = os.pathsep.join(search)
    found = {name: shutil.which(name, path=path) for name in (HLS, VIVADO)}
    tools = {name: Path(where).absolute() for name, where in found.items() if where}
    return Installation(tools=tools, environment=environment, settings=settings)


def ask(
    installation: Installation, tool: ToolName, arguments: Sequence[str | Path] | None = None
) -> Answer:
    """Start a tool and return its answer, in seconds with a script, or about one without.

    Answers are cached in the process, as only another installation changes them. A tool that did
    not start is asked again.

    Args:
        installation: that has the tool.
        tool: to ask.
        arguments: of its command line; None if any answer will do, for its version.
    """
    program = installation.tools[tool]
    identity = (str(program), program.stat().st_mtime_ns, *sorted(installation.environment.items()))
    with _asking:
        known = _answers.setdefault(identity, {})
        question = tuple(map(str, arguments)) if arguments else next(iter(known), _VERSION_ONLY)
        if question not in known:
            answer = _started(installation, tool, question)
            if not answer.version:
                return answer
            known[question] = answer
        return known[question]


def _started(installation: Installation, tool: ToolName, arguments: Sequence[str]) -> Answer:
    with tempfile.TemporaryDirectory(prefix="overlayflow-") as scratch:  # tools leave logs behind
        log = Path(scratch, "answer.log")
        try:
            run = supervise(
                tool,
                [installation.tools[tool], *arguments],
                cwd=Path(scratch),
                log=log,
                step="preflight",
                deadline_s=_ANSWER_S,
                env=installation.environment,
                told=logging.DEBUG,
            )
        except ToolError as error:
            return Answer(version="", text=error.what)
        text = redact(log.read_text(encoding="utf-8", errors="replace").strip())
    found = _VERSION.search(text)
    return Answer(version=found[1] if found and run.returncode == 0 else "", text=text)


@cache
def _sourced(settings: Path, _changed_ns: int, _path: str) -> dict[str, str]:
    """Return the environment changes of sourcing a settings64.sh; none if that fails."""
    script = 'source "$0" >/dev/null 2>&1 && env -0'
    try:
        shell = subprocess.run(
            ["/bin/bash", "-c", script, settings],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=_SHELL_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    pairs = (line.partition("=") for line in shell.stdout.decode(errors="replace").split("\0"))
    passing = {"_", "SHLVL", "PWD", "OLDPWD"}
    return {
        name: value
        for name, equals, value in pairs
        if equals and name not in passing and os.environ.get(name) != value
    }
