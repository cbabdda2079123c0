"""The accelerator around a core: hand-written SystemVerilog and one generated top module."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from tasks.core.errors import UnsupportedModelError
from tasks.core.records.design import FixedPoint, Stream

_HERE = Path(__file__).resolve().parent
# Between these, every element's exponent is that of a normal float32.
_LOWEST_INTEGER, _HIGHEST_INTEGER = -32, 64


@dataclass(frozen=True)
class Design:
    """RTL that a tool can take.

    Attributes:
        top: name of the top module.
        files: absolute paths of all sources, in an order that does not depend on the machine.
    """

    top: str
    files: tuple[Path, ...]


def write_design(
    core: Sequence[Path],
    *,
    project_name: str,
    input: Stream,  # noqa: A002 - the word of the records
    output: Stream,
    latency_cycles: int,
    directory: Path,
) -> Design:
    """Put a core into its AXI4-Stream shell.

    Args:
        core: its RTL; the top module is `<project_name>_core` with ports clk, inp, out, and has
            the initiation interval 1.
        project_name: a C identifier.
        input: what the stream to the core carries.
        output: what the stream from the core carries.
        latency_cycles: register stages of the core.
        directory: an existing one; gets `<project_name>_axi.v`.

    Raises:
        UnsupportedModelError: a number format beyond what the shell converts.
    """
    for name, stream in (("input", input), ("output", output)):
        _check_format(stream.element, name)
    template = Template((_HERE / "project_axi.v").read_text(encoding="utf-8"))
    text = template.substitute(
        {"project": project_name, "latency": latency_cycles},
        **_parameters("in", input),
        **_parameters("out", output),
    )
    top = directory / f"{project_name}_axi.v"
    top.write_text(text, encoding="utf-8")
    files = (*sorted(core), *sorted(_HERE.glob("*.sv")), top)
    return Design(top=top.stem, files=tuple(file.resolve() for file in files))


def _parameters(prefix: str, stream: Stream) -> dict[str, str]:
    element = stream.element
    values = {
        "n": stream.size,
        "w": element.width,
        "i": element.integer,
        "signed": int(element.signed),
        "rounding": element.rounding,
        "saturation": element.saturation,
        "container": 0 if stream.words == "float32" else stream.container_bits,
    }
    return {f"{prefix}_{name}": str(value) for name, value in values.items()}


def _check_format(element: FixedPoint, where: str) -> None:
    if not _LOWEST_INTEGER <= element.integer <= _HIGHEST_INTEGER:
        raise UnsupportedModelError(
            f"{element.integer} integer bits are not between {_LOWEST_INTEGER} and "
            f"{_HIGHEST_INTEGER}",
            where=f"{where} of the model",
            remedy="choose another precision for that layer",
        )
