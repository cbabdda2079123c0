"""Train a quantised autoencoder on synthetic spectra: anomaly.keras and anomaly.npz.

The layers are those of hls4ml's anomaly detection in MLPerf Tiny, 128-72-72-8-72-72-128. The data
are not: the sounds of that benchmark cannot be shipped, so the spectra here are drawn, and no
accuracy of this example says anything about the benchmark. A machine that runs well hums at a base
tone and its harmonics, over noise; one that does not has a second tone beside them.

    python examples/anomaly/train.py
"""

from pathlib import Path

import keras
import numpy as np
from hgq.config import LayerConfigScope, QuantizerConfigScope
from hgq.layers import QDense

HERE = Path(__file__).parent
SEED = 7
EPOCHS = 20
BATCH = 256
BETA = 1e-8  # weight of the resource penalty relative to the mean square error
BINS = 128
TRAINED, SAMPLES = 40_000, 1000


def spectra(rng: np.random.Generator, count: int, *, broken: bool) -> np.ndarray:
    """Draw spectra in [0, 1): whole multiples of 1/256."""
    bins = np.arange(BINS)
    base = rng.uniform(9, 13, size=(count, 1))
    found = np.zeros((count, BINS))
    for harmonic in range(1, 10):
        loudness = rng.uniform(0.6, 1.0, size=(count, 1)) / harmonic**0.5
        found += loudness * np.exp(-((bins - harmonic * base) ** 2) / 4)
    if broken:
        tone = rng.uniform(5, BINS - 5, size=(count, 1))
        found += rng.uniform(0.4, 0.9, size=(count, 1)) * np.exp(-((bins - tone) ** 2) / 4)
    found = 0.5 * found + 0.05 + rng.normal(scale=0.02, size=found.shape)
    return (np.clip(np.round(found * 256), 0, 255) / 256).astype(np.float32)


def build() -> keras.Model:
    """Build the network."""
    with (
        QuantizerConfigScope(place="all", default_q_type="kbi", overflow_mode="SAT_SYM"),
        QuantizerConfigScope(
            place="datalane", default_q_type="kif", overflow_mode="WRAP", heterogeneous_axis=()
        ),
        LayerConfigScope(enable_ebops=True, beta0=BETA),
    ):
        widths = (72, 72, 8, 72, 72)
        hidden = [
            QDense(n, activation="relu", name=f"hidden{number}")
            for number, n in enumerate(widths, start=1)
        ]
        return keras.Sequential(
            [keras.layers.Input((BINS,), name="spectrum"), *hidden, QDense(BINS, name="rebuilt")],
            name="anomaly",
        )


def separation(good: np.ndarray, bad: np.ndarray) -> float:
    """Return the area under the ROC curve: how often a bad one has the larger error."""
    ranks = np.argsort(np.argsort(np.concatenate([good, bad])))[len(good) :] + 1
    return float((ranks.sum() - len(bad) * (len(bad) + 1) / 2) / (len(good) * len(bad)))


def main() -> None:
    """Train the network, print how well it tells the two kinds apart, and write the two files."""
    keras.utils.set_random_seed(SEED)
    rng = np.random.default_rng(SEED)
    x_train = spectra(rng, TRAINED, broken=False)
    x_test = np.concatenate([spectra(rng, SAMPLES // 2, broken=broken) for broken in (False, True)])
    steps = -(-TRAINED // BATCH)
    model = build()
    model.compile(
        optimizer=keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(3e-3, EPOCHS * steps)
        ),
        loss="mse",
    )
    model.fit(x_train, x_train, batch_size=BATCH, epochs=EPOCHS, verbose=2)
    errors = np.mean((model.predict(x_test, verbose=0) - x_test) ** 2, axis=1)
    good, bad = np.split(errors, 2)
    print(f"mean square error {good.mean():.5f} where all is well, {bad.mean():.5f} where not")
    print(f"area under the ROC curve {separation(good, bad):.4f}")
    plain = build()  # without the optimiser's state, which would be two thirds of the file
    plain.set_weights(model.get_weights())
    plain.save(HERE / "anomaly.keras")
    # What is to be rebuilt is the input itself.
    np.savez_compressed(HERE / "anomaly.npz", X_test=x_test, y_test=x_test)


if __name__ == "__main__":
    main()
