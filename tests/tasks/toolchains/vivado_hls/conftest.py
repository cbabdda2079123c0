"""A converted model, the replay tools on PATH, and what they were asked to do."""

import json
import os
import re
import shutil
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from board.kinds import board_kinds
from tasks.core.records.design import FixedPoint, HlsProject, Implementation, Stream, Synthesis
from tasks.core.records.settings import BuildSettings, ConvertSettings
from tasks.steps import building
from tasks.store.store import Store
from tasks.toolchains.base import Hooks, Progress, Toolchain
from tasks.toolchains.vivado.job import Supervision
from tasks.toolchains.vivado.supervised import Limits, Patience
from tasks.toolchains.vivado_hls.implementer import DesignTcl
from tasks.toolchains.vivado_hls.synthesizer import BuildPrjTcl
from tests.replay import fabric, scenario
from tests.tasks.samples import hls_project

REPLAY = Path(scenario.__file__).parent / "bin"
NAME = "tiny"
BIAS = 0.25


@dataclass(frozen=True)
class Converted:
    """A converted model, as the step convert leaves it."""

    files: Path
    project: HlsProject


@pytest.fixture(scope="session", autouse=True)
def tcl() -> None:
    """What runs the replay tools' scripts comes with Python, but not with Debian's."""
    pytest.importorskip("tkinter", reason="no tkinter: apt-get install python3-tk")


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Converted:
    """hls4ml's own project of a dense layer, without TensorFlow."""
    return convert(tmp_path_factory.mktemp("converted"), "pynq-z2")


def convert(files: Path, kind: str) -> Converted:
    """Convert the model for a kind of board."""
    import hls4ml
    from hls4ml.model.graph import ModelGraph

    inputs = np.random.default_rng(1).normal(size=(16, 4)).astype(np.float32)
    part = board_kinds()[kind].part
    config = hls4ml.backends.get_backend("VivadoAccelerator").create_initial_config(
        board=kind, part=part, clock_period=10.0
    )
    config |= {
        "OutputDir": str(files / "project"),
        "ProjectName": NAME,
        "Backend": "VivadoAccelerator",
        "Stamp": "0",
        "HLSConfig": {
            "Model": {"Precision": "fixed<16,6>", "ReuseFactor": 1, "Strategy": "Latency"}
        },
    }
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        # hls4ml imports it, and with it TensorFlow, to write a file that nobody reads here.
        patch.setitem(sys.modules, "keras", None)
        ModelGraph.from_layer_list(config, _layers()).write()
    _prune(files / "project" / "firmware")
    settings = ConvertSettings(project_name=NAME, board_kind=kind)
    project = _project(files, inputs, _computed(inputs))
    return Converted(files, project.model_copy(update={"settings": settings, "part": part}))


def _weights() -> NDArray[np.float64]:
    return np.random.default_rng(2).normal(size=(4, 3))


def _computed(inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the layer computes in fixed<16,6>, where every product is cut off to that too."""
    ulp = 2.0**-10

    def cut(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.floor(values / ulp) * ulp

    x, weights = cut(inputs.astype(np.float64)), cut(_weights())
    products = cut(x[:, :, np.newaxis] * weights)
    outputs: NDArray[np.float32] = (products.sum(axis=1) + BIAS).astype(np.float32)
    return outputs


def _prune(firmware: Path) -> None:
    """Remove the headers that this model does not use: each test copies the rest several times."""
    used, unread = set[Path](), list(firmware.glob("*.cpp"))
    while unread:
        path = unread.pop()
        used.add(path)
        for name in re.findall(r'#include "(.+)"', path.read_text(encoding="utf-8")):
            found = [place / name for place in (path.parent, firmware) if (place / name).exists()]
            unread += [each.resolve() for each in found if each.resolve() not in used]
    for header in (firmware / "nnet_utils").glob("*.h"):
        if header.resolve() not in used:
            header.unlink()


def _layers() -> list[dict[str, Any]]:
    return [
        {"name": "x", "class_name": "InputLayer", "input_shape": [4]},
        {
            "name": "dense",
            "class_name": "Dense",
            "inputs": ["x"],
            "n_in": 4,
            "n_out": 3,
            "weight_data": _weights(),
            "bias_data": np.full(3, BIAS),
        },
    ]


def _project(files: Path, x: NDArray[Any], y: NDArray[Any]) -> HlsProject:
    for name, array in (("X_test", x), ("y_test", y), ("y_framework", y), ("y_csim", y)):
        np.save(files / f"{name}.npy", array)
    element = FixedPoint(width=16, integer=6)
    return hls_project(
        input=Stream(shape=(4,), element=element),
        output=Stream(shape=(3,), element=element),
        samples=len(x),
        accuracy_framework=None,
        accuracy_csim=None,
    )


@dataclass
class Bench:
    """The replay tools and a toolchain that runs them.

    Attributes:
        home: where the toolchain works.
        path: of the scenario.
        store: of all entries.
        store_root: its directory.
        sleeps: what the toolchain would have slept, in seconds.
        news: of progress.
    """

    home: Path
    path: Path
    store: Store
    store_root: Path
    project: HlsProject
    sleeps: list[float] = field(default_factory=list)
    news: list[Progress] = field(default_factory=list)
    build: BuildSettings = field(default_factory=BuildSettings)
    limits: Limits = field(default_factory=Limits)
    hooks: Hooks | None = None
    licence_s: float = 3600.0

    def fail(self, *faults: str, times: int = -1, **machine: object) -> None:
        """Set what the tools do from now on; machine: fields of Scenario."""
        lines = [f"{name} = {json.dumps(value)}" for name, value in machine.items()]
        struck = ", ".join(f'{{name = "{name}", times = {times}}}' for name in faults)
        self.path.write_text("\n".join([*lines, f"faults = [{struck}]"]), encoding="utf-8")

    def strike(self, **fault: object) -> None:
        """Set the one fault of the tools from now on, field by field."""
        fields = ", ".join(f"{name} = {json.dumps(value)}" for name, value in fault.items())
        self.path.write_text(f"faults = [{{{fields}}}]", encoding="utf-8")

    @property
    def toolchain(self) -> Toolchain:
        runs = Supervision(
            hooks=self.hooks or Hooks(listener=self.news.append),
            patience=Patience(licence_s=self.licence_s, sleep=self.sleeps.append),
            limits=self.limits,
        )
        pair = BuildPrjTcl(self.build, runs), DesignTcl(runs)
        return Toolchain("vivado-hls", *pair, licensed=True)

    def synthesize(self) -> Synthesis:
        return building.synthesize(self.project, self.toolchain).get(self.store)

    def implement(self, synthesis: Synthesis) -> Implementation:
        return building.implement(synthesis, self.toolchain).get(self.store)

    def events(self, kind: str) -> list[dict[str, Any]]:
        """What the tools noted, of one kind."""
        journal = self.path.with_name(self.path.name + ".jsonl")
        lines = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
        return [event for event in map(json.loads, lines) if event["event"] == kind]

    def forget(self) -> None:
        """Drop the journal, and with it how often faults have struck."""
        self.path.with_name(self.path.name + ".jsonl").unlink(missing_ok=True)

    def runs(self, tool: str) -> int:
        """How often a tool was run for a build; its answers to preflight do not count."""
        scripts = ("build_prj.tcl", "implement.tcl", "resume.tcl")
        return sum(
            1
            for event in self.events("start")
            if event["tool"] == tool
            and any(Path(each).name in scripts for each in event["arguments"])
        )


def processes(bench: Bench) -> list[int]:
    """All that the tools of a bench have left running."""
    mark = str(bench.path).encode()
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in environment.read_bytes():
                found.append(int(environment.parent.name))
        except OSError:  # ended meanwhile, or another user's
            continue
    return found


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory, converted: Converted) -> Path:
    """A cache with the fabric image of the converted model, which needs its types no more then."""
    cache = tmp_path_factory.mktemp("compiled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(fabric.CACHE, str(cache))
        fabric.write_bit(cache / "any.bit", converted.files / "project", NAME, "xc7z020clg400-1")
    shutil.rmtree(converted.files / "project" / "firmware" / "ap_types")
    return cache


@pytest.fixture(scope="session")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, converted: Converted, compiled: Path
) -> Path:
    """A store with the converted model."""
    del compiled  # it is the first to use the model
    return store_with(tmp_path_factory.mktemp("prepared") / "store", converted)


def store_with(root: Path, converted: Converted) -> Path:
    """Make a store with a converted model."""

    def build(out: Path) -> HlsProject:
        shutil.copytree(converted.files, out, dirs_exist_ok=True)
        return converted.project

    Store(root).get_or_build(converted.project.entry, {}, HlsProject, build)
    return root


@pytest.fixture
def bench(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    converted: Converted,
    compiled: Path,
    prepared: Path,
) -> Bench:
    """A store with a converted model, and the replay tools; without a word, all goes well."""
    replay(monkeypatch, compiled)
    return make_bench(tmp_path, monkeypatch, converted.project, prepared)


def replay(patch: pytest.MonkeyPatch, compiled: Path) -> None:
    """Put the replay tools first on PATH, all of the machine's own set-up out of the way."""
    patch.setenv("PATH", f"{REPLAY}:/usr/bin:/bin")
    for name in ("XILINX_VIVADO", "OVERLAYFLOW_VIVADO_SETTINGS", "LD_PRELOAD"):
        patch.delenv(name, raising=False)
    # They start a hundred times: compiling them each time takes longer than what they do.
    patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    patch.setenv("OVERLAYFLOW_REPLAY_PYTHON", sys.executable)
    patch.setenv(fabric.CACHE, str(compiled))


def make_bench(
    directory: Path, patch: pytest.MonkeyPatch, project: HlsProject, store: Path
) -> Bench:
    """The replay tools in a directory, and a copy of a store."""
    path, root = directory / "scenario.toml", directory / "store"
    patch.setenv("OVERLAYFLOW_HOME", str(directory / "home"))
    patch.setenv(scenario.ENVIRONMENT, str(path))
    shutil.copytree(store, root, copy_function=os.link)
    bench = Bench(directory / "home", path, Store(root), root, project)
    bench.fail()
    return bench


@pytest.fixture(scope="session")
def synthesized_once(
    tmp_path_factory: pytest.TempPathFactory,
    converted: Converted,
    compiled: Path,
    prepared: Path,
) -> tuple[Path, Synthesis]:
    """A store with a good synthesis, and its record."""
    with pytest.MonkeyPatch.context() as patch:
        replay(patch, compiled)
        bench = make_bench(tmp_path_factory.mktemp("bench"), patch, converted.project, prepared)
        return bench.store_root, bench.synthesize()


@pytest.fixture
def synthesized(bench: Bench, synthesized_once: tuple[Path, Synthesis]) -> Synthesis:
    """A good synthesis, in the bench's store."""
    root, synthesis = synthesized_once
    entries = root / synthesis.entry.step
    shutil.copytree(entries, bench.store_root / entries.name, copy_function=os.link)
    return synthesis
