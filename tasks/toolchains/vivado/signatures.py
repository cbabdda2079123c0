"""Reads signatures.toml: what the tools print when they fail, and what it means."""

import re
import tomllib
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field

from tasks.core.records.base import Record

Tool = Literal["vivado_hls", "vitis_hls", "vivado", "v++", "hls4ml", "pynq"]
FailureClass = Literal["permanent", "configuration", "transient", "resource"]
Kind = FailureClass | Literal["warning", "benign"]
Rank = Literal["cause", "suspect", "effect", "unknown", "marker"]

# [v++ 207-3776], [VPL UTLZ-1]: the number or word identifies the tool of the message.
_WRAPPED = re.compile(r"\[(?:v\+\+|VPL|XOCC|vitis) (?P<family>\w+)-(?P<number>\d+)\]")
# [COSIM-360], in reports: [COSIM 212-360].
_SHORT = re.compile(r"\[(?P<tool>[A-Z]+)-(?P<number>\d+)\]")
# v++ quotes the message of a tool behind the path of its log.
_CAUGHT = re.compile(r"^ERROR: \[\S+ 60-(?:773|2373)\] .*, caught (?:Tcl )?error: +(?=ERROR: )")


class Signature(Record):
    """Lines of a log; the attributes are described at the top of signatures.toml."""

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    tools: tuple[Tool, ...] = ()
    steps: tuple[str, ...] = ()
    kind: Kind = Field(alias="class")
    rank: Rank = "cause"
    regex: str
    cause: str
    remedy: str
    examples: tuple[str, ...] = Field(min_length=1)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The regex, compiled."""
        return re.compile(self.regex, re.MULTILINE)

    @property
    def fails(self) -> bool:
        """Return whether it is the line of a failed run."""
        return self.kind not in ("warning", "benign")

    @property
    def proves(self) -> bool:
        """Return whether a run that prints it has failed, whatever its exit status."""
        return self.fails and self.rank not in ("suspect", "unknown")


class Ending(Record):
    """The end of a run that named no cause itself."""

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    returncodes: tuple[int, ...] = ()
    truncated: bool = False
    kind: FailureClass = Field(alias="class")
    cause: str
    remedy: str


class Catalogue(Record):
    """All of signatures.toml."""

    ignored: tuple[str, ...]
    not_ignored: tuple[str, ...]
    nested: dict[Tool, tuple[Tool, ...]]
    families: dict[str, str]
    signatures: tuple[Signature, ...] = Field(alias="signature")
    endings: tuple[Ending, ...] = Field(alias="ending")

    def in_scope(self, tool: Tool | None, step: str) -> list[Signature]:
        """Return the entries for the log of a tool, in order.

        Args:
            tool: whose log it is; None for the entries of every tool.
            step: of the build; entries that belong to other steps are left out.
        """
        tools = {tool, *self.nested.get(tool, ())} if tool else set()
        return [
            signature
            for signature in self.signatures
            if (not signature.tools or tool is None or tools & set(signature.tools))
            and (not signature.steps or step in signature.steps)
        ]

    def ignores(self, line: str) -> bool:
        """Return whether a line never reports a failure, by its beginning."""
        return line.startswith(self.ignored) and not line.startswith(self.not_ignored)

    def normalised(self, line: str) -> str:
        """Return a line with the message of a wrapped tool under the tool's own name."""
        if not line.startswith(("ERROR", "WARNING", "CRITICAL", "@E")):
            return line
        line = _CAUGHT.sub("", line)
        line = _WRAPPED.sub(self._unwrapped, line, count=1)
        return _SHORT.sub(self._numbered, line, count=1)

    def _unwrapped(self, found: re.Match[str]) -> str:
        family, number = found["family"], found["number"]
        if not family.isdigit():
            return f"[DRC {family}-{number}]"
        tool = self.families.get(family)
        return f"[{tool} {family}-{number}]" if tool else found[0]

    def _numbered(self, found: re.Match[str]) -> str:
        families = [family for family, tool in self.families.items() if tool == found["tool"]]
        return f"[{found['tool']} {families[0]}-{found['number']}]" if families else found[0]


@cache
def catalogue() -> Catalogue:
    """Return the catalogue, read once."""
    text = Path(__file__).with_name("signatures.toml").read_text(encoding="utf-8")
    return Catalogue.model_validate(tomllib.loads(text))
