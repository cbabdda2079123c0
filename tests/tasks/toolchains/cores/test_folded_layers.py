"""Every folded layer gives what the C simulation does: random sizes, formats, strides, stalls.

The branches of one model are concatenated: one C simulation and one Verilator run prove many
layers, and branches that take unlike times meet again.
"""

from collections import Counter
from collections.abc import Callable
from math import prod
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from tasks.core.records.design import Resources
from tasks.toolchains.cores import choice
from tasks.toolchains.cores.graph import load_graph
from tasks.toolchains.open.image import build_fabric_image
from tests.tasks.toolchains.cores.test_folded import design_of, project_of
from tests.tasks.toolchains.cores.test_layers import by_branch, window
from tests.tasks.toolchains.lint import lint
from tests.tasks.toolchains.shell.test_shell import drive
from tests.tasks.toolchains.standin import Fabric, Words

pytestmark = pytest.mark.slow

PART = Resources.of_part("zcu102")
SAMPLES = 25
MANY = 10**7


class Layers:
    """Layers over a vector, or an image or line of random size, with random parameters."""

    def __init__(self, model: Any, seed: int) -> None:
        self.model = model
        self.draw = Random(seed)  # noqa: S311 - tests repeat what they do
        self.weights = np.random.default_rng(seed)
        *sizes, self.channels = model.shape
        sides = {"height": ("top", "bottom"), "width": ("left", "right")}
        self.spaces = dict(zip(list(sides)[2 - len(sizes) :], sizes, strict=True))
        self.sides = {space: sides[space] for space in self.spaces}
        self.size = prod(model.shape)
        self.longest_stride = 2
        self.image: dict[str, Any] = {"data_format": "channels_last"}
        self.image |= {f"in_{space}": size for space, size in self.spaces.items()}

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

    def kind(self, name: str) -> str:
        """A class of hls4ml, as it is called for an image or a line."""
        return f"{name}{len(self.spaces)}D"

    def window(self, name: str) -> dict[str, Any]:
        """Attributes of a window of random size, stride and padding."""
        attributes = self.image | {"n_chan": self.channels, "dilation": 1}
        same = self.draw.random() < 0.5
        for space, size in self.spaces.items():
            kernel, stride = self.draw.randint(1, 3), self.draw.randint(1, self.longest_stride)
            out, first, last = window(size, kernel, stride, same=same)
            before, after = self.sides[space]
            attributes |= {f"out_{space}": out, f"stride_{space}": stride, f"dilation_{space}": 1}
            attributes |= {f"{name}_{space}": kernel, f"pad_{before}": first, f"pad_{after}": last}
        if "height" not in self.spaces:
            attributes |= {"n_in": attributes["in_width"], "n_out": attributes["out_width"]}
        return attributes

    def extents(self, attributes: dict[str, Any]) -> tuple[int, ...]:
        return tuple(attributes[f"filt_{space}"] for space in self.spaces)

    def conv(self, source: str = "x", *, branch: bool = True, **fixed: Any) -> str:
        shape = self.window("filt") | fixed
        n_filt = shape.pop("n_filt", self.draw.randint(1, 5))
        add = self.model.branch if branch else self.model.add
        name: str = add(
            self.kind("Conv"),
            source,
            types=self.types(),
            n_filt=n_filt,
            weight_data=self.weights.normal(size=(*self.extents(shape), self.channels, n_filt)),
            bias_data=self.weights.normal(size=n_filt),
            **shape,
        )
        return name

    def pointwise(self) -> None:
        one: dict[str, Any] = {}
        for space, size in self.spaces.items():
            one |= dict.fromkeys((f"pad_{side}" for side in self.sides[space]), 0)
            one |= {f"filt_{space}": 1, f"stride_{space}": 1, f"out_{space}": size}
        if "height" not in self.spaces:
            one["n_out"] = self.spaces["width"]
        self.conv(**one)

    def depthwise(self, source: str = "x") -> str:
        shape = self.window("filt")
        name: str = self.model.branch(
            self.kind("DepthwiseConv"),
            source,
            types=self.types(),
            n_filt=self.channels,
            depth_multiplier=1,
            depthwise_data=self.weights.normal(size=(*self.extents(shape), self.channels, 1)),
            bias_data=self.weights.normal(size=self.channels),
            **shape,
        )
        return name

    def separable(self) -> None:
        """A filter for each channel, then one for each pixel: hls4ml makes two layers of it."""
        shape, n_filt = self.window("filt"), self.draw.randint(1, 5)
        types = self.types()
        depth = {f"depthwise_{name}": value for name, value in self.types().items()}
        depth["depthwise"] = depth.pop("depthwise_weight")
        self.model.branch(
            self.kind("SeparableConv"),
            types=types | depth | {"pointwise": types["weight"]},
            n_filt=n_filt,
            depth_multiplier=1,
            depthwise_data=self.weights.normal(size=(*self.extents(shape), self.channels, 1)),
            pointwise_data=self.weights.normal(
                size=(*len(self.spaces) * [1], self.channels, n_filt)
            ),
            bias_data=self.weights.normal(size=n_filt),
            **shape,
        )

    def pool(self, op: str, source: str = "x") -> None:
        self.model.branch(
            self.kind(f"{op}Pooling"),
            source,
            types={"result": self.format(6), "accum": "fixed<12,6>"},
            n_filt=self.channels,
            pool_op=op,
            count_pad=True,
            **self.window("pool"),
        )

    def whole(self, op: str, source: str = "x") -> None:
        self.model.branch(
            self.kind(f"Global{op}Pooling"),
            source,
            types={"result": self.format(6), "accum": "fixed<16,8>"},
            **self.image,
            n_in=self.size // self.channels,
            n_filt=self.channels,
            pool_op=op,
            keepdims=False,
        )

    def moved(self) -> None:
        """Zeros around the image, and borders left out."""
        for name, prefix, sign in (("ZeroPadding", "pad", 1), ("Cropping", "crop", -1)):
            attributes = self.image | {"n_chan": self.channels}
            for space, size in self.spaces.items():
                border = [self.draw.randint(0, 1) for _ in range(2)]
                attributes[f"out_{space}"] = size + sign * sum(border)
                for side, width in zip(self.sides[space], border, strict=True):
                    attributes[f"{prefix}_{side}"] = width
            self.model.branch(self.kind(name), types="fixed<10,5>", **attributes)

    def repeated(self) -> None:
        """Pixels that are repeated."""
        sizes = {"height": 1} | self.spaces  # a line is an image of one row
        attributes = self.image | {"n_chan": self.channels, "algorithm": "nearest"}
        for space, size in sizes.items():
            times = self.draw.randint(1, 3) if space in self.spaces else 1
            attributes |= {f"in_{space}": size, f"out_{space}": times * size}
        self.model.branch("Resize", types="fixed<10,5>", **attributes)

    def merged(self) -> None:
        """Branches that take unlike times: element by element, and along the last axis."""
        same: dict[str, Any] = {}
        for space, size in self.spaces.items():
            before, after = self.sides[space]
            same |= {f"stride_{space}": 1, f"filt_{space}": 3, f"out_{space}": size}
            same |= {f"pad_{before}": 1, f"pad_{after}": 1}
        if "height" not in self.spaces:
            same["n_out"] = self.spaces["width"]
        left, right = (self.conv(branch=False, n_filt=3, **same) for _ in range(2))
        deep = self.model.add(
            "Activation",
            right,
            types="fixed<10,5>",
            activation="relu",
            n_in=3 * self.size // self.channels,
        )
        for op in ("add", "subtract", "multiply", "average", "maximum", "minimum"):
            self.model.branch("Merge", left, deep, types="fixed<14,6>", op=op)
        op = f"concatenate{len(self.model.shape)}d"
        self.model.branch("Concatenate", "x", deep, types="fixed<12,6>", op=op, axis=-1)

    def scaled(self) -> None:
        """Normalisation with factors of each channel, and one Dense for all pixels."""
        types = {"result": "fixed<12,6,RND>", "scale": "fixed<8,3>", "bias": "fixed<8,3>"}
        data = {
            f"{name}_data": self.weights.normal(size=self.channels) for name in ("scale", "bias")
        }
        self.model.branch(
            "BatchNormalization", types=types, n_in=self.size, n_filt=self.channels, **data
        )
        n_out = self.draw.randint(2, 5)
        out_shape = (*self.spaces.values(), n_out)
        self.model.branch(
            "EinsumDense",
            types=self.types(),
            equation="abc,cd->abd" if len(self.spaces) > 1 else "ab,bc->ac",
            inp_shape=self.model.shape,
            out_shape=out_shape,
            weight_data=self.weights.normal(size=(self.channels, n_out)),
            bias_data=np.zeros(out_shape),
        )

    def factored(self) -> None:
        """Factors of a quantizer: one for all, one of each channel, and powers of two."""
        some = self.weights.normal(size=self.channels)
        for scales in (np.full(self.channels, 0.75), some, 2.0 ** np.rint(some)):
            types = {"result": self.format(8), "scale": "fixed<8,4>", "bias": "fixed<7,3>"}
            self.model.branch(
                "ApplyAlpha",
                types=types,
                n_in=self.size,
                n_filt=self.channels,
                scale_data=scales,
                bias_data=self.weights.normal(size=self.channels),
            )

    def repacked(self, source: str, spaces: dict[str, int], channels: int) -> str:
        """The elements of a layer in their order, as an image or line that the next layers read."""
        self.spaces, self.channels = spaces, channels
        self.image = {"data_format": "channels_last"}
        self.image |= {f"in_{space}": size for space, size in spaces.items()}
        name: str = self.model.add(
            "Reshape",
            source,
            types=self.model.configs[source]["Precision"]["result"],
            target_shape=[*spaces.values(), channels],
        )
        return name

    def dense(self, **more: Any) -> None:
        n_out = self.draw.randint(1, 9)
        self.model.branch(
            "Dense",
            types=self.types(),
            n_in=self.size,
            n_out=n_out,
            weight_data=self.weights.normal(size=(self.size, n_out)),
            bias_data=self.weights.normal(size=n_out),
            **more,
        )

    def activated(self) -> None:
        """All functions of one element."""
        for name in ("linear", "relu", "relu6", "binary_tanh", "ternary_tanh", "softplus",
                     "softsign", "selu", "sigmoid", "tanh", "elu"):  # fmt: skip
            types = {"result": self.format(8), "table": "fixed<12,4>"}
            self.model.branch(
                "Activation", types=types, activation=name, n_in=self.size, table_size=128
            )
        for name in ("hard_sigmoid", "hard_tanh"):
            self.model.branch(
                "HardActivation", types=self.format(8), activation=name, slope=0.2, shift=0.5
            )
        types = {"result": self.format(8), "param": "fixed<8,3>", "table": "fixed<12,4>"}
        for name in ("LeakyReLU", "ThresholdedReLU", "ELU"):
            self.model.branch(
                name, types=types, activation=name.lower(), activ_param=0.7, n_in=self.size
            )
        slopes = self.weights.normal(size=self.size)
        self.model.branch("PReLU", types=types, activation="prelu", param_data=slopes)

    def quantised(self) -> None:
        """Elements with formats of their own, and a table, as HGQ2 has them."""
        shape = (1, self.size)
        masks = [self.weights.integers(low, high, size=shape) for low, high in
                 ((0, 2), (0, 6), (-1, 4))]  # fmt: skip
        for rounding, saturation in (("RND", "WRAP"), ("TRN", "SAT"), ("RND_CONV", "SAT_SYM")):
            self.model.branch(
                "FixedPointQuantizer", types="fixed<10,5>", mask_kbi=tuple(masks), RND=rounding,
                SAT=saturation, overrides={}, fusible=False,
            )  # fmt: skip
        types = {"result": "fixed<8,2>", "table": "fixed<8,2>"}
        bits = self.model.add("Activation", types="fixed<5,3>", activation="linear", n_in=self.size)
        table = self.weights.uniform(-2, 2, size=32)
        self.model.branch("UnaryLUT", bits, types=types, activation="unary_lut", table_data=table)

    def soft(self) -> None:
        """The functions that need a whole vector."""
        tables = dict.fromkeys(("exp_table", "inv_table", "inv_inp"), "fixed<18,8,RND,SAT>")
        types = {"result": "fixed<16,6>", "table": "fixed<18,8>", "accum": "fixed<18,8,RND,SAT>"}
        for name in ("stable", "latency", "legacy", "argmax"):
            self.model.branch(
                "Softmax", types=types | tables, activation="softmax", implementation=name, axis=-1,
                n_in=self.size, table_size=128,
            )  # fmt: skip


@pytest.fixture
def layers_of(tmp_path: Path, make_zoo: Any) -> Callable[..., Layers]:
    """An empty model whose input has a random size, of so many axes, and a random format."""

    def make(seed: int, axes: int = 3) -> Layers:
        draw = Random(seed)  # noqa: S311 - tests repeat what they do
        ends = {1: (5, 9), 2: (5, 12), 3: (3, 7)}[axes]
        sizes = [draw.randint(*ends) for _ in range(max(axes - 1, 1))]
        shape = (*sizes, draw.randint(1, 4)) if axes > 1 else tuple(sizes)
        precision = f"{draw.choice(('fixed', 'ufixed'))}<{draw.randint(4, 9)},3>"
        return Layers(make_zoo(tmp_path, shape, precision), seed)

    return make


def words(files: Path, name: str) -> Words:
    values = np.load(files / name).astype(np.float32)
    return np.asarray(values.ravel().view(np.uint32), np.uint32)


def prove_folded(
    tmp_path: Path, layers: Layers, samples: Any, io_type: str = "io_parallel"
) -> None:
    """Fold the model; run it at full rate, then with stalls on both sides."""
    model = layers.model
    model.run(samples(SAMPLES, *model.shape), io_type)
    given, expected = (words(tmp_path, f"{name}.npy") for name in ("X_test", "y_csim"))
    shapes = (model.shape, (len(expected) // SAMPLES,))
    project = project_of(tmp_path, model, shapes)
    report = choice.build(tmp_path, project, PART, tmp_path)
    design = design_of(project, tmp_path / "rtl")
    said = lint(design)
    # What traces the lanes writes its own.
    own = [line for line in said if "_pipeline" not in line and "/table_" not in line]
    assert not [line for line in own if line.startswith("%")], "\n".join(own)
    fabric = Fabric(build_fabric_image(design, tmp_path / "zoo.so", logs=tmp_path))
    one = fabric.run(given[: project.input.words_per_sample], last=True, room=1 << 20, cycles=MANY)
    full = fabric.run(given, last=True, room=1 << 20, cycles=MANY)
    assert differing(tmp_path, full.words, expected) == {}
    clocks = (full.cycles - one.cycles) / (SAMPLES - 1)
    assert clocks <= 1.01 * report.interval_cycles
    stalled = drive(fabric, given, {len(given) - 1}, len(expected), layers.draw)
    fabric.close()
    assert stalled.words == expected.tolist()


def kinds(files: Path) -> Counter[str]:
    """How many layers of each kind hls4ml made of the model."""
    graph = load_graph(files / "model.fml", files / "project" / "firmware" / "weights")
    return Counter(node.kind for node in graph.nodes)


def differing(files: Path, got: Words, expected: Words) -> dict[str, str]:
    """By branch: how many outputs differ, and the first of them."""
    graph = load_graph(files / "model.fml", files / "project" / "firmware" / "weights")
    outputs, wanted = (each.reshape(SAMPLES, -1).view(np.float32) for each in (got, expected))
    return by_branch(graph, outputs, wanted)


@pytest.mark.parametrize(("seed", "axes"), [(1, 3), (2, 3), (3, 2)])
def test_windows_of_any_size_stride_and_padding(
    seed: int,
    axes: int,
    *,
    layers_of: Callable[..., Layers],
    tmp_path: Path,
    samples: Any,
    powers_of_two: Any,
) -> None:
    layers = layers_of(seed, axes)
    for _ in range(3):
        layers.conv()
    layers.conv(weight_quantizer=powers_of_two(3))
    layers.pointwise()
    layers.depthwise()
    layers.depthwise()
    for op in ("Max", "Average"):
        layers.pool(op)
        layers.whole(op)
    layers.separable()
    prove_folded(tmp_path, layers, samples)
    assert kinds(tmp_path)[layers.kind("DepthwiseConv")] == 3


@pytest.mark.parametrize(("seed", "axes"), [(4, 3), (5, 2)])
def test_what_moves_merges_and_scales(
    seed: int, axes: int, layers_of: Callable[..., Layers], tmp_path: Path, samples: Any
) -> None:
    layers = layers_of(seed, axes)
    layers.moved()
    layers.repeated()
    layers.merged()
    layers.scaled()
    layers.factored()
    prove_folded(tmp_path, layers, samples)
    assert kinds(tmp_path)["ApplyAlpha"] == 3


@pytest.mark.parametrize("seed", [6])
def test_vectors_through_products_and_every_function(
    seed: int, layers_of: Callable[..., Layers], tmp_path: Path, samples: Any, powers_of_two: Any
) -> None:
    layers = layers_of(seed, 1)
    for reuse in (1, 1, 3):
        layers.dense(ReuseFactor=reuse)
    layers.dense(weight_quantizer=powers_of_two(3))
    layers.activated()
    layers.quantised()
    layers.soft()
    prove_folded(tmp_path, layers, samples)


@pytest.mark.parametrize("seed", [7])
def test_a_stream_is_repacked_to_images_and_lines_of_other_shapes(
    seed: int, layers_of: Callable[..., Layers], tmp_path: Path, samples: Any
) -> None:
    """With io_stream, hls4ml has layers of its own for that, and for streams with two readers."""
    layers = layers_of(seed)
    model, (height, width, channels) = layers.model, layers.model.shape
    # hls4ml's streams leave data behind where a stride is longer than the window.
    layers.longest_stride = 1
    turned = layers.repacked("x", {"height": width, "width": height}, channels)
    wide = layers.conv(turned, n_filt=4, branch=False)
    found = model.layers[-1]
    # Two readers of one stream, which hls4ml copies for them.
    doubled = model.add("Merge", wide, wide, types="fixed<12,6>", op="add")
    length = 2 * found["out_height"] * found["out_width"]
    layers.conv(layers.repacked(doubled, {"width": length}, 2))
    prove_folded(tmp_path, layers, samples, io_type="io_stream")
    assert kinds(tmp_path)["Repack"] == 2
