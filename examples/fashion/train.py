"""Train a quantised CNN for Fashion-MNIST: fashion.keras and fashion.npz next to this script.

An HGQ2 network of two convolutions of 3x3, each followed by a pooling, and two dense layers, for
the 28x28 pictures of clothes in ten classes. Each layer has one format for its inputs; HGQ2 learns
it, and the bit width of every weight, together with the weights, with a penalty on resources.

The pictures are Debian's package dataset-fashion-mnist (Zalando SE, Expat licence; LICENSE here).
fashion.npz holds the first 1,000 of its 10,000 test pictures.

    apt-get install dataset-fashion-mnist
    python examples/fashion/train.py [DIRECTORY]
"""

import gzip
import sys
from pathlib import Path

import keras
import numpy as np
from hgq.config import LayerConfigScope, QuantizerConfigScope
from hgq.layers import QConv2D, QDense

HERE = Path(__file__).parent
DATA = Path("/usr/share/datasets/fashion-mnist")
SEED = 7
EPOCHS = 8
BATCH = 256
BETA = 2e-7  # weight of the resource penalty relative to the cross-entropy
SAMPLES = 1000
SIDE = 28


def pictures(directory: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels as multiples of 1/256 in [0, 1), and class numbers."""
    pixels = gzip.decompress((directory / f"{name}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((directory / f"{name}-labels-idx1-ubyte.gz").read_bytes())
    x = np.frombuffer(pixels, np.uint8, offset=16).reshape(-1, SIDE, SIDE, 1)
    y = np.frombuffer(labels, np.uint8, offset=8)
    return (x / 256).astype(np.float32), y.astype(np.int64)


def build() -> keras.Model:
    """Build the network; its outputs are logits, because argmax needs no softmax."""
    with (
        QuantizerConfigScope(place="all", default_q_type="kbi", overflow_mode="SAT_SYM"),
        QuantizerConfigScope(
            place="datalane", default_q_type="kif", overflow_mode="WRAP", heterogeneous_axis=()
        ),
        LayerConfigScope(enable_ebops=True, beta0=BETA),
    ):
        return keras.Sequential(
            [
                keras.layers.Input((SIDE, SIDE, 1), name="pixels"),
                QConv2D(8, 3, activation="relu", name="conv1"),
                keras.layers.MaxPooling2D(2, name="pool1"),
                QConv2D(16, 3, activation="relu", name="conv2"),
                keras.layers.MaxPooling2D(2, name="pool2"),
                keras.layers.Flatten(name="flat"),
                QDense(32, activation="relu", name="hidden"),
                QDense(10, name="logits"),
            ],
            name="fashion",
        )


def main() -> None:
    """Train the network, print its accuracy, and write the two files."""
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA
    keras.utils.set_random_seed(SEED)
    x_train, y_train = pictures(directory, "train")
    x_test, y_test = pictures(directory, "t10k")
    steps = -(-len(x_train) // BATCH)
    model = build()
    model.compile(
        optimizer=keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(4e-3, EPOCHS * steps)
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(
        x_train, y_train, batch_size=BATCH, epochs=EPOCHS, validation_data=(x_test, y_test),
        verbose=2,
    )  # fmt: skip
    for name, count in (("all", len(x_test)), ("shipped", SAMPLES)):
        found = model.predict(x_test[:count], verbose=0).argmax(axis=1)
        print(f"held-out accuracy on {name}: {np.mean(found == y_test[:count]):.4f}")
    plain = build()  # without the optimiser's state, which would be two thirds of the file
    plain.set_weights(model.get_weights())
    plain.save(HERE / "fashion.keras")
    np.savez_compressed(HERE / "fashion.npz", X_test=x_test[:SAMPLES], y_test=y_test[:SAMPLES])


if __name__ == "__main__":
    main()
