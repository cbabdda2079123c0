"""Conversions by every front end: from a file to a core that is bit-exact with the C simulation."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tasks.core.records.design import HlsProject
from tasks.core.records.settings import ConvertSettings
from tasks.core.settings import frontend_packages
from tasks.steps import building
from tasks.store.store import Store
from tasks.toolchains.choice import choose

HERE = Path(__file__).parent


def made(name: str, directory: Path) -> Path:
    """Return the directory in which a script of this folder has saved its models."""
    environment = name.removeprefix("make_").removesuffix(".py")
    packages = frontend_packages(environment)
    if not packages.is_dir():
        pytest.skip(f"make env-{environment} installs what this needs")
    command = [sys.executable, str(HERE / name), str(directory)]
    env = os.environ | {"PYTHONPATH": str(packages), "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run(command, env=env, check=True, capture_output=True)
    return directory


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(str(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="session")
def traced(store: Store) -> Callable[..., HlsProject]:
    """Return the project of a model, whose core computes the C simulation's outputs to the bit."""

    def build(model: Path, precision: str = "auto") -> HlsProject:
        settings = ConvertSettings(project_name="traced", precision=precision)
        project = building.convert(model, None, settings).get(store)
        building.synthesize(project, choose("open")).get(store)  # an error where bits differ
        golden = np.load(store.files(project.entry) / "y_framework.npy")
        assert golden.shape == (100, *project.output.shape)
        assert np.ptp(golden) > 0  # a model that always says the same would prove nothing
        return project

    return build
