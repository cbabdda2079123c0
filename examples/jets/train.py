"""Train the jet tagger of the hls4ml tutorial, part 4: QKeras with 6 bits, three quarters pruned.

16 features of a jet tell five kinds apart: 16-64-32-32-5 neurons, every weight and activation in 6
bits, 75 % of the weights zero. Without arguments it learns a synthetic stand-in, which the files
say in their names; it has the size of the tutorial's data and nothing else of them:

    PYTHONPATH=.env-keras2 .venv/bin/python examples/jets/train.py

Who has the data set hls4ml_lhc_jets_hlf of OpenML, saved as an .npz file of X (16 features a jet)
and y (the kinds as numbers 0 to 4), trains on that, and gets jets.h5 and jets.npz:

    PYTHONPATH=.env-keras2 .venv/bin/python examples/jets/train.py lhc_jets.npz

`make env-keras2` installs QKeras 0.9 and the pruning toolkit.
"""

import os
import sys
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy as np
import tf_keras

sys.modules["keras"] = tf_keras  # QKeras 0.9 imports Keras 2 under this name

import qkeras  # noqa: E402
from tensorflow_model_optimization.sparsity import keras as sparsity  # noqa: E402

HERE = Path(__file__).parent
SEED = 0
FEATURES, KINDS = 16, 5
SAMPLES, TESTED = 40_000, 1_000
EPOCHS, BATCH = 30, 256


def stand_in() -> tuple[np.ndarray, np.ndarray]:
    """Return features and kinds that overlap: three normal distributions for each kind."""
    rng = np.random.default_rng(SEED)
    y = rng.integers(0, KINDS, SAMPLES)
    centres = rng.normal(scale=1.0, size=(KINDS, 3, FEATURES))
    x = centres[y, rng.integers(0, 3, SAMPLES)] + rng.normal(size=(SAMPLES, FEATURES))
    return x, y


def build() -> Any:
    """Build the network of the tutorial, with its names of layers."""
    bits = qkeras.quantized_bits(6, 0, alpha=1)
    stack = [tf_keras.layers.Input((FEATURES,))]
    for number, width in enumerate((64, 32, 32), start=1):
        stack.append(
            qkeras.QDense(
                width,
                kernel_quantizer=bits,
                bias_quantizer=bits,
                kernel_initializer="lecun_uniform",
                kernel_regularizer=tf_keras.regularizers.l1(1e-4),
                name=f"fc{number}",
            )
        )
        stack.append(qkeras.QActivation(qkeras.quantized_relu(6), name=f"relu{number}"))
    scores = qkeras.QDense(KINDS, kernel_quantizer=bits, bias_quantizer=bits, name="output")
    return tf_keras.Sequential(
        [*stack, scores, tf_keras.layers.Activation("softmax", name="softmax")]
    )


def main() -> None:
    """Train the network, print its accuracy, and write the two files."""
    tf_keras.utils.set_random_seed(SEED)
    name = "jets" if sys.argv[1:] else "jets_synthetic"
    if sys.argv[1:]:
        with np.load(sys.argv[1]) as arrays:
            x, y = arrays["X"], arrays["y"]
    else:
        x, y = stand_in()
    order = np.random.default_rng(SEED).permutation(len(x))
    x, y = x[order], y[order].astype(np.int64)
    x = ((x - x[TESTED:].mean(axis=0)) / x[TESTED:].std(axis=0)).astype(np.float32)
    steps = -(-(len(x) - TESTED) // BATCH)
    schedule = sparsity.ConstantSparsity(0.75, begin_step=10 * steps, frequency=100)
    model = sparsity.prune_low_magnitude(build(), pruning_schedule=schedule)
    model.compile(
        optimizer=tf_keras.optimizers.legacy.Adam(1e-3),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(
        x[TESTED:], y[TESTED:], batch_size=BATCH, epochs=EPOCHS, verbose=2,
        callbacks=[sparsity.UpdatePruningStep()],
    )  # fmt: skip
    model = sparsity.strip_pruning(model)
    accuracy = np.mean(model.predict(x[:TESTED], verbose=0).argmax(axis=1) == y[:TESTED])
    print(f"held-out accuracy {accuracy:.4f}")
    model.save(HERE / f"{name}.h5", include_optimizer=False)
    np.savez_compressed(HERE / f"{name}.npz", X_test=x[:TESTED], y_test=y[:TESTED])


if __name__ == "__main__":
    main()
