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

# For errors that no other entry knows.
UNRECOGNISED = "unrecognised-error"


class Signature(Record):
    """Lines of a log; the attributes are described at the top of signatures.toml."""

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    tools: tuple[Tool, ...] = ()
    steps: tuple[str, ...] = ()
    kind: Kind = Field(alias="class")
    marker: bool = False
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
        """Whether a run that prints it has failed."""
        return self.kind not in ("warning", "benign")


class Ending(Record):
    """How a run ended that named no cause itself."""

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    returncodes: tuple[int, ...] = ()
    truncated: bool = False
    kind: FailureClass = Field(alias="class")
    cause: str
    remedy: str


class Catalogue(Record):
    """All of signatures.toml."""

    nested: dict[Tool, tuple[Tool, ...]]
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


@cache
def catalogue() -> Catalogue:
    """Read the catalogue, once."""
    text = Path(__file__).with_name("signatures.toml").read_text(encoding="utf-8")
    return Catalogue.model_validate(tomllib.loads(text))
