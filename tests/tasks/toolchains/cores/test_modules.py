"""The modules of folded cores against numpy: random sizes and formats, with stalls and without."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.core.records.design import FixedPoint
from tasks.toolchains.cores.folded import build, memory
from tasks.toolchains.cores.folded.arithmetic import Sums
from tasks.toolchains.cores.folded.plan import Fold
from tasks.toolchains.open.image import verilator_root
from tasks.toolchains.shell import shell
from tests.tasks.toolchains.shell.test_conversions import DEFINES, run

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
SOURCES = sorted([*build.HERE.glob("*.sv"), Path(shell.__file__).with_name("stream_fifo.sv")])
SAMPLES = 40
CLOCKS = 60_000
SLOT = 64
"""Bits of a beat, at most."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Case:
    """A module with its parameters, and what it should do with some samples.

    Attributes:
        text: instantiates the module with the streams `in` and `out` of a wrapper.
        given: beats in.
        answer: beats out.
    """

    text: str
    bits: tuple[int, int]
    given: list[int]
    answer: list[int]


def packed(beats: Ints, width: int) -> list[int]:
    """Each row as one number, the first element in its low bits."""
    mask = (1 << width) - 1
    return [sum((int(v) & mask) << k * width for k, v in enumerate(row)) for row in beats]


def plain(module: str, **parameters: int) -> str:
    values = ", ".join(f".{name}({value})" for name, value in parameters.items())
    ports = ("clk", "rst_n", *(f"{side}_{part}" for side in ("in", "out")
                               for part in ("data", "valid", "ready")))  # fmt: skip
    return f"{module} #({values}) tested ({', '.join(f'.{port}' for port in ports)});"


def image(draw: Random, channels: int, width: int, *, signed: bool = False) -> Ints:
    """Samples x rows x columns x channels."""
    height, columns = draw.randint(3, 6), draw.randint(3, 6)
    values = np.random.default_rng(draw.randrange(1 << 30))
    low, high = (-(1 << width - 1), 1 << width - 1) if signed else (0, 1 << width)
    return values.integers(low, high, size=(SAMPLES, height, columns, channels))


def groups_of(draw: Random, bits: int) -> tuple[int, int, int]:
    """Draw channels at a time, groups of them, and bits of each."""
    par, width = draw.randint(1, 3), draw.randint(1, 7)
    while par * width > bits:
        width -= 1
    return par, draw.randint(1, 3), width


def window(draw: Random) -> Case:
    rows, columns = draw.randint(1, 3), draw.randint(1, 3)
    par, groups, width = groups_of(draw, SLOT // (rows * columns))
    x = image(draw, par * groups, width)
    stride = draw.randint(1, 2), draw.randint(1, 2)
    around = [draw.randint(0, 1) for _ in range(4)]
    pad = draw.randrange(1 << par * width)
    filler = np.array([pad >> k * width & ((1 << width) - 1) for k in range(par)] * groups)
    top, bottom, left, right = around
    wide = np.broadcast_to(
        filler, (SAMPLES, x.shape[1] + top + bottom, x.shape[2] + left + right, par * groups)
    ).copy()
    wide[:, top : top + x.shape[1], left : left + x.shape[2]] = x
    seen = np.lib.stride_tricks.sliding_window_view(wide, (rows, columns), axis=(1, 2))
    seen = seen[:, :: stride[0], :: stride[1]]  # samples, y, x, channels, rows, columns
    split = seen.reshape(*seen.shape[:3], groups, par, rows, columns)
    beats = split.transpose(0, 1, 2, 3, 5, 6, 4).reshape(-1, rows * columns * par)
    text = plain(
        "window_buffer", W=par * width, GROUPS=groups, HEIGHT=x.shape[1], WIDTH=x.shape[2],
        KH=rows, KW=columns, SH=stride[0], SW=stride[1], TOP=top, BOTTOM=bottom, LEFT=left,
        RIGHT=right, PAD=pad,
    )  # fmt: skip
    text = text.replace(f".PAD({pad})", f".PAD({par * width}'d{pad})")
    given = packed(x.reshape(-1, par), width)
    return Case(text, (par * width, rows * columns * par * width), given, packed(beats, width))


def maximum(draw: Random) -> Case:
    par, groups, width = groups_of(draw, SLOT)
    signed = draw.random() < 0.5
    x = image(draw, par * groups, width, signed=signed)
    text = plain(
        "running_maximum", W=width, SIGNED=int(signed), PAR=par, GROUPS=groups,
        COUNT=x.shape[1] * x.shape[2],
    )  # fmt: skip
    answer = packed(x.max(axis=(1, 2)).reshape(-1, par), width)
    return Case(text, (par * width, par * width), packed(x.reshape(-1, par), width), answer)


def crop(draw: Random) -> Case:
    par, groups, width = groups_of(draw, SLOT)
    x = image(draw, par * groups, width)
    top, bottom, left, right = (draw.randint(0, 1) for _ in range(4))
    kept = x[:, top : x.shape[1] - bottom, left : x.shape[2] - right]
    text = plain(
        "stream_crop", W=par * width, GROUPS=groups, HEIGHT=x.shape[1], WIDTH=x.shape[2],
        TOP=top, BOTTOM=bottom, LEFT=left, RIGHT=right,
    )  # fmt: skip
    given, answer = (packed(each.reshape(-1, par), width) for each in (x, kept))
    return Case(text, (par * width, par * width), given, answer)


def repeat(draw: Random) -> Case:
    par, groups, width = groups_of(draw, SLOT)
    x = image(draw, par * groups, width)
    times = draw.randint(1, 3), draw.randint(1, 3)
    text = plain(
        "stream_repeat", W=par * width, GROUPS=groups, WIDTH=x.shape[2], X_TIMES=times[1],
        Y_TIMES=times[0],
    )  # fmt: skip
    large = x.repeat(times[0], axis=1).repeat(times[1], axis=2)
    given, answer = (packed(each.reshape(-1, par), width) for each in (x, large))
    return Case(text, (par * width, par * width), given, answer)


def sums(draw: Random) -> Case:
    """Sums of unlike widths beside each other, some of which saturate; terms reach beyond them."""
    size, channels, count = draw.randint(1, 3), draw.randint(1, 3), draw.randint(1, 5)
    width, shift, terms = draw.randint(6, 12), draw.randint(0, 2), draw.randint(4, 12)
    signed, saturates = ([draw.random() < 0.5 for _ in range(size)] for _ in range(2))
    own = [draw.randint(4, width - (not sign)) for sign in signed]
    values = np.random.default_rng(draw.randrange(1 << 30))
    half = 1 << terms - 1
    x = values.integers(-half, half, size=(SAMPLES, count, channels, size))
    low = np.array(
        [-(1 << bits - 1) if sign else 0 for bits, sign in zip(own, signed, strict=True)]
    )
    span = np.array([1 << bits for bits in own])
    total = np.zeros((SAMPLES, channels, size), np.int64)
    for each in x.swapaxes(0, 1):
        exact = total + (each << shift)
        clipped = np.clip(exact, low, low + span - 1)
        total = np.where(saturates, clipped, (exact - low) % span + low)
    bounds = {"LOW": low, "HIGH": low + span - 1}
    wide = {name: packed(each[None], width + 1)[0] for name, each in bounds.items()}
    flags = {"SATURATES": saturates, "SIGNS": signed}
    wide |= {name: packed(np.array([each]), 1)[0] for name, each in flags.items()}
    wide["WIDTHS"] = packed(np.array([own]), 8)[0]
    text = plain(
        "stream_sum", N=size, CHANNELS=channels, COUNT=count, XW=terms, X_SIGNED=1, SHIFT=shift,
        W=width, SIGNED=1, **wide,
    )  # fmt: skip
    for name, value in wide.items():
        text = text.replace(f".{name}({value})", f".{name}(64'd{value})")
    given, answer = packed(x.reshape(-1, size), terms), packed(total.reshape(-1, size), width)
    return Case(text, (size * terms, size * width), given, answer)


def resize(draw: Random) -> Case:
    width, narrow = draw.randint(1, 5), draw.randint(1, 4)
    size = draw.randint(narrow, 12)
    wide = min(narrow * draw.randint(1, 3), SLOT // width)
    wide -= wide % narrow
    sides = (narrow, wide) if draw.random() < 0.5 else (wide, narrow)
    rows = np.random.default_rng(draw.randrange(1 << 30)).integers(
        0, 1 << width, size=(SAMPLES * 4, size)
    )
    given, answer = (
        packed(np.pad(rows, ((0, 0), (0, -size % par))).reshape(-1, par), width) for par in sides
    )
    text = plain("stream_resize", N=size, W=width, A=sides[0], B=sides[1])
    return Case(text, (sides[0] * width, sides[1] * width), given, answer)


def queue(draw: Random) -> Case:
    width = draw.randint(1, SLOT)
    beats = [draw.randrange(1 << width) for _ in range(SAMPLES * 10)]
    text = plain("stream_fifo", W=width, DEPTH=draw.choice((2, 4, 16)))
    return Case(text, (width, width), beats, beats)


def pipeline(draw: Random) -> Case:
    """Around registers that cannot wait."""
    width, latency = draw.randint(1, SLOT), draw.randint(0, 5)
    beats = [draw.randrange(1 << width) for _ in range(SAMPLES * 10)]
    depth = 1 << (latency + 2).bit_length()
    text = plain("stream_pipeline", W=width, LATENCY=latency, DEPTH=depth)
    late = [f"r{k}" for k in range(latency)]
    moves = " ".join(f"{to} <= {of};" for of, to in pairwise(["in_data", *late]))
    if late:
        text = (
            f"reg [{width - 1}:0] {', '.join(late)}; always @(posedge clk) begin {moves} end {text}"
        )
    return Case(
        text.replace(".in_data,", f".result({late[-1] if late else 'in_data'}),"),
        (width, width), beats, beats,
    )  # fmt: skip


def fork(draw: Random) -> Case:
    """Copies that are joined again, row by row, so that their readers wait for one another."""
    width, row = draw.randint(1, SLOT), draw.randint(1, 4)
    beats = [draw.randrange(1 << width) for _ in range(SAMPLES * row)]
    rows = (beats[start : start + row] for start in range(0, len(beats), row))
    wires = "wire [1:0] v, r; " + "".join(
        f"wire [{width - 1}:0] {side}_data; wire {side}_valid, {side}_ready; "
        f"stream_fifo #(.W({width}), .DEPTH(8)) {side} (.clk, .rst_n, .in_data, .in_valid(v[{k}]), "
        f".in_ready(r[{k}]), .out_data({side}_data), .out_valid({side}_valid), "
        f".out_ready({side}_ready)); "
        for k, side in enumerate(("left", "right"))
    )
    text = (
        f"{wires} stream_fork #(.N(2)) fork_ (.clk, .rst_n, .in_valid, .in_ready, .out_valid(v), "
        f".out_ready(r)); stream_concatenate #(.W({width}), .A({row}), .B({row})) tested (.clk, "
        ".rst_n, .left_data, .left_valid, .left_ready, .right_data, .right_valid, .right_ready, "
        ".out_data, .out_valid, .out_ready);"
    )
    return Case(text, (width, width), beats, [beat for each in rows for beat in each * 2])


def product(draw: Random, directory: Path, name: str) -> Case:
    """A matrix-vector unit with its memory."""
    grouped = draw.random() < 0.3
    simd, pe = draw.randint(1, 4), draw.randint(1, 3)
    sf, nf = draw.randint(1, 4), draw.choice([1, 2, 3, 4, memory.INITIAL_BLOCK // 3])
    wide, weight = draw.randint(2, 5), draw.randint(2, 9)
    signed = draw.random() < 0.5
    cut, nearest = draw.randint(-2, 4), draw.random() < 0.5
    out = draw.randint(6, SLOT // pe)
    values = np.random.default_rng(draw.randrange(1 << 30))
    w = values.integers(-(1 << weight - 1), 1 << weight - 1, size=(sf, nf, pe, simd))
    bias = values.integers(-(1 << 4), 1 << 4, size=(nf, pe))
    low, high = (-(1 << wide - 1), 1 << wide - 1) if signed else (0, 1 << wide)
    places = (nf, pe, simd) if grouped else (1, 1, simd)
    x = values.integers(low, high, size=(SAMPLES, sf, *places))
    products = x * w
    half = 1 << cut - 1 if nearest and cut > 0 else 0
    products = (products + half << max(-cut, 0)) >> max(cut, 0)
    sums = products.sum(axis=(1, 4)) + bias
    whole = Sums(
        weight=FixedPoint(width=weight, integer=weight), format=FixedPoint(width=out, integer=out),
        cut=cut, nearest=nearest, bias=np.zeros(0),
    )  # fmt: skip
    fold = Fold(simd, pe, sf, nf, 0)
    memory.write(
        name, w.reshape(sf * nf, -1).astype(float), bias.reshape(nf, pe).astype(float), whole,
        directory,
    )  # fmt: skip
    address, place = (max((count - 1).bit_length(), 1) for count in (sf * nf, nf))
    text = plain(
        "matvec", SIMD=simd, PE=pe, SF=sf, NF=nf, GROUPED=int(grouped), XW=wide,
        X_SIGNED=int(signed), WW=weight, CUT=cut, ROUND=int(nearest), AW=out,
        DSPS=draw.randint(0, fold.multipliers),
    )  # fmt: skip
    ports = ("weights_enable", "weights_address", "weights", "biases_address", "biases")
    joined = "".join(f", .{port}" for port in ports)
    text = text.replace(");", f"{joined});")
    text = (
        f"wire weights_enable; wire [{address - 1}:0] weights_address;"
        f" wire [{pe * simd * weight - 1}:0] weights; wire [{place - 1}:0] biases_address;"
        f" wire [{pe * out - 1}:0] biases; {name} memory (.clk{joined}); " + text
    )
    given = packed(x.reshape(-1, (pe if grouped else 1) * simd), wide)
    bits = (simd * wide * (pe if grouped else 1), pe * out)
    return Case(text, bits, given, packed(sums.reshape(-1, pe), out))


DRAWN: dict[str, Callable[[Random], Case]] = {
    "window_buffer": window,
    "running_maximum": maximum,
    "stream_crop": crop,
    "stream_repeat": repeat,
    "stream_resize": resize,
    "stream_fifo": queue,
    "stream_pipeline": pipeline,
    "stream_fork": fork,
}


@pytest.mark.parametrize("seed", [1, 2])
def test_modules_give_what_numpy_gives_however_their_streams_stall(
    seed: int, tmp_path: Path
) -> None:
    draw = Random(seed)  # noqa: S311 - tests repeat what they do
    cases = [(name, make(draw)) for name, make in DRAWN.items() for _ in range(4)]
    memories = [f"memory_{n}" for n in range(8)]
    cases += [("matvec", product(draw, tmp_path, name)) for name in memories]
    cases += [("stream_sum", sums(draw)) for _ in range(4)]
    bench(tmp_path, [case for _, case in cases])
    for index, (name, case) in enumerate(cases):
        got = [int(line, 16) for line in (tmp_path / f"out_{index}").read_text().split()]
        # Before the next image comes, windows that lie around it are there already.
        ahead = got[len(case.answer) :] if name == "window_buffer" else []
        assert got == case.answer + ahead, f"{name}: {case.text}"


def bench(directory: Path, cases: list[Case]) -> None:
    """Compile all cases side by side and run them on their beats."""
    count = len(cases)
    lines, wrappers = [], []
    for index, case in enumerate(cases):
        wrappers.append(
            f"module case_{index} (input clk, input rst_n, input [{case.bits[0] - 1}:0] in_data,"
            f" input in_valid, output in_ready, output [{case.bits[1] - 1}:0] out_data,"
            f" output out_valid, input out_ready); {case.text} endmodule"
        )
        lines.append(
            f"wire [{case.bits[1] - 1}:0] y{index}; assign out_data[{SLOT * index} +: {SLOT}] ="
            f" {SLOT}'(y{index}); case_{index} c{index} (.clk, .rst_n,"
            f" .in_data(in_data[{SLOT * index} +: {case.bits[0]}]), .in_valid(in_valid[{index}]),"
            f" .in_ready(in_ready[{index}]), .out_data(y{index}), .out_valid(out_valid[{index}]),"
            f" .out_ready(out_ready[{index}]));"
        )
        words = "".join(f"{word:x}\n" for word in case.given)
        (directory / f"in_{index}").write_text(words)
    wide = f"[{SLOT * count - 1}:0]"
    flags = f"[{count - 1}:0]"
    head = (
        f"module bench (input clk, input rst_n, input {wide} in_data, input {flags} in_valid,"
        f" output {flags} in_ready, output {wide} out_data, output {flags} out_valid,"
        f" input {flags} out_ready);"
    )
    text = "\n".join([*wrappers, head, *lines, "endmodule", ""])
    (directory / "bench.sv").write_text(text)
    root = verilator_root()
    options = ("--cc", "--make", "json", "-Wno-lint", "-Wno-style", "--prefix", "Vbench")
    sources: list[str | Path] = ["bench.sv", *SOURCES, *sorted(directory.glob("memory_*.v"))]
    run(
        [root / "bin" / "verilator_bin", *options, "-Mdir", "v", "--top-module", "bench", *sources],
        directory,
        VERILATOR_ROOT=str(root),
    )
    classes = json.loads((directory / "v" / "Vbench.json").read_text())["sources"]
    parts = [source for kind in classes if kind != "deps" for source in classes[kind]]
    parts.append(str(HERE / "bench.cpp"))
    (directory / "all.cpp").write_text("".join(f'#include "{part}"\n' for part in parts))
    includes = [f"-I{path}" for path in ("v", ".", root / "include", root / "include" / "vltstd")]
    defines = ["-DVERILATOR=1", *DEFINES, f"-DMODULES={count}", f"-DCLOCKS={CLOCKS}"]
    run(["g++", "-w", "-O0", *defines, *includes, "all.cpp", "-o", "bench"], directory)
    run([directory / "bench", "5"], directory)
