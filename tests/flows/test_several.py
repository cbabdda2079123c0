"""A model of two inputs and two outputs, from its file to the verdict."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.flows.conftest import Machine, finished

pytestmark = pytest.mark.slow

MAKE = """
import keras
import numpy as np
keras.utils.set_random_seed(3)
layers = keras.layers
left, right = keras.Input((4,), name="left"), keras.Input((3, 2), name="right")
row = layers.Flatten(name="row")(layers.Conv1D(2, 2, name="steps")(right))
hidden = layers.Dense(5, activation="relu", name="hidden")(left)
both = layers.Concatenate(name="both")([hidden, row])
kind = layers.Dense(3, activation="softmax", name="kind")(both)
model = keras.Model([left, right], [kind, layers.Dense(2, name="place")(both)])
model.save("several.keras")
rng = np.random.default_rng(0)
x = {"left": rng.normal(size=(60, 4)), "right": rng.normal(size=(60, 3, 2))}
x = {name: each.astype(np.float32) for name, each in x.items()}
kind, place = model.predict(list(x.values()), verbose=0)
inputs = {f"X_test_{name}": each for name, each in x.items()}
np.savez("several.npz", **inputs, y_test_kind=kind.argmax(1), y_test_place=place)
"""


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("several")
    command = [sys.executable, "-c", MAKE]
    subprocess.run(command, cwd=directory, check=True, capture_output=True)
    return directory


def test_every_output_has_figures_and_gates_of_its_own(machine: Machine, several: Path) -> None:
    arguments = (several / "several.keras", "--data", several / "several.npz", "--json")
    verdict = finished(machine.command("run", *arguments)).verdict
    assert verdict.passed
    assert (verdict.bit_exact, verdict.samples) == (60, 60)
    kind, place = verdict.outputs
    assert (kind.name, kind.rmse, place.name, place.accuracy) == ("kind", None, "place", None)
    assert kind.accuracy is not None
    assert kind.accuracy >= 0.95
    assert {"csim accuracy of kind", "board RMSE of place"} <= {gate.name for gate in verdict.gates}
