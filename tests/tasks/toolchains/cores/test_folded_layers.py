"""Every folded layer gives what the C simulation does: random sizes, formats, strides, stalls.

The branches of one model are concatenated: one C simulation and one Verilator run prove many
layers, and branches that take unlike times meet again.
"""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from tasks.core.records.design import Resources
from tasks.toolchains.cores import choice
from tasks.toolchains.cores.graph import load_graph
from tests.tasks.toolchains.cores.test_folded import design_of, fabric_of, project_of, words
from tests.tasks.toolchains.cores.test_layers import branches, window
from tests.tasks.toolchains.lint import lint
from tests.tasks.toolchains.shell.test_shell import drive
from tests.tasks.toolchains.standin import Words

pytestmark = pytest.mark.slow

PART = Resources.of_part("zcu102")
SAMPLES = 25
MANY = 10**7


class Image:
    """Layers over an image of random size, with random parameters."""

    def __init__(self, model: Any, seed: int) -> None:
        self.model = model
        self.draw = Random(seed)  # noqa: S311 - tests repeat what they do
        self.weights = np.random.default_rng(seed)
        self.height, self.width, self.channels = model.shape

    def format(self, least: int) -> str:
        signed = self.draw.choice(("fixed", "fixed", "ufixed"))
        width = self.draw.randint(least, least + 8)
        rounding = self.draw.choice(("TRN", "RND", "RND_CONV", "TRN_ZERO"))
        saturation = self.draw.choice(("WRAP", "SAT"))
        return f"{signed}<{width},{self.draw.randint(3, least)},{rounding},{saturation}>"

    def types(self) -> dict[str, str]:
        accum = self.draw.choice(("fixed<20,10>", "fixed<13,6>", "fixed<13,7,RND>", "ufixed<14,8>"))
        weight = f"fixed<{self.draw.randint(3, 8)},2>"
        return {"result": self.format(8), "accum": accum, "weight": weight, "bias": "fixed<6,3>"}

    def window(self, name: str, *, channels: int | None = None) -> dict[str, Any]:
        """Attributes of a window of random size, stride and padding."""
        attributes: dict[str, Any] = {"data_format": "channels_last"}
        attributes |= {
            "n_chan": channels or self.channels,
            "dilation_height": 1,
            "dilation_width": 1,
        }
        same = self.draw.random() < 0.5
        sides = (("height", self.height, "top", "bottom"), ("width", self.width, "left", "right"))
        for space, size, before, after in sides:
            kernel, stride = self.draw.randint(1, 3), self.draw.randint(1, 2)
            out, first, last = window(size, kernel, stride, same=same)
            attributes |= {f"in_{space}": size, f"out_{space}": out, f"stride_{space}": stride}
            attributes |= {f"{name}_{space}": kernel, f"pad_{before}": first, f"pad_{after}": last}
        return attributes

    def conv(self, source: str = "x", *, branch: bool = True, **fixed: Any) -> str:
        shape = self.window("filt") | fixed
        n_filt = shape.pop("n_filt", self.draw.randint(1, 5))
        kernel = (shape["filt_height"], shape["filt_width"], self.channels, n_filt)
        add = self.model.branch if branch else self.model.add
        name: str = add(
            "Conv2D",
            source,
            types=self.types(),
            n_filt=n_filt,
            weight_data=self.weights.normal(size=kernel),
            bias_data=self.weights.normal(size=n_filt),
            **shape,
        )
        return name

    def depthwise(self, source: str = "x") -> str:
        shape = self.window("filt")
        kernel = (shape["filt_height"], shape["filt_width"], self.channels, 1)
        name: str = self.model.branch(
            "DepthwiseConv2D",
            source,
            types=self.types(),
            n_filt=self.channels,
            depth_multiplier=1,
            depthwise_data=self.weights.normal(size=kernel),
            bias_data=self.weights.normal(size=self.channels),
            **shape,
        )
        return name

    def pool(self, op: str, source: str = "x") -> None:
        self.model.branch(
            f"{op}Pooling2D",
            source,
            types={"result": self.format(6), "accum": "fixed<12,6>"},
            n_filt=self.channels,
            pool_op=op,
            count_pad=True,
            **self.window("pool"),
        )

    def whole(self, op: str, source: str = "x") -> None:
        self.model.branch(
            f"Global{op}Pooling2D",
            source,
            types={"result": self.format(6), "accum": "fixed<16,8>"},
            data_format="channels_last",
            in_height=self.height,
            in_width=self.width,
            n_filt=self.channels,
            pool_op=op,
            keepdims=False,
        )

    def moved(self) -> None:
        """Zeros around the image, borders left out, pixels repeated."""
        sides = ("top", "bottom", "left", "right")
        image: dict[str, Any] = {"data_format": "channels_last", "n_chan": self.channels}
        image |= {"in_height": self.height, "in_width": self.width}
        for kind, name, sign in (("ZeroPadding2D", "pad", 1), ("Cropping2D", "crop", -1)):
            border = {side: self.draw.randint(0, 1) for side in sides}
            out = (self.height + sign * (border["top"] + border["bottom"]),
                   self.width + sign * (border["left"] + border["right"]))  # fmt: skip
            attributes = {f"{name}_{side}": value for side, value in border.items()}
            attributes |= {"out_height": out[0], "out_width": out[1]}
            self.model.branch(kind, types="fixed<10,5>", **image, **attributes)
        times = (self.draw.randint(1, 3), self.draw.randint(1, 3))
        image |= {"out_height": times[0] * self.height, "out_width": times[1] * self.width}
        self.model.branch("Resize", types="fixed<10,5>", algorithm="nearest", **image)

    def merged(self) -> None:
        """Branches that take unlike times: element by element, and along the last axis."""
        same = self.window("filt") | {f"stride_{space}": 1 for space in ("height", "width")}
        for space, size, before, after in (
            ("height", self.height, "top", "bottom"), ("width", self.width, "left", "right"),
        ):  # fmt: skip
            same |= {f"filt_{space}": 3, f"out_{space}": size}
            same |= {f"pad_{before}": 1, f"pad_{after}": 1}
        left, right = (self.conv(branch=False, n_filt=3, **same) for _ in range(2))
        deep = self.model.add(
            "Activation",
            right,
            types="fixed<10,5>",
            activation="relu",
            n_in=3 * self.height * self.width,
        )
        for op in ("add", "subtract", "multiply", "average", "maximum", "minimum"):
            self.model.branch("Merge", left, deep, types="fixed<14,6>", op=op)
        self.model.branch(
            "Concatenate", "x", deep, types="fixed<12,6>", op="concatenate3d", axis=-1
        )

    def scaled(self) -> None:
        """Normalisation, a slope for each channel, one Dense for all pixels, and a line."""
        size = self.height * self.width * self.channels
        types = {"result": "fixed<12,6,RND>", "scale": "fixed<8,3>", "bias": "fixed<8,3>"}
        data = {
            f"{name}_data": self.weights.normal(size=self.channels) for name in ("scale", "bias")
        }
        self.model.branch(
            "BatchNormalization", types=types, n_in=size, n_filt=self.channels, **data
        )
        n_out = self.draw.randint(2, 5)
        self.model.branch(
            "EinsumDense",
            types=self.types(),
            equation="abc,cd->abd",
            inp_shape=self.model.shape,
            out_shape=(self.height, self.width, n_out),
            weight_data=self.weights.normal(size=(self.channels, n_out)),
            bias_data=np.zeros((self.height, self.width, n_out)),
        )
        length = self.height * self.width
        row = self.model.add(
            "Reshape", types=self.model.configs["x"]["Precision"]["result"],
            target_shape=[length, self.channels],
        )  # fmt: skip
        kernel, stride = self.draw.randint(2, 3), self.draw.randint(1, 3)
        out, _, _ = window(length, kernel, stride, same=False)
        self.model.branch(
            "Conv1D", row, types=self.types(), data_format="channels_last", n_chan=self.channels,
            in_width=length, n_in=length, out_width=out, n_out=out, stride_width=stride,
            filt_width=kernel, pad_left=0, pad_right=0, n_filt=n_out, dilation=1,
            weight_data=self.weights.normal(size=(kernel, self.channels, n_out)),
            bias_data=self.weights.normal(size=n_out),
        )  # fmt: skip


@pytest.fixture
def image(tmp_path: Path, make_zoo: Any) -> Callable[[int], Image]:
    """An empty model whose input has a random size and format."""

    def make(seed: int) -> Image:
        draw = Random(seed)  # noqa: S311 - tests repeat what they do
        shape = (draw.randint(3, 7), draw.randint(3, 7), draw.randint(1, 4))
        precision = f"{draw.choice(('fixed', 'ufixed'))}<{draw.randint(4, 9)},3>"
        return Image(make_zoo(tmp_path, shape, precision), seed)

    return make


def prove_folded(tmp_path: Path, layers: Image, samples: Any, **settings: Any) -> None:
    """Fold the model; run it at full rate, then with stalls on both sides."""
    model = layers.model
    model.run(samples(SAMPLES, *model.shape))
    given, expected = (words(tmp_path, f"{name}.npy") for name in ("X_test", "y_csim"))
    shapes = (model.shape, (len(expected) // SAMPLES,))
    project = project_of(tmp_path, model, shapes, **settings)
    report = choice.build(tmp_path, project, PART, tmp_path)
    said = lint(design_of(project, tmp_path / "rtl"))
    # What traces the lanes writes its own.
    own = [line for line in said if "_pipeline" not in line and "/table_" not in line]
    assert not [line for line in own if line.startswith("%")], "\n".join(own)
    fabric = fabric_of(project, tmp_path / "rtl")
    one = fabric.run(given[: project.input.words_per_sample], last=True, room=1 << 20, cycles=MANY)
    full = fabric.run(given, last=True, room=1 << 20, cycles=MANY)
    assert differing(tmp_path, full.words, expected) == {}
    clocks = (full.cycles - one.cycles) / (SAMPLES - 1)
    assert clocks <= 1.01 * report.interval_cycles
    stalled = drive(fabric, given, {len(given) - 1}, len(expected), layers.draw)
    fabric.close()
    assert stalled.words == expected.tolist()


def differing(files: Path, got: Words, expected: Words) -> dict[str, str]:
    """By branch: how many outputs differ, and the first of them."""
    graph = load_graph(files / "model.fml", files / "project" / "firmware" / "weights")
    outputs, wanted = (each.reshape(SAMPLES, -1).view(np.float32) for each in (got, expected))
    found, start = {}, 0
    for name, size in branches(graph):
        wrong = np.argwhere(outputs[:, start : start + size] != wanted[:, start : start + size])
        if len(wrong):
            row, column = wrong[0]
            values = wanted[row, start + column], outputs[row, start + column]
            found[name] = f"{len(wrong)} differ, first {values} in sample {row}, element {column}"
        start += size
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_windows_of_any_size_stride_and_padding(
    seed: int, image: Callable[[int], Image], tmp_path: Path, samples: Any
) -> None:
    layers = image(seed)
    for _ in range(3):
        layers.conv()
    layers.depthwise()
    layers.depthwise()
    for op in ("Max", "Average"):
        layers.pool(op)
        layers.whole(op)
    prove_folded(tmp_path, layers, samples)


@pytest.mark.parametrize("seed", [4, 5])
def test_what_moves_merges_and_scales(
    seed: int, image: Callable[[int], Image], tmp_path: Path, samples: Any
) -> None:
    layers = image(seed)
    layers.moved()
    layers.merged()
    layers.scaled()
    prove_folded(tmp_path, layers, samples)
