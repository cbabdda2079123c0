"""Measure folded cores against their budgets: clocks a sample, size, and the time to build one.

The digits, the autoencoder and the pictures are those of examples/. The jet tagger and the CNN of
the hls4ml tutorial have random weights and inputs, which say as much about hardware.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench import demo, fabric
from bench.figures import Figure
from tasks.core.records.measurement import Run

BUILD_S = 300.0
CORES = 2
"""That may work on it for so long; the time that processors work says more on a busy machine."""
FABRIC_HZ = 50_000.0
CNN = "tutorial's CNN"
LUTS = 53_200
"""Of xc7z020."""

TUTORIAL = """
import sys
import keras
import numpy
from keras import layers

keras.utils.set_random_seed(1)
jet = [layers.Input((16,)), *(layers.Dense(n, activation="relu") for n in (64, 32, 32))]
tagger = keras.Sequential([*jet, layers.Dense(5), layers.Softmax()])
tagger.save(f"{sys.argv[1]}/jet.keras")
# As many samples as the first one's way takes to no longer count.
x = numpy.random.default_rng(1).normal(size=(500, 16)).astype("float32")
numpy.savez(f"{sys.argv[1]}/jet.npz", X_test=x, y_test=tagger.predict(x))
cnn = [layers.Input((32, 32, 3))]
for filters in (16, 16, 24):
    cnn += [layers.Conv2D(filters, 3, activation="relu"), layers.MaxPooling2D(2)]
cnn += [layers.Flatten(), *(layers.Dense(n, activation="relu") for n in (42, 64))]
keras.Sequential([*cnn, layers.Dense(10)]).save(f"{sys.argv[1]}/cnn.keras")
"""


class Design(NamedTuple):
    """A model and what its folded core may take.

    Attributes:
        arguments: of `overlayflow run`.
        clocks: a sample, by the twin's counters.
        lut: with the shell.
        share: of the part's DSPs and block RAM.
    """

    name: str
    arguments: tuple[str, ...]
    clocks: float
    lut: float
    share: float = 1.0


def designs(models: Path) -> list[Design]:
    """Return the designs; `models` has the tutorial's."""
    shipped = {
        name: tuple(
            str(demo.ROOT / "examples" / name / name) + suffix for suffix in (".keras", ".npz")
        )
        for name in ("digits", "anomaly", "fashion")
    }
    given = {name: (model, "--data", data) for name, (model, data) in shipped.items()}
    jet, cnn = (
        (str(models / name) + ".keras", "--gates", "warn", "--precision", precision)
        for name, precision in (("jet", "fixed<16,6>"), ("cnn", "fixed<8,3>"))
    )
    return [
        Design("digits", given["digits"], 64 * 1.01, 9_909 / 4),
        Design("autoencoder", given["anomaly"], 130, LUTS),
        Design("pictures", given["fashion"], 784 * 1.01, LUTS),
        Design(
            "jet tagger", (*jet, "--data", str(models / "jet.npz")), 16.2, 0.8 * LUTS, share=0.8
        ),
        Design(CNN, cnn, 3_200, LUTS),
    ]


def measure(home: Path, only: Sequence[str] = ()) -> Iterator[Figure]:
    """Run every design, or only these, on a twin, from an empty store."""
    env = demo.environment(home)
    home.mkdir(parents=True)
    subprocess.run([sys.executable, "-c", TUTORIAL, home], env=env, check=True, capture_output=True)
    demo.command(["twin", "start"], env)
    try:
        for design in designs(home):
            if only and design.name not in only:
                continue
            arguments = ["run", *design.arguments, "--board", "twin", "--core", "folded", "--json"]
            before = _processor_s()
            seconds, _, output = demo.command(arguments, env)
            yield from _figures(design, seconds, _processor_s() - before, output)
            if design.name == CNN:
                speed = fabric.cycles_per_second(Path(env["OVERLAYFLOW_HOME"]), output)
                yield Figure(
                    name=f"fabric of the {CNN}",
                    value=speed,
                    unit="cycles/s",
                    budget=FABRIC_HZ,
                    at_least=True,
                )
    finally:
        demo.command(["twin", "stop"], env)


def _processor_s() -> float:
    """Return the processor time of all commands so far, with what they started."""
    times = os.times()
    return times.children_user + times.children_system


def _figures(design: Design, seconds: float, processor_s: float, output: str) -> Iterator[Figure]:
    run = Run.model_validate_json(output)
    found = run.figures
    utilisation = run.verdict.manifest.utilisation
    if found.interval_cycles is None or utilisation is None or found.bit_exact != 1:
        raise SystemExit(f"{design.name}: not measured, or not bit-exact")
    used, part = utilisation.used, utilisation.available
    share = max(used.dsp / part.dsp, used.bram_36k / part.bram_36k)
    for name, value, unit, budget in (
        ("a sample", found.interval_cycles, "clocks", design.clocks),
        ("LUTs", used.lut, "", design.lut),
        ("share of DSPs or block RAM", share, "", design.share),
        ("whole run", seconds, "s", BUILD_S),
        ("processor time", processor_s, "s", CORES * BUILD_S),
    ):
        yield Figure(name=f"{design.name}, {name}", value=value, unit=unit, budget=budget)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("design", nargs="*", help="names as in the figures; all without")
    asked = parser.parse_args().design
    with tempfile.TemporaryDirectory(prefix="overlayflow-bench-") as directory:
        for figure in measure(Path(directory) / "cores", asked):
            print(figure, flush=True)
