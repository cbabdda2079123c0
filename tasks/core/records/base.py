"""Base classes of all records: frozen, versioned pydantic models, and the types they share."""

import inspect
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

StepName = Literal[
    "convert", "synthesize", "implement", "rehearse", "package", "benchmark", "loopback"
]


CoreName = Literal["unrolled", "folded"]


Target = Literal["twin", "hardware"]


WordFormat = Literal["float32", "packed"]


Framework = Literal["keras", "keras2", "qkeras", "onnx", "pytorch"]


FrameworkChoice = Literal["auto", Framework]


Rounding = Literal["TRN", "TRN_ZERO", "RND", "RND_ZERO", "RND_INF", "RND_MIN_INF", "RND_CONV"]


Saturation = Literal["WRAP", "SAT", "SAT_ZERO", "SAT_SYM"]


Cycles = Annotated[int, Field(ge=0)]


# What is shown to people, on whose terminals control characters are commands.
Shown = Annotated[str, Field(max_length=255, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


Format = Annotated[str, Field(max_length=2000, pattern=r"^[\x20-\x7e]*$")]


# Endings of names, and the units that they stand for.
UNITS = {"ns": "ns", "s": "s", "cycles": "clock cycles"}
# Words of names that are abbreviations.
SPELT = {"csim": "C simulation", "fifo": "FIFO", "io": "I/O", "rmse": "RMSE", "opt": "optimisation"}


class Record(BaseModel):
    """A frozen, versioned model for data that crosses a process boundary or is kept in a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    schema_version: Literal[1] = 1

    def values_of(self, kind: "type[Record]") -> dict[str, Any]:
        """Return this record's values of the fields of a base class."""
        return {name: getattr(self, name) for name in kind.model_fields}


def _describe(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Take a form's descriptions from the docstring: its first line, and each attribute's text."""
    summary, _, attributes = inspect.cleandoc(model.__doc__ or "").partition("Attributes:\n")
    schema["description"] = summary.strip()
    for name, text in re.findall(r"^    (\w+): ((?:.|\n(?=     ))+)", attributes, re.MULTILINE):
        schema["properties"][name].setdefault("description", " ".join(text.split()))
    for name, field in schema["properties"].items():
        title = spelt(name)
        field["title"] = title[0].upper() + title[1:]


def spelt(name: str) -> str:
    """Return a field's name as people write it, such as `clock period (ns)`."""
    words, _, unit = name.rpartition("_")
    if unit in UNITS:
        return f"{spelt(words)} ({UNITS[unit]})"
    return " ".join(SPELT.get(each, each) for each in name.split("_"))


class Settings(BaseModel):
    """Settings that users choose: frozen, and shown as a form with these docstrings as its text."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_describe)


class Entry(Record):
    """The store entry that holds a step's files.

    Attributes:
        step: the step that made it; `loopback` is the design that checks a twin.
        digest: hex SHA-256 of the step's inputs, settings, tool versions and own version.
    """

    step: StepName
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")


def mistakes(error: ValidationError, most: int | None = None) -> str:
    """Return what is wrong with which fields, of the first ones if `most` is given."""
    found = (
        (".".join(map(str, each["loc"])), each["msg"].removeprefix("Value error, "))
        for each in error.errors()[:most]
    )
    return "; ".join(f"{field}: {what}" for field, what in found)
