"""Make a tiny model with random data: python -m bench.tiny DIRECTORY SAMPLES FEATURES."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from bench import demo

CLASSES = 4


def make(directory: Path, samples: int, features: int) -> list[str]:
    """Write tiny.keras and tiny.npz in a separate process; return arguments for `run`."""
    directory.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "bench.tiny", str(directory), str(samples), str(features)]
    subprocess.run(
        command,
        cwd=demo.ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return [str(directory / "tiny.keras"), "--data", str(directory / "tiny.npz")]


def _write(directory: Path, samples: int, features: int) -> None:
    import keras

    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Dense(CLASSES, activation="relu", name="hidden"),
        keras.layers.Dense(CLASSES, name="scores"),
    ]
    keras.Sequential([keras.Input((features,)), *layers]).save(directory / "tiny.keras")
    chance = np.random.default_rng(0)
    x = chance.standard_normal((samples, features), dtype=np.float32)
    np.savez(directory / "tiny.npz", X_test=x, y_test=chance.integers(0, CLASSES, samples))


if __name__ == "__main__":
    _write(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
