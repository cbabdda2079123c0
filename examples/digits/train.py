"""Train the quantised digits classifier: digits.keras and digits.npz next to this script.

An HGQ2 network of 64-32-10 neurons for the 8x8 handwritten digits that come with scikit-learn. HGQ2
learns the bit width of every weight and activation together with the weights, with a penalty on
resources (EBOPs, effective bit operations). The model file contains all precisions, so the
conversion needs no precision settings.

    python examples/digits/train.py
"""

from pathlib import Path

import keras
import numpy as np
from hgq.config import LayerConfigScope, QuantizerConfigScope
from hgq.layers import QDense
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HERE = Path(__file__).parent
SEED = 7
EPOCHS = 150
BETA = 3e-6  # weight of the resource penalty relative to the cross-entropy


def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return pixels as multiples of 1/16 in [0, 1], and class numbers; hold out 450 samples."""
    data = load_digits()
    pixels = (data.data / 16).astype(np.float32)
    x_train, x_test, y_train, y_test = train_test_split(
        pixels, data.target.astype(np.int64), test_size=450, random_state=SEED, stratify=data.target
    )
    return x_train, x_test, y_train, y_test


def build() -> keras.Model:
    """Build the network; its outputs are logits, because argmax needs no softmax."""
    with (
        QuantizerConfigScope(place="all", default_q_type="kbi", overflow_mode="SAT_SYM"),
        QuantizerConfigScope(place="datalane", default_q_type="kif", overflow_mode="WRAP"),
        LayerConfigScope(enable_ebops=True, beta0=BETA),
    ):
        return keras.Sequential(
            [
                keras.layers.Input((64,), name="pixels"),
                QDense(32, activation="relu", name="hidden"),
                QDense(10, name="logits"),
            ],
            name="digits",
        )


def main() -> None:
    """Train the network, print its accuracy, and write the two files."""
    keras.utils.set_random_seed(SEED)
    x_train, x_test, y_train, y_test = digits()
    model = build()
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(5e-3, EPOCHS * 42)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(
        x_train, y_train, batch_size=32, epochs=EPOCHS, validation_data=(x_test, y_test), verbose=2
    )
    accuracy = float(np.mean(model.predict(x_test, verbose=0).argmax(axis=1) == y_test))
    print(f"held-out accuracy {accuracy:.4f}")
    plain = build()  # without the optimiser's state, which would be two thirds of the file
    plain.set_weights(model.get_weights())
    plain.save(HERE / "digits.keras")
    np.savez_compressed(HERE / "digits.npz", X_test=x_test, y_test=y_test)


if __name__ == "__main__":
    main()
