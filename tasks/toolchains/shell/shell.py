"""Puts a core into the AXI4-Stream shell: SystemVerilog modules and a generated top module."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from tasks.core.errors import UnsupportedModelError
from tasks.core.records.design import FixedPoint, Stream

_HERE = Path(__file__).resolve().parent
# Between these, every element is a normal float32.
_LOWEST_INTEGER, _HIGHEST_INTEGER = -32, 64


@dataclass(frozen=True)
class Design:
    """The RTL of a design.

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
    latency_cycles: int | None,
    directory: Path,
) -> Design:
    """Put a core into its AXI4-Stream shell.

    Args:
        core: its RTL; the top module is `<project_name>_core`. One that takes whole samples has
            the ports clk, inp, out and the initiation interval 1; one that takes elements as they
            come has clk, rst_n, and in_* and out_* with data, valid, ready.
        project_name: a C identifier.
        input: format of the stream to the core.
        output: format of the stream from the core.
        latency_cycles: register stages of a core that takes whole samples; None for the others.
        directory: an existing one, for `<project_name>_axi.v`.

    Raises:
        UnsupportedModelError: the shell does not convert a number format.
    """
    for name, stream in (("input", input), ("output", output)):
        _check_format(stream.element, name)
    template = Template((_HERE / "project_axi.v").read_text(encoding="utf-8"))
    text = template.substitute(
        {"project": project_name, **_around(project_name, input, output, latency_cycles)},
        **_parameters("in", input),
        **_parameters("out", output),
    )
    top = directory / f"{project_name}_axi.v"
    top.write_text(text, encoding="utf-8")
    files = (*sorted(core), *sorted(_HERE.glob("*.sv")), top)
    return Design(top=top.stem, files=tuple(file.resolve() for file in files))


def core_files(directory: Path) -> list[Path]:
    """Return the sources of a core."""
    return sorted([*directory.glob("*.v"), *directory.glob("*.sv")])


def _around(
    project_name: str, given: Stream, answered: Stream, latency_cycles: int | None
) -> dict[str, str]:
    """Return the parts that depend on the core's interface: core instance, shell and wires."""
    if latency_cycles is not None:
        return {
            "shell": "axis_shell",
            "core": (
                f"    wire [{given.size * given.element.width - 1}:0] inp;\n"
                f"    wire [{answered.size * answered.element.width - 1}:0] out;\n\n"
                f"    {project_name}_core core (.clk(aclk), .inp(inp), .out(out));"
            ),
            "parameters": f",\n        .LATENCY({latency_cycles})",
            "connections": "        .core_inp(inp),\n        .core_out(out)",
        }
    wires, ports = [], []
    for side, stream in (("in", given), ("out", answered)):
        bits = stream.elements_per_word * stream.element.width
        wires += [
            f"    wire [{bits - 1}:0] core_{side}_data;",
            f"    wire core_{side}_valid, core_{side}_ready;",
        ]
        ports += [f"{side}_{part}" for part in ("data", "valid", "ready")]
    joined = ", ".join(f".{port}(core_{port})" for port in ports)
    instance = f"    {project_name}_core core (.clk(aclk), .rst_n(aresetn), {joined});"
    return {
        "shell": "stream_shell",
        "core": "\n".join([*wires, "", instance]),
        "parameters": "",
        "connections": ",\n".join(f"        .core_{port}(core_{port})" for port in ports),
    }


def _parameters(prefix: str, stream: Stream) -> dict[str, str]:
    element = stream.element
    values = {
        "n": stream.size,
        "words": stream.words_per_sample,
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
