"""Save models of Keras 2 to a directory: python make_keras2.py DIRECTORY.

Run as a process of its own, with the packages of the front end `keras2` on its path.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import h5py
import numpy as np
import tf_keras

sys.modules["keras"] = tf_keras

import HGQ  # noqa: E402
import HGQ.layers  # noqa: E402
import HGQ.proxy  # noqa: E402
import qkeras  # noqa: E402
from hls4ml.contrib import garnet  # noqa: E402
from tensorflow_model_optimization.sparsity import keras as sparsity  # noqa: E402

layers = tf_keras.layers


def plain() -> Any:
    dense = layers.Dense(8, activation="relu", name="hidden")
    return tf_keras.Sequential(
        [layers.Input((6,)), dense, layers.Dropout(0.5), layers.Dense(3, name="scores")]
    )


def quantised() -> Any:
    bits = "quantized_bits(6,1,alpha=1)"
    left, right = layers.Input((6,), name="left"), layers.Input((2,), name="right")
    dense = qkeras.QDense(8, kernel_quantizer=bits, bias_quantizer=bits, name="hidden")
    hidden = qkeras.QActivation("quantized_relu(6,2)", name="relu")(dense(left))
    both = layers.Concatenate(name="both")([hidden, right])
    outputs = [
        qkeras.QDense(size, kernel_quantizer=bits, bias_quantizer=bits, name=name)(both)
        for name, size in (("scores", 3), ("place", 2))
    ]
    return tf_keras.Model([left, right], outputs)


def powers(bias_quantizer: str) -> Any:
    dense = qkeras.QDense(
        3, kernel_quantizer="quantized_po2(4)", bias_quantizer=bias_quantizer, name="scores"
    )
    return tf_keras.Sequential([layers.Input((6,)), dense])


def even_powers() -> Any:
    """Return weights of 4^-8, whose exponents take a bit more than they are given."""
    dense = qkeras.QDense(
        3,
        kernel_quantizer=qkeras.quantized_po2(4, 1, quadratic_approximation=True),
        bias_quantizer="quantized_bits(6,1,alpha=1)",
        kernel_initializer=tf_keras.initializers.Constant(1e-5),
        name="scores",
    )
    return tf_keras.Sequential([layers.Input((6,)), dense])


def hgq() -> Any:
    model = tf_keras.Sequential(
        [
            HGQ.layers.HQuantize(input_shape=(6,), name="quantize"),
            HGQ.layers.HDense(8, activation="relu", name="hidden"),
            HGQ.layers.HDense(3, name="scores"),
        ]
    )
    samples = np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32)
    HGQ.trace_minmax(model, samples, cover_factor=1.0)
    return model


def two_proxies() -> Any:
    """Return a model of HGQ's proxies with two inputs."""
    inputs = [layers.Input((3,), name=name) for name in ("left", "right")]
    formats = [np.full((1, 3), bits, np.int8) for bits in (1, 8, 3)]
    row = [HGQ.proxy.FixedPointQuantizer(*formats, "RND", "WRAP")(each) for each in inputs]
    return tf_keras.Model(inputs, layers.Add(name="sum")(row))


def separable() -> Any:
    return tf_keras.Sequential(
        [
            layers.Input((6, 6, 2)),
            layers.SeparableConv2D(3, 3, activation="relu", name="separable"),
            layers.Flatten(name="flatten"),
            layers.Dense(2, name="scores"),
        ]
    )


def signs(path: Path) -> None:
    """Save layers that no package has, as their authors' code describes them."""
    described = json.loads(
        tf_keras.Sequential(
            [
                layers.Input((6,)),
                layers.Dense(16, use_bias=False, name="first"),
                layers.BatchNormalization(name="first_norm"),
                layers.Activation("tanh", name="first_signs"),
                layers.Dense(12, use_bias=False, name="second"),
                layers.BatchNormalization(name="second_norm"),
                layers.Activation("tanh", name="second_signs"),
                layers.Dense(3, use_bias=False, name="scores"),
                layers.BatchNormalization(name="scores_norm"),
            ]
        ).to_json()
    )
    model = tf_keras.models.model_from_json(json.dumps(described))
    rng = np.random.default_rng(5)
    for layer in model.layers:
        if layer.name.endswith("_norm"):
            size = layer.output_shape[-1]
            scale, shift, mean = rng.uniform(0.5, 2, (3, size)) - [[0], [1], [1]]
            layer.set_weights([scale, shift, mean, np.full(size, 4.0)])
    for each in described["config"]["layers"]:
        if each["class_name"] == "Dense":
            each["class_name"] = (
                "TernaryDense" if each["config"]["name"] == "second" else "BinaryDense"
            )
            each["config"] |= {"H": 1.0, "kernel_lr_multiplier": 8.0, "kernel_constraint": None}
        if each["class_name"] == "Activation":
            ternary = each["config"]["name"] == "second_signs"
            each["config"]["activation"] = "ternary_tanh" if ternary else "binary_tanh"
        each.pop("module", None)
        each.pop("registered_name", None)
    path.write_text(json.dumps(described))
    model.save_weights(path.with_name("signs_weights.h5"))


def graph(layer: type, **sizes: Any) -> Any:
    """Return a model of a graph layer: its vertices, and how many of them there are."""
    vertices, count = layers.Input((4, 3), name="points"), layers.Input((1,), name="count")
    nodes = layer(simplified=True, collapse="mean", name="nodes", **sizes)([vertices, count])
    outputs = [layers.Dense(2, name="scores")(nodes), layers.Dense(1, name="energy")(nodes)]
    model = tf_keras.Model([vertices, count], outputs)
    rng = np.random.default_rng(8)
    for each in model.layers:  # biases, too
        each.set_weights([rng.normal(0, 0.7, weight.shape) for weight in each.get_weights()])
    return model


def graphs(out: Path) -> None:
    """Save models of graph layers; that with weights of -1, 0 and 1 as its authors saved them."""
    one = graph(garnet.GarNet, n_aggregators=2, n_filters=2, n_propagate=3, output_activation=None)
    one.save(out / "garnet.h5")
    x = np.random.default_rng(9).normal(size=(20, 13)).astype(np.float32)
    x[:, -1] = np.resize([1, 2, 3, 4], 20)
    np.save(out / "garnet_x.npy", x)
    outputs = one.predict([x[:, :-1].reshape(20, 4, 3), x[:, -1:]])
    np.save(out / "garnet_y.npy", np.concatenate(outputs, axis=1))
    sizes = {"n_aggregators": [2, 3], "n_filters": [3, 2], "n_propagate": [2, 2]}
    stack = graph(garnet.GarNetStack, output_activation=None, quantize_transforms=None, **sizes)
    ternary = stack.to_json().replace('"quantize_transforms": null', '"quantize_transforms": true')
    (out / "ternary.json").write_text(ternary)
    stack.save_weights(out / "ternary_weights.h5")


def as_keras_2_0(path: Path) -> None:
    """Write the layers of a Sequential as a list, as Keras did before 2.2.3."""
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        dense = [each for each in config["config"]["layers"] if each["class_name"] != "InputLayer"]
        dense[0]["config"]["batch_input_shape"] = [None, 6]
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": dense})
        file.attrs["keras_version"] = "2.0.8"


def main() -> None:
    out = Path(sys.argv[1])
    tf_keras.utils.set_random_seed(3)
    model = plain()
    model.save(out / "plain.h5")
    model.save(out / "plain.keras")
    model.save(out / "saved_model")
    (out / "architecture.json").write_text(model.to_json())
    model.save_weights(out / "architecture_weights.h5")
    model.save(out / "list.h5")
    as_keras_2_0(out / "list.h5")
    quantised().save(out / "quantised.h5")
    powers("quantized_bits(6,1,alpha=1)").save(out / "powers.h5")
    powers("quantized_po2(4)").save(out / "powers_as_biases.h5")
    even_powers().save(out / "even_powers.h5")
    model = hgq()
    model.save(out / "hgq.h5")
    HGQ.proxy.to_proxy_model(model, aggressive=True).save(out / "proxy.h5")
    two_proxies().save(out / "two_proxies.h5")
    sparsity.prune_low_magnitude(plain()).save(out / "pruned.h5")
    separable().save(out / "separable.h5")
    signs(out / "signs.json")
    graphs(out)
    code = tf_keras.Sequential([layers.Input((6,)), layers.Lambda(lambda values: values * 2)])
    code.save(out / "lambda.h5")


if __name__ == "__main__":
    main()
