"""hls4ml models without TensorFlow: built layer by layer, run by the real C simulation."""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.conversion import hls

Samples = NDArray[np.float32]
# Exact in float32, as the C simulation returns it.
JOINED = "fixed<24,12>"
CONFIGURED = ("Strategy", "ReuseFactor")
# One translation unit, not optimised, takes a third of the time of hls4ml's own script.
BUILD = """
echo '#include "firmware/zoo.cpp"
#include "zoo_bridge.cpp"' > all.cpp
g++ -O0 -w -std=c++11 -fPIC -fno-gnu-unique -I. -Ifirmware/ap_types -shared all.cpp \\
  -DWEIGHTS_DIR="\\"$PWD/firmware/weights\\"" -o {library}
"""


class PowersOfTwo:
    """Rounds weights to powers of two, as QKeras's quantized_po2 does, with so many bits."""

    def __init__(self, bits: int) -> None:
        from hls4ml.model.types import ExponentPrecisionType

        self.bits = bits
        self.hls_type = ExponentPrecisionType(width=bits)

    def __call__(self, data: NDArray[np.floating]) -> NDArray[np.floating]:
        limit = 1 << self.bits - 1
        exponents = np.clip(np.rint(np.log2(np.abs(data))), -limit, limit - 1)
        return np.asarray(np.copysign(np.exp2(exponents), data))

    def serialize(self) -> dict[str, int]:
        return {"bits": self.bits}


class Zoo:
    """An hls4ml model of one input and many branches; their flat outputs are its output.

    Args:
        directory: gets the files of a convert entry.
        shape: of the input.
        precision: of the input.
    """

    def __init__(self, directory: Path, shape: tuple[int, ...], precision: str) -> None:
        self.files = directory
        self.shape = shape
        self.configs: dict[str, dict[str, Any]] = {"x": {"Precision": {"result": precision}}}
        self.layers: list[dict[str, Any]] = [
            {"name": "x", "class_name": "InputLayer", "input_shape": list(shape)}
        ]
        self.branches: list[str] = []

    def add(self, kind: str, *inputs: str, types: str | dict[str, str], **attributes: Any) -> str:
        """Add a layer and return its name.

        Args:
            kind: hls4ml's class name.
            inputs: names of layers; the model's input where there are none.
            types: of the result, or by name.
            attributes: of the layer; those in CONFIGURED go to its configuration.
        """
        name = f"{kind.lower()}_{len(self.layers)}"
        settings = {key: attributes.pop(key) for key in CONFIGURED if key in attributes}
        precision = {"result": types} if isinstance(types, str) else types
        self.configs[name] = {"Precision": precision, **settings}
        layer = {"name": name, "class_name": kind, "inputs": list(inputs or ["x"]), **attributes}
        self.layers.append(layer)
        return name

    def branch(
        self, kind: str, *inputs: str, types: str | dict[str, str], **attributes: Any
    ) -> str:
        """Add a layer whose output is a part of the model's output."""
        name = self.add(kind, *inputs, types=types, **attributes)
        self.branches.append(name)
        return name

    def convert(self, io_type: str = "io_parallel") -> Any:
        """Convert the model, and save its graph; return hls4ml's ModelGraph."""
        from hls4ml.model.graph import ModelGraph
        from hls4ml.utils.config import create_config

        self._join()
        config = create_config(
            output_dir=str(self.files / "project"),
            project_name="zoo",
            backend="Vivado",
            io_type=io_type,
        )
        config["HLSConfig"] = {
            "Model": {"Precision": "fixed<16,6>", "ReuseFactor": 1, "BitExact": False},
            "LayerName": self.configs,
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = ModelGraph.from_layer_list(config, self.layers)
        hls.save(model, self.files / "model.fml")
        return model

    def run(self, x: Samples, io_type: str = "io_parallel") -> Any:
        """Convert, compile and run the model; return hls4ml's ModelGraph.

        The files are then those of a convert entry.
        """
        model = self.convert(io_type)
        with pytest.MonkeyPatch.context() as patch:
            # hls4ml imports it, and with it TensorFlow, to write a file that nobody reads here.
            patch.setitem(sys.modules, "keras", None)
            hls.write_weights(model, self.files / "project")
            hls.write(model, self.files / "project")
        stamp = model.config.get_config_value("Stamp")
        script = BUILD.format(library=f"firmware/zoo-{stamp}.so")
        (self.files / "project" / "build_lib.sh").write_text(f"set -e{script}")
        model._compile()
        outputs = np.asarray(model.predict(x), dtype=np.float32)
        np.save(self.files / "X_test.npy", x)
        np.save(self.files / "y_csim.npy", outputs.reshape(len(x), -1))
        return model

    def _join(self) -> None:
        """Flatten the branches and concatenate them, two by two, as hls4ml wants it."""
        if len(self.branches) == 1:
            return
        flat = [
            self.add("Reshape", name, types=self.configs[name]["Precision"], target_shape=[-1])
            for name in self.branches
        ]
        joined = flat[0]
        for name in flat[1:]:
            joined = self.add(
                "Concatenate", joined, name, types=JOINED, op="concatenate1d", axis=-1
            )


def draw(count: int, *shape: int, scale: float = 3.0) -> Samples:
    """Random inputs: normal, one in seven far out of range."""
    values = np.random.default_rng(7).normal(scale=scale, size=(count, *shape))
    values[::7] *= 20
    return values.astype(np.float32)


@pytest.fixture
def zoo(tmp_path: Path) -> Callable[..., Zoo]:
    """Make a Zoo in this test's directory."""

    def make(*shape: int, precision: str = "fixed<16,6>") -> Zoo:
        return Zoo(tmp_path, shape, precision)

    return make


@pytest.fixture(scope="session")
def make_zoo() -> Callable[..., Zoo]:
    """The class Zoo."""
    return Zoo


@pytest.fixture(scope="session")
def samples() -> Callable[..., Samples]:
    """The function `draw`."""
    return draw


@pytest.fixture(scope="session")
def powers_of_two() -> Callable[[int], PowersOfTwo]:
    """The class PowersOfTwo."""
    return PowersOfTwo
