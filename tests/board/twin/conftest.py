"""A stand-in design, the board's Python, twins that end with the test."""

import base64
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest

from board.kinds import board_kinds
from board.twin import lifecycle
from board.twin.environment import board_environment
from board.twin.record import TwinRecord
from tasks.hardware.bitfile import fabric_image, write_bit

HERE = Path(__file__).parent
ROOT = HERE.parents[2]

BuildLibrary = Callable[[Path], bytes]
StartTwin = Callable[[str], TwinRecord]
Login = Callable[..., paramiko.SSHClient]


@pytest.fixture(scope="session")
def build_library(tmp_path_factory: pytest.TempPathFactory) -> BuildLibrary:
    compiler = shutil.which("g++")
    assert compiler, "no g++ on the PATH"

    def build(source: Path) -> bytes:
        library = tmp_path_factory.mktemp("library") / "library.so"
        options = ["-O2", "-Wall", "-Wextra", "-shared", "-fPIC"]
        subprocess.run([compiler, *options, "-o", library, source], check=True)
        return library.read_bytes()

    return build


@pytest.fixture(scope="session")
def standin(build_library: BuildLibrary) -> bytes:
    return build_library(HERE / "standin.cpp")


@pytest.fixture
def overlay(tmp_path: Path, standin: bytes) -> Path:
    """A directory with hls4ml_nn.bit and hls4ml_nn.hwh of the stand-in."""
    directory = tmp_path / "overlay"
    directory.mkdir()
    write_bit(
        directory / "hls4ml_nn.bit",
        fabric_image(standin),
        design="design_1_wrapper",
        part="xc7z020clg400-1",
    )
    (directory / "hls4ml_nn.hwh").write_bytes((HERE / "design.hwh").read_bytes())
    return directory


@pytest.fixture
def run_on_board(board_python: Path, overlay: Path) -> Callable[[str], str]:
    """Run a script with the board's Python in the overlay's directory, without SSH."""
    environment = board_environment(board_python, board_kinds()["pynq-z2"], overlay)

    def run(script: str) -> str:
        return subprocess.run(
            [board_python, "-W", "error::RuntimeWarning", "-c", script],
            cwd=overlay,
            env=dict(environment),
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    return run


@pytest.fixture
def start_twin(tmp_path: Path, board_python: Path) -> Iterator[StartTwin]:
    state = tmp_path / "twins"

    def start(name: str) -> TwinRecord:
        return lifecycle.start(state, name, python=board_python)

    yield start
    for name in lifecycle.names(state):
        lifecycle.stop(state, name)


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory, board_python: Path) -> Iterator[TwinRecord]:
    """One twin for a module's tests that do not end it."""
    state = tmp_path_factory.mktemp("twins")
    yield lifecycle.start(state, "shared", python=board_python, password="xilinx")
    lifecycle.stop(state, "shared")


@pytest.fixture
def login() -> Iterator[Login]:
    """Connect as a user does, with the host key of the record."""
    clients = []

    def connect(record: TwinRecord, **credentials: Any) -> paramiko.SSHClient:
        client = paramiko.SSHClient()
        clients.append(client)
        kind, encoded = record.host_key.split()[:2]
        key = paramiko.PKey.from_type_string(kind, base64.b64decode(encoded))
        client.get_host_keys().add(f"[{record.host}]:{record.port}", kind, key)
        options = credentials or {"key_filename": record.client_key}
        client.connect(
            record.host,
            record.port,
            username=options.pop("username", record.user),
            look_for_keys=False,
            allow_agent=False,
            **options,
        )
        return client

    yield connect
    for client in clients:
        client.close()
