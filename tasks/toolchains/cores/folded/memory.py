"""Writes memories with the weights, one word per clock of a vector, and the biases."""

from collections.abc import Iterator
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.toolchains.cores.folded.arithmetic import Matrix, Sums, raw
from tasks.toolchains.cores.folded.plan import Fold

Words = NDArray[np.int64]

DEEP = 64
"""Weights of more words go into block RAM: a LUT holds 64 bits."""
SHAPES = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
"""Words and bits of half a block RAM."""
INITIAL_BLOCK = 64
"""Words of a memory that one `initial` block fills."""
LUT_RAMS = 16
"""Yosys takes half a block RAM in place of so many LUT RAMs of 32 words of 6 bits."""


def columns(order: Words, weights: Matrix, fold: Fold) -> Matrix:
    """Arrange weights as a matrix-vector unit reads them.

    Args:
        order: row of the weights for each input of the vector, beat by beat; -1 for none.
        weights: inputs by outputs.
        fold: of the layer.

    Returns:
        Words by lanes, with the lanes of each output in sequence.
    """
    n_out = weights.shape[1]
    padded = np.zeros((len(weights) + 1, fold.pe * fold.nf))
    padded[:-1, :n_out] = weights
    picked = padded[order].reshape(fold.sf, fold.simd, fold.nf, fold.pe)
    return np.asarray(picked.transpose(0, 2, 3, 1).reshape(fold.sf * fold.nf, -1))


def places(bias: Matrix, fold: Fold) -> Matrix:
    """Arrange biases by clock and output."""
    padded = np.zeros(fold.nf * fold.pe)
    padded[: len(bias)] = bias
    return padded.reshape(fold.nf, fold.pe)


def is_constant(weights: Matrix) -> bool:
    """Return whether all words are equal, so that no memory is needed."""
    return bool((weights == weights[0]).all())


def in_blocks(depth: int) -> bool:
    """Return whether a memory goes into block RAM."""
    return depth > DEEP


def kept_bits(weights: Matrix, sums: Sums) -> tuple[Words, int]:
    """Return how many bits of its weights each lane gets from the memory, and how many that keeps.

    Bits that never change are constants. Equal bits are kept once in LUTs, but not in block RAM.
    """
    values, width = raw(weights, sums.weight), sums.weight.width
    if in_blocks(len(weights)):
        ever, always = (each.reduce(values) for each in (np.bitwise_or, np.bitwise_and))
        changing = np.bitwise_count((ever ^ always) & ((1 << width) - 1)).astype(np.int64)
        return changing, int(changing.sum())
    places = np.arange(len(weights), dtype=np.uint64)[:, np.newaxis]
    over_time = np.stack(
        [((values >> bit & 1).astype(np.uint64) << places).sum(axis=0) for bit in range(width)]
    )
    over_time.sort(axis=0)
    new = np.ones(over_time.shape, bool)
    new[1:] = over_time[1:] != over_time[:-1]
    new &= (over_time != 0) & (over_time != np.uint64(2 ** len(weights) - 1))
    return new.sum(axis=0), len(np.unique(over_time[new]))


def blocks(depth: int, bits: int) -> float:
    """Return the 36 Kb block RAMs for so many words."""
    return min(ceil(depth / words) * ceil(bits / width) for words, width in SHAPES) / 2


def queue_blocks(depth: int, bits: int) -> float:
    """Return the block RAMs of a memory that is written and read; 0 if it is made of LUTs."""
    found = blocks(depth, bits)
    rams = min(ceil(depth / 32) * ceil(bits / 6), ceil(depth / 64) * ceil(bits / 3))
    return found if rams >= LUT_RAMS * 2 * found else 0.0


def write(module: str, weights: Matrix, biases: Matrix, sums: Sums, directory: Path) -> None:
    """Write a module with the ports of matvec.sv to its weights and biases, and clk."""
    depth = len(weights)
    kept = weights[:1] if is_constant(weights) else weights
    words = packed(raw(kept, sums.weight), sums.weight.width)
    starts = packed(raw(biases, sums.format), sums.format.width)
    bits, bias_bits = weights.shape[1] * sums.weight.width, biases.shape[1] * sums.format.width
    address, place = (max((count - 1).bit_length(), 1) for count in (depth, len(starts)))
    style = "block" if in_blocks(len(words)) else "distributed"
    lines = [
        f"module {module} (",
        "    input clk,",
        "    input weights_enable,",
        "    // verilator lint_off UNUSEDSIGNAL",
        f"    input [{address - 1}:0] weights_address,",
        f"    input [{place - 1}:0] biases_address,",
        "    // verilator lint_on UNUSEDSIGNAL",
        f"    output reg [{bits - 1}:0] weights,",
        f"    output reg [{bias_bits - 1}:0] biases",
        ");",
        f'    (* rom_style = "{style}" *) reg [{bits - 1}:0] memory [0:{len(words) - 1}];',
        *_initial(words, bits),
        "    always @(posedge clk) if (weights_enable) weights <= "
        + ("memory[0];" if len(words) == 1 else "memory[weights_address];"),
        "    always @(*) case (biases_address)",
        *(
            f"        {place}'d{n}: biases = {bias_bits}'h{word:x};"
            for n, word in enumerate(starts[1:], start=1)
        ),
        f"        default: biases = {bias_bits}'h{starts[0]:x};",
        "    endcase",
        "endmodule",
    ]
    (directory / f"{module}.v").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _initial(words: list[int], bits: int) -> Iterator[str]:
    """Fill the memory in short blocks.

    The time in which Yosys reads a block grows faster than with the square of its length: it takes
    a quarter of an hour for 41,600 words in one block, and 15 s in blocks of 64.
    """
    for start in range(0, len(words), INITIAL_BLOCK):
        yield "    initial begin"
        for n, word in enumerate(words[start : start + INITIAL_BLOCK], start):
            yield f"        memory[{n}] = {bits}'h{word:x};"
        yield "    end"


def packed(values: Words, width: int) -> list[int]:
    """Return each row as one number with the first element in the low bits."""
    mask = (1 << width) - 1
    rows = []
    for row in values.tolist():
        word = 0
        for value in reversed(row):
            word = word << width | (value & mask)
        rows.append(word)
    return rows
