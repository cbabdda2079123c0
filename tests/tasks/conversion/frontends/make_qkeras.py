"""Save a model of QKeras for Keras 3: python make_qkeras.py DIRECTORY.

Run as a process of its own, with the packages of the front end `qkeras` on its path.
"""

import sys
from pathlib import Path

import keras
import qkeras

BITS = "quantized_bits(6,1,alpha=1)"


def main() -> None:
    keras.utils.set_random_seed(3)
    scores = qkeras.QDense(3, kernel_quantizer=BITS, bias_quantizer=BITS, name="scores")
    keras.Sequential(
        [
            keras.layers.Input((6, 6, 1)),
            qkeras.QConv2D(
                2, 3, kernel_quantizer=BITS, bias_quantizer=BITS, activation="quantized_relu(6,2)",
                name="filters",
            ),
            keras.layers.MaxPooling2D(2, name="pooled"),
            keras.layers.Flatten(name="flat"),
            scores,
            qkeras.QActivation("quantized_relu(6,2)", name="relu"),
        ]
    ).save(Path(sys.argv[1]) / "quantised.keras")  # fmt: skip


if __name__ == "__main__":
    main()
