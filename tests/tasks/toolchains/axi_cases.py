"""The designs that the AXI models drive: both shells, with words of several kinds."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.core.records.design import Stream
from tasks.toolchains.shell.shell import Design, write_design
from tests.tasks.toolchains import standin
from tests.tasks.toolchains.standin import Case, Words, stream


@dataclass(frozen=True)
class AxiCase:
    """A design with an exact model of it."""

    input: Stream
    build: Callable[[Path], Design]
    answer: Callable[[Words], Words]


def around_whole_samples(case: Case) -> AxiCase:
    def build(directory: Path) -> Design:
        return write_design(
            [standin.write_core(case, directory)],
            project_name=case.name,
            input=case.input,
            output=case.output,
            latency_cycles=case.latency,
            directory=directory,
        )

    return AxiCase(case.input, build, lambda words: standin.answer(case, words))


def around_a_stream(name: str, both: Stream) -> AxiCase:
    """A core that takes elements as they come, and gives the complement of their bits."""
    bits = both.elements_per_word * both.element.width

    def build(directory: Path) -> Design:
        core = directory / f"{name}_core.v"
        core.write_text(
            f"module {name}_core (input clk, input rst_n,\n"
            f"    input [{bits - 1}:0] in_data, input in_valid, output in_ready,\n"
            f"    output reg [{bits - 1}:0] out_data, output reg out_valid, input out_ready);\n"
            "    assign in_ready = !out_valid || out_ready;\n"
            "    always @(posedge clk) if (!rst_n) out_valid <= 0;\n"
            "        else if (in_ready) out_valid <= in_valid;\n"
            "    always @(posedge clk) if (in_ready) out_data <= ~in_data;\n"
            "endmodule\n"
        )
        return write_design(
            [core],
            project_name=name,
            input=both,
            output=both,
            latency_cycles=None,
            directory=directory,
        )

    def answer(words: Words) -> Words:
        containers = words.view(f"u{both.container_bits // 8}")
        containers = containers.reshape(-1, both.words_per_sample * both.elements_per_word)
        given = (~containers).view(f"i{both.container_bits // 8}")
        given[:, both.size :] = 0
        return np.ascontiguousarray(given).view(np.uint32).ravel()

    return AxiCase(both, build, answer)


AXI_CASES = {
    "floats": around_whole_samples(
        Case("floats", stream(5, 8, 4, "float32"), stream(3, 12, 8, "float32"), latency=4)
    ),
    "bytes": around_whole_samples(
        Case("bytes", stream(16, 6, 2, "packed"), stream(3, 10, 4, "packed"), latency=9)
    ),
    "word": around_whole_samples(
        Case("word", stream(1, 20, 8, "packed"), stream(5, 7, 1, "packed"), latency=0)
    ),
    "streamed": around_a_stream("streamed", stream(11, 8, 4, "packed")),
}
