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
    dense = {"kernel_quantizer": BITS, "bias_quantizer": BITS}
    relu = "quantized_relu(6,2)"
    image, extra = keras.layers.Input((6, 6, 1), name="image"), keras.layers.Input((2,), name="x")
    x = qkeras.QConv2D(2, 3, **dense, activation=relu, name="filters")(image)
    x = keras.layers.Flatten(name="flat")(keras.layers.MaxPooling2D(2, name="pooled")(x))
    both = keras.layers.Concatenate(name="both")([x, extra])
    kind = qkeras.QActivation(relu, name="relu")(qkeras.QDense(3, **dense, name="scores")(both))
    place = qkeras.QDense(2, **dense, activation=relu, name="place")(x)
    keras.Model([image, extra], [kind, place]).save(Path(sys.argv[1]) / "quantised.keras")


if __name__ == "__main__":
    main()
