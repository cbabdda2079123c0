"""The codec agrees with the ap_fixed that the C simulation computes with."""

from __future__ import annotations

import importlib.util
import itertools
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from board.codec import quantise

ROUNDINGS = ("TRN", "TRN_ZERO", "RND", "RND_ZERO", "RND_INF", "RND_MIN_INF", "RND_CONV")
SATURATIONS = ("WRAP", "SAT", "SAT_ZERO", "SAT_SYM")
SHAPES = ((8, 4, True), (7, 9, False), (5, -3, True))
FORMATS = tuple(itertools.product(SHAPES, ROUNDINGS, SATURATIONS))

PROGRAM = """
#include "ap_fixed.h"
#include <cstdio>
#include <vector>
template <class T> void convert(const std::vector<float> &values) {
  for (float value : values) {
    T fixed = value;
    std::printf("%lld\\n", (long long)fixed.range(T::width - 1, 0).to_uint64());
  }
}
int main() {
  std::vector<float> values;
  for (float value; std::scanf("%f", &value) == 1;) values.push_back(value);
CALLS
}
"""


def ap_type(width: int, integer: int, signed: bool, rounding: str, saturation: str) -> str:
    name = "ap_fixed" if signed else "ap_ufixed"
    return f"{name}<{width}, {integer}, AP_{rounding}, AP_{saturation}>"


@pytest.fixture(scope="module")
def converter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    hls4ml = importlib.util.find_spec("hls4ml")
    assert hls4ml is not None
    assert hls4ml.origin is not None
    headers = Path(hls4ml.origin).parent / "templates" / "vivado" / "ap_types"
    directory = tmp_path_factory.mktemp("ap_fixed")
    calls = [f"  convert<{ap_type(*shape, r, s)}>(values);" for shape, r, s in FORMATS]
    source = directory / "convert.cpp"
    source.write_text(PROGRAM.replace("CALLS", "\n".join(calls)))
    binary = directory / "convert"
    compiler = shutil.which("g++")
    assert compiler, "no g++ on the PATH"
    subprocess.run([compiler, "-w", "-I", headers, "-o", binary, source], check=True)
    return binary


def test_quantise_agrees_with_ap_fixed(converter: Path) -> None:
    grid = np.arange(-700, 700, dtype=np.float32)
    random = np.random.default_rng(1).normal(scale=40, size=2000).astype(np.float32)
    values = np.concatenate([grid / 32, grid / 1024, grid * 8, random, [1e-30, -1e-30, 1e9, -1e9]])
    values = values.astype(np.float32)
    text = "\n".join(float(value).hex() for value in values)
    printed = subprocess.run([converter], input=text, capture_output=True, text=True, check=True)
    expected = np.array(printed.stdout.split(), np.int64).reshape(len(FORMATS), len(values))
    for ((width, integer, signed), rounding, saturation), row in zip(
        FORMATS, expected, strict=True
    ):
        raw = quantise(
            values, width, integer, signed=signed, rounding=rounding, saturation=saturation
        )
        bits = raw.astype(np.int64) & (2**width - 1)
        wrong = np.flatnonzero(bits != row)
        found = [(values[i], bits[i], row[i]) for i in wrong[:5]]
        assert not found, ap_type(width, integer, signed, rounding, saturation)
