"""Every layer computes what hls4ml's C simulation does, in many formats, on out-of-range inputs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tasks.toolchains.cores import formats
from tasks.toolchains.cores.core import trace_graph
from tasks.toolchains.cores.graph import Graph, load_graph

TABLE = "fixed<18,8>"
RNG = np.random.default_rng(3)


def differing_branches(files: Path) -> dict[str, str]:
    """By branch: how many outputs differ, and the first of them."""
    graph = load_graph(files / "model.fml", files / "project" / "firmware" / "weights")
    x, expected = np.load(files / "X_test.npy"), np.load(files / "y_csim.npy")
    words = formats.cast_constants(x.reshape(len(x), -1), graph.input.format)
    got = trace_graph(graph)[0].predict(words).astype(np.float32)
    assert got.shape == expected.shape
    return by_branch(graph, got, expected)


def by_branch(graph: Graph, got: Any, expected: Any) -> dict[str, str]:
    """By branch: how many outputs differ, and the first of them."""
    found, start = {}, 0
    for name, size in branches(graph):
        wrong = np.argwhere(got[:, start : start + size] != expected[:, start : start + size])
        if len(wrong):
            row, column = wrong[0]
            values = expected[row, start + column], got[row, start + column]
            found[name] = f"{len(wrong)} differ, first {values} in sample {row}, element {column}"
        start += size
    return found


def branches(graph: Graph) -> list[tuple[str, int]]:
    """Names and sizes of what was concatenated."""
    ends = [node for node in graph.nodes if node.name.startswith(("reshape", "repack"))]
    if not ends:
        return [("all", graph.output.size)]
    return [(node.inputs[0].name, node.output.size) for node in ends]


def test_products_and_sums_round_wrap_and_saturate_as_in_the_accumulator(
    zoo: Callable[..., Any], samples: Callable[..., Any]
) -> None:
    model = zoo(8, precision="fixed<12,5>")
    weights, bias = RNG.normal(size=(8, 3)), RNG.normal(size=3)
    weights[:, 2] *= RNG.random(8) > 0.5
    weights[0] = [-0.001, 0.0, -0.06]  # the text of the weights has few digits

    def dense(
        accum: str, result: str = "fixed<20,9>", weight: str = "fixed<6,2>", **more: Any
    ) -> None:
        types = {"result": result, "accum": accum, "weight": weight, "bias": "fixed<8,3>"}
        model.branch(
            "Dense", types=types, n_in=8, n_out=3, weight_data=weights, bias_data=bias, **more
        )

    for accum in (
        *("fixed<20,9>", "fixed<16,5>", "fixed<15,5,TRN,SAT>", "fixed<9,4>", "fixed<9,5,RND>"),
        *("fixed<9,4,RND_CONV>", "fixed<9,4,TRN_ZERO>", "fixed<9,4,RND_ZERO,SAT_SYM>"),
        *("fixed<9,4,RND_INF,SAT>", "fixed<9,4,RND_MIN_INF,SAT_ZERO>", "ufixed<9,5>"),
    ):
        dense(accum)
    for result in (
        *("fixed<6,3,RND,SAT>", "fixed<6,3,RND_CONV>", "fixed<6,3,TRN_ZERO,SAT_SYM>"),
        *("ufixed<6,3,RND_ZERO,SAT>", "fixed<6,3,RND_INF,SAT_ZERO>", "fixed<6,3,RND_MIN_INF>"),
        *("fixed<4,8>", "fixed<1,1>", "int<5>"),
    ):
        dense("fixed<20,9>", result)
    dense("fixed<20,9>", weight="int<3>")
    dense("fixed<10,5,RND>", Strategy="Resource", ReuseFactor=4)
    model.run(samples(300, 8, scale=2.0))
    assert differing_branches(model.files) == {}


def test_activations_compare_clip_and_look_up_as_in_nnet_activation(
    zoo: Callable[..., Any], samples: Callable[..., Any]
) -> None:
    model = zoo(6)
    for name, result in {
        "linear": "fixed<8,4,RND,SAT>",
        "relu": "ufixed<7,3,RND_CONV,SAT>",
        "relu6": "fixed<16,6>",
        "binary_tanh": "fixed<2,2>",
        "ternary_tanh": "fixed<2,2>",
        "softplus": "fixed<16,6>",
        "softsign": "fixed<16,6>",
        "selu": "fixed<16,6>",
        "sigmoid": "fixed<16,6>",
        "tanh": "fixed<12,2,RND,SAT>",
        "elu": "fixed<16,6>",
    }.items():
        model.branch(
            "Activation", types={"result": result, "table": TABLE}, activation=name, n_in=6
        )
    for name, result in {"hard_sigmoid": "fixed<16,6,RND_INF>", "hard_tanh": "fixed<12,3>"}.items():
        model.branch("HardActivation", types=result, activation=name, slope=0.2, shift=0.5)
    for name in ("LeakyReLU", "ThresholdedReLU", "ELU"):
        types = {"result": "fixed<10,5,RND_ZERO>", "param": "fixed<16,6>", "table": TABLE}
        model.branch(name, types=types, activation=name.lower(), activ_param=0.7, n_in=6)
    types = {"result": "fixed<14,6>", "param": "fixed<8,3>"}
    model.branch("PReLU", types=types, activation="prelu", param_data=RNG.normal(size=6))
    narrow = model.add("Activation", types="ufixed<7,3>", activation="relu", n_in=6)
    types = {"result": "fixed<16,6>", "table": "fixed<10,2,RND>"}
    model.branch("Activation", narrow, types=types, activation="sigmoid", table_size=256, n_in=6)
    model.run(samples(500, 6))
    assert differing_branches(model.files) == {}


def test_softmax_in_all_implementations(
    zoo: Callable[..., Any], samples: Callable[..., Any]
) -> None:
    model = zoo(6)
    narrow = model.add("Activation", types="fixed<8,4>", activation="linear", n_in=6)
    positive = model.add("Activation", types="ufixed<7,3>", activation="relu", n_in=6)

    def softmax(implementation: str, source: str, result: str, accum: str, **more: Any) -> None:
        tables = dict.fromkeys(("exp_table", "inv_table", "inv_inp"), "fixed<18,8,RND,SAT>")
        model.branch(
            "Softmax",
            source,
            types={"result": result, "table": TABLE, "accum": accum, **tables},
            activation="softmax",
            implementation=implementation,
            axis=-1,
            n_in=6,
            **more,
        )

    for name in ("stable", "latency", "legacy", "argmax"):
        softmax(name, "x", "fixed<16,6>", "fixed<18,8,RND,SAT>")
    for name, source in (("stable", narrow), ("latency", narrow), ("stable", positive)):
        softmax(name, source, "ufixed<8,0,RND,SAT>", "fixed<18,8,RND,SAT>")
    softmax("stable", "x", "fixed<16,2>", "fixed<12,4>", table_size=512)
    model.run(samples(500, 6))
    assert differing_branches(model.files) == {}


def window(size: int, kernel: int, stride: int, *, same: bool) -> tuple[int, int, int]:
    """Output extent, padding before and behind, as Keras has them."""
    if not same:
        return (size - kernel) // stride + 1, 0, 0
    out = -(-size // stride)
    padding = max((out - 1) * stride + kernel - size, 0)
    return out, padding // 2, padding - padding // 2


def planar(kernel: int, stride: int, *, same: bool, name: str, channels: int = 2) -> dict[str, Any]:
    """Attributes of a window over a 5 x 5 image, the same in both directions."""
    out, before, after = window(5, kernel, stride, same=same)
    sides = {"height": ("top", "bottom"), "width": ("left", "right")}
    attributes: dict[str, Any] = {"data_format": "channels_last", "n_chan": channels}
    for space, (first, last) in sides.items():
        attributes |= {f"in_{space}": 5, f"out_{space}": out, f"stride_{space}": stride}
        attributes |= {f"{name}_{space}": kernel, f"pad_{first}": before, f"pad_{last}": after}
    return attributes


def linear(kernel: int, stride: int, name: str) -> dict[str, Any]:
    """Attributes of a window over a row of 10 elements with 5 channels, without padding."""
    out, _, _ = window(10, kernel, stride, same=False)
    return {
        "data_format": "channels_last",
        "n_chan": 5,
        "in_width": 10,
        "n_in": 10,
        "out_width": out,
        "n_out": out,
        "stride_width": stride,
        f"{name}_width": kernel,
        "pad_left": 0,
        "pad_right": 0,
    }


def test_convolutions_and_normalisation(
    zoo: Callable[..., Any], samples: Callable[..., Any]
) -> None:
    model = zoo(5, 5, 2, precision="fixed<8,4>")
    row = model.add("Reshape", types="fixed<8,4>", target_shape=[10, 5])
    types = {"result": "fixed<16,8>", "accum": "fixed<20,10>"}
    types |= {"weight": "fixed<6,2>", "bias": "fixed<6,2>"}
    rounded = types | {"accum": "fixed<12,7,RND>"}
    for kernel, stride, same, chosen in (
        *((3, 1, False, types), (3, 2, True, types)),
        *((1, 1, False, types), (2, 2, False, rounded)),
    ):
        model.branch(
            "Conv2D",
            types=chosen,
            **planar(kernel, stride, same=same, name="filt"),
            n_filt=3,
            bias_data=RNG.normal(size=3),
            weight_data=RNG.normal(size=(kernel, kernel, 2, 3)),
        )
    model.branch(
        "DepthwiseConv2D",
        types=types,
        **planar(3, 1, same=True, name="filt"),
        n_filt=2,
        depth_multiplier=1,
        bias_data=RNG.normal(size=2),
        depthwise_data=RNG.normal(size=(3, 3, 2, 1)),
    )
    for kernel in (3, 1):
        model.branch(
            "Conv1D",
            row,
            types=types,
            **linear(kernel, 1, "filt"),
            n_filt=2,
            dilation=1,
            bias_data=RNG.normal(size=2),
            weight_data=RNG.normal(size=(kernel, 5, 2)),
        )
    types = {"result": "fixed<10,6,RND>", "scale": "fixed<8,3>", "bias": "fixed<8,3>"}
    for filters, size in ((2, 2), (-1, 50)):
        data = {"scale_data": RNG.normal(size=size), "bias_data": RNG.normal(size=size)}
        model.branch("BatchNormalization", types=types, n_in=50, n_filt=filters, **data)
    model.run(samples(200, 5, 5, 2))
    assert differing_branches(model.files) == {}


def test_pooling_merging_and_moving(zoo: Callable[..., Any], samples: Callable[..., Any]) -> None:
    model = zoo(5, 5, 2, precision="fixed<8,4>")
    row = model.add("Reshape", types="fixed<8,4>", target_shape=[10, 5])
    positive = model.add("Activation", types="ufixed<6,3>", activation="relu", n_in=50)
    for source, kernel, stride, same, accum in (
        *(("x", 2, 2, False, "fixed<12,6>"), ("x", 2, 2, True, "fixed<12,6>")),
        *((positive, 2, 2, True, "fixed<12,6>"), (positive, 3, 1, False, "ufixed<9,6>")),
        *(("x", 3, 2, True, "fixed<10,6,RND_CONV,SAT>"),),
    ):
        for op in ("Max", "Average"):
            model.branch(
                f"{op}Pooling2D",
                source,
                types={"result": "fixed<12,6>", "accum": accum},
                **planar(kernel, stride, same=same, name="pool"),
                n_filt=2,
                pool_op=op,
                count_pad=stride == kernel,
            )
    types = {"result": "fixed<12,6>", "accum": "fixed<14,8>"}
    image: dict[str, Any] = {"in_height": 5, "in_width": 5}
    for op in ("Max", "Average"):
        common = {"types": types, "data_format": "channels_last", "pool_op": op}
        flat = {"n_in": 10, "n_filt": 5, "keepdims": False}
        model.branch(f"Global{op}Pooling1D", row, **common, **flat)
        model.branch(f"Global{op}Pooling2D", **common, **image, n_filt=2, keepdims=False)
        model.branch(
            f"{op}Pooling1D", row, types=types, n_filt=5, pool_op=op, **linear(3, 3, "pool")
        )
    for op in ("add", "subtract", "multiply", "average", "maximum", "minimum"):
        model.branch("Merge", "x", positive, types="fixed<14,6>", op=op)
    for axis in (3, 1, -2):
        model.branch(
            "Concatenate", "x", positive, types="fixed<10,5>", op="concatenate3d", axis=axis
        )
    model.branch("Transpose", types="fixed<8,4>", perm=[2, 0, 1])
    image |= {"data_format": "channels_last", "n_chan": 2}
    around = {"pad_top": 1, "pad_bottom": 2, "pad_left": 0, "pad_right": 1}
    model.branch("ZeroPadding2D", types="fixed<8,4>", **image, **around, out_height=8, out_width=6)
    within = {"crop_top": 1, "crop_bottom": 2, "crop_left": 0, "crop_right": 2}
    model.branch("Cropping2D", types="fixed<8,4>", **image, **within, out_height=2, out_width=3)
    model.branch(
        "Resize", types="fixed<8,4>", **image, algorithm="nearest", out_height=8, out_width=10
    )
    model.run(samples(200, 5, 5, 2))
    assert differing_branches(model.files) == {}


def test_quantizers_tables_and_sums_of_hgq2_models(
    zoo: Callable[..., Any], samples: Callable[..., Any]
) -> None:
    model = zoo(3, 4, precision="fixed<8,4>")
    widths = RNG.integers(0, 6, size=(1, 3, 4))
    masks = (RNG.integers(0, 2, size=(1, 3, 4)), widths, RNG.integers(-1, 4, size=(1, 3, 4)))
    for rounding, saturation in (("RND", "WRAP"), ("TRN", "SAT"), ("RND_CONV", "SAT_SYM")):
        model.branch(
            "FixedPointQuantizer",
            types="fixed<10,5>",
            mask_kbi=masks,
            RND=rounding,
            SAT=saturation,
            overrides={},
            fusible=False,
        )
    types = {"result": "fixed<8,2>", "table": "fixed<8,2>"}
    table = RNG.uniform(-2, 2, size=256)
    model.branch("UnaryLUT", types=types, activation="unary_lut", table_data=table)
    bits = model.add("Activation", types="fixed<1,1>", activation="linear", n_in=12)
    types = {"result": "fixed<16,8>", "accum": "fixed<14,8>"}
    types |= {"weight": "fixed<6,2>", "bias": "fixed<6,2>"}
    for equation, source, kernel in (("ab,bc->ac", bits, (4, 2)), ("ab,abc->ca", "x", (3, 4, 2))):
        out = (2, 3) if equation.endswith("ca") else (3, 2)
        model.branch(
            "EinsumDense",
            source,
            types=types,
            equation=equation,
            inp_shape=(3, 4),
            out_shape=out,
            weight_data=RNG.normal(size=kernel),
            bias_data=RNG.normal(size=out),
        )
    model.branch(
        "Einsum",
        *("x", bits),
        types={"result": "fixed<16,8>", "accum": "fixed<12,8,RND>"},
        equation="ab,cb->ac",
        inp0_shape=(3, 4),
        inp1_shape=(3, 4),
        out_shape=(3, 3),
    )
    model.run(samples(300, 3, 4))
    assert differing_branches(model.files) == {}


def test_signs_in_one_bit_and_two(zoo: Callable[..., Any], samples: Callable[..., Any]) -> None:
    from hls4ml.model.quantizers import BinaryQuantizer, TernaryQuantizer

    model = zoo(8, precision="fixed<10,4>")
    one_bit, ternary = BinaryQuantizer(bits=1), TernaryQuantizer()
    types = {"result": "fixed<16,8>", "accum": "fixed<16,8>"}

    def dense(source: str, quantizer: Any, weight: str = "auto", **more: Any) -> str:
        return str(
            model.branch(
                "Dense",
                source,
                types=types | {"weight": weight, "bias": weight},
                n_in=8,
                n_out=3,
                weight_data=RNG.normal(size=(8, 3)),
                bias_data=RNG.normal(size=3),
                weight_quantizer=quantizer,
                bias_quantizer=quantizer,
                **more,
            )
        )

    bits = model.add(
        "Activation", types="auto", activation="binary_tanh", n_in=8, quantizer=one_bit
    )
    for source in ("x", bits):
        dense(source, one_bit)
        dense(source, ternary)
        dense(source, None, "fixed<6,2>")
        dense(source, None, "int<2>")  # in which -2 counts as 1
    dense(bits, one_bit, Strategy="Resource", ReuseFactor=4)
    scaled = {"scale_data": RNG.normal(size=8), "bias_data": RNG.normal(size=8)}
    types_of_scale = {"result": "fixed<16,8>", "scale": "fixed<8,3>", "bias": "fixed<8,3>"}
    model.branch("BatchNormalization", bits, types=types_of_scale, n_in=8, n_filt=-1, **scaled)
    # hls4ml merges these two, and the second of the layers behind them counts.
    for name, quantizer in (("binary_tanh", BinaryQuantizer(bits=2)), ("ternary_tanh", ternary)):
        normal = model.add("BatchNormalization", types=types_of_scale, n_in=8, n_filt=-1, **scaled)
        dense(model.add("Activation", normal, types="auto", activation=name, n_in=8), quantizer)
    model.run(samples(300, 8, scale=2.0))
    kinds = {node.kind for node in load_graph(model.files / "model.fml", Path()).nodes}
    assert "BatchNormalizationQuantizedTanh" in kinds
    assert differing_branches(model.files) == {}


def test_weights_that_are_powers_of_two_shift_in_a_type_that_loses_bits(
    zoo: Callable[..., Any], samples: Callable[..., Any], powers_of_two: Callable[[int], Any]
) -> None:
    model = zoo(5, 5, 2, precision="fixed<9,3>")
    row = model.add("Reshape", types="fixed<9,3>", target_shape=[50])
    small = model.add("Activation", row, types="ufixed<5,-2>", activation="relu", n_in=50)
    large = model.add("Activation", types="fixed<6,14>", activation="linear", n_in=50)
    types = {"bias": "fixed<8,3>", "result": "fixed<30,14>", "weight": "auto"}
    for source, bits, accum, strategy in (
        (row, 4, "fixed<40,20>", "Resource"),
        (small, 5, "fixed<30,4,RND>", "Latency"),
        (row, 5, "fixed<12,5,RND_CONV,SAT>", "Latency"),
    ):
        model.branch(
            "Dense",
            source,
            types=types | {"accum": accum},
            n_in=50,
            n_out=2,
            weight_data=RNG.normal(size=(50, 2)) * np.exp2(RNG.integers(-12, 3, size=(50, 2))),
            bias_data=RNG.normal(size=2),
            weight_quantizer=powers_of_two(bits),
            Strategy=strategy,
        )
    for source, bits, accum in (("x", 6, "fixed<40,12>"), (large, 3, "fixed<44,24>")):
        model.branch(
            "Conv2D",
            source,
            types=types | {"accum": accum},
            **planar(2, 1, same=True, name="filt"),
            n_filt=2,
            weight_data=RNG.normal(size=(2, 2, 2, 2)),
            bias_data=RNG.normal(size=2),
            weight_quantizer=powers_of_two(bits),
        )
    model.run(samples(100, 5, 5, 2, scale=2.0))
    assert differing_branches(model.files) == {}


def test_recurrent_layers_step_by_step(
    zoo: Callable[..., Any], samples: Callable[..., Any]
) -> None:
    model = zoo(3, 2, precision="fixed<8,3>")
    wide = {"result": "fixed<10,3>", "accum": "fixed<14,5>", "table": "fixed<10,2>"}
    narrow = {"result": "fixed<8,2,RND,SAT>", "accum": "fixed<9,4,RND>", "table": TABLE}
    for kind, gates in (("LSTM", 4), ("GRU", 3)):
        for types, activation, more in (
            (wide, "tanh", {"return_sequences": True}),
            (narrow, "relu", {"return_sequences": False}),
            (wide, "tanh", {"Strategy": "Resource", "ReuseFactor": 2, "return_sequences": False}),
        ):
            weights = dict.fromkeys(("weight", "recurrent_weight"), "fixed<6,2>")
            biases = dict.fromkeys(("bias", "recurrent_bias"), "fixed<8,3>")
            data = {"recurrent_bias_data": RNG.normal(size=2 * gates)} if kind == "GRU" else {}
            model.branch(
                kind,
                types=types | weights | biases,
                n_timesteps=3,
                n_in=2,
                n_out=2,
                return_state=False,
                apply_reset_gate="after",
                direction="forward",
                activation=activation,
                recurrent_activation="sigmoid",
                table_size=256,
                weight_data=RNG.normal(size=(2, 2 * gates)),
                recurrent_weight_data=RNG.normal(size=(2, 2 * gates)),
                bias_data=RNG.normal(size=2 * gates),
                **data,
                **more,
            )
    model.run(samples(300, 3, 2, scale=1.0))
    assert differing_branches(model.files) == {}


def test_streamed_tensors_have_the_same_numbers(
    zoo: Callable[..., Any], samples: Callable[..., Any]
) -> None:
    model = zoo(4, 4, 2, precision="fixed<8,4>")
    types = {"result": "fixed<12,6>", "accum": "fixed<20,10>"}
    types |= {"weight": "fixed<6,2>", "bias": "fixed<6,2>"}
    image = {"data_format": "channels_last", "in_height": 4, "in_width": 4, "n_chan": 2}
    around = {"pad_top": 1, "pad_bottom": 1, "pad_left": 1, "pad_right": 1}
    convolved = model.add(
        "Conv2D",
        types=types,
        **image,
        **around,
        filt_height=3,
        filt_width=3,
        stride_height=1,
        stride_width=1,
        out_height=4,
        out_width=4,
        n_filt=2,
        bias_data=RNG.normal(size=2),
        weight_data=RNG.normal(size=(3, 3, 2, 2)),
    )
    relu = model.add("Activation", convolved, types="ufixed<8,5>", activation="relu", n_in=32)
    pooled = [
        model.add(
            f"{op}Pooling2D",
            relu,
            types={"result": "fixed<8,5>", "accum": accum},
            **image,
            **dict.fromkeys(around, 0),
            pool_height=2,
            pool_width=2,
            stride_height=2,
            stride_width=2,
            out_height=2,
            out_width=2,
            n_filt=2,
            pool_op=op,
            count_pad=False,
        )
        for op, accum in (("Max", "fixed<8,4>"), ("Average", "fixed<8,6,TRN,SAT>"))
    ]
    merged = model.add("Merge", *pooled, types="fixed<9,6>", op="add")
    flat = model.add("Reshape", merged, types="fixed<9,6>", target_shape=[8])
    model.branch(
        "Dense",
        flat,
        types=types,
        n_in=8,
        n_out=5,
        Strategy="Resource",
        ReuseFactor=4,
        weight_data=RNG.normal(size=(8, 5)),
        bias_data=RNG.normal(size=5),
    )
    model.run(samples(100, 4, 4, 2), "io_stream")
    assert differing_branches(model.files) == {}
