"""Packages of a stand-in design, and programs run on them as on a board."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import board
from board.codec import codec_of
from board.kinds import board_kinds
from board.twin.environment import board_environment
from tasks.hardware.bitfile import fabric_image, write_bit
from tasks.hardware.clocks import fabric_clock
from tasks.hardware.hwh_write import write_hwh
from tasks.packaging.archive import BOARD_MODULES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HERE = Path(__file__).parent
PROJECT = "echo"
SAMPLES = 450
STRICT = ("-W", "error::RuntimeWarning")  # numpy's; pynq itself warns of much else
FORMAT = {"width": 8, "integer": 4, "signed": True, "rounding": "RND", "saturation": "SAT"}


@dataclass(frozen=True)
class OnBoard:
    """A directory on the board, with what a package holds.

    Attributes:
        package: the directory; programs run in it.
        out: where the runner writes.
        environment: of programs on the board.
    """

    package: Path
    out: Path
    python: Path
    environment: Mapping[str, str]

    def say(self, script: str, **environment: str) -> Any:
        """Run a script; what it prints last is JSON."""
        done = subprocess.run(
            [self.python, *STRICT, "-c", script],
            cwd=self.package,
            env={**self.environment, **environment},
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return json.loads(done.stdout.splitlines()[-1])

    def start_runner(self, *options: str, **environment: str) -> subprocess.Popen[str]:
        """Start the runner; its stdin is open."""
        command = ["-m", "board.runner", "--out", str(self.out), "--run-id", "test", *options]
        return subprocess.Popen(
            [self.python, *STRICT, *command],
            cwd=self.package,
            env={**self.environment, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *options: str, **environment: str) -> tuple[int, dict[str, Any]]:
        """Run the runner to its end: its exit status and last event."""
        with self.start_runner("--repeats", "20", *options, **environment) as runner:
            assert runner.stdout is not None
            # Its stdin stays open: communicate() would close it, and with it the run.
            events = [json.loads(line) for line in runner.stdout]
            status = runner.wait(timeout=60)
        return status, events[-1]

    def results(self) -> dict[str, Any]:
        results: dict[str, Any] = json.loads((self.out / "results.json").read_text())
        return results

    def change_manifest(self, **fields: Any) -> None:
        path = self.package / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    def digest_files(self) -> None:
        """Make the manifest tell of the files as they are."""
        names = ("hls4ml_nn.bit", "hls4ml_nn.hwh", "X_test.npy", "y_csim.npy")
        twin = ("hls4ml_nn_twin.bit", "hls4ml_nn_twin.hwh")
        there = [name for name in (*names, *twin) if (self.package / name).exists()]
        contents = {name: (self.package / name).read_bytes() for name in there}
        self.change_manifest(
            files={
                name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
                for name, content in contents.items()
            }
        )


def pack(package: Path, archive: Path) -> Path:
    """Make the archive of a package's directory, its manifest listing the files as they are."""
    manifest = json.loads((package / "manifest.json").read_text())
    paths = sorted(path for path in package.rglob("*") if path.is_file())
    contents = {str(path.relative_to(package)): path.read_bytes() for path in paths}
    del contents["manifest.json"]
    manifest["files"] = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        for name, content in contents.items()
    }
    contents["manifest.json"] = json.dumps(manifest).encode()
    with tarfile.open(archive, "w:gz", compresslevel=0) as file:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return archive


def tensor(size: int, words: str) -> dict[str, Any]:
    # As the host's records are dumped: each has its own schema version.
    return {"schema_version": 1, "shape": [size], "element": {"schema_version": 1, **FORMAT}} | {
        "words": words
    }


@pytest.fixture(scope="session")
def echo_image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    compiler = shutil.which("gcc")
    assert compiler, "no gcc on the PATH"
    library = tmp_path_factory.mktemp("echo") / "echo.so"
    options = ["-O2", "-Wall", "-Wextra", "-shared", "-fPIC"]
    subprocess.run([compiler, *options, "-o", library, HERE / "echo.c"], check=True)
    return fabric_image(library.read_bytes())


@pytest.fixture
def make_package(
    tmp_path: Path, board_python: Path, echo_image: bytes
) -> Callable[[int, int, str], OnBoard]:
    def make(
        x_size: int,
        y_size: int,
        words: str,
        kind_name: str = "pynq-z2",
        python: Path = board_python,
    ) -> OnBoard:
        kind = board_kinds()[kind_name]
        system = kind.processing_system
        clock = fabric_clock(system, kind.fabric_clock_mhz)
        package = tmp_path / "package"
        (package / "board").mkdir(parents=True)
        for module in BOARD_MODULES:
            shutil.copy(Path(board.__file__).parent / module, package / "board")
        write_bit(package / "hls4ml_nn.bit", echo_image, design="design_1", part=kind.part)
        write_hwh(
            package / "hls4ml_nn.hwh",
            project_name=PROJECT,
            part=kind.part,
            system=system,
            clock=clock,
        )
        x, y = tensor(x_size, words), tensor(y_size, words)
        samples = np.random.default_rng(1).normal(scale=3, size=(SAMPLES, x_size))
        np.save(package / "X_test.npy", samples.astype(np.float32))
        codec = codec_of(x)
        given_back = codec.decode(codec.encode(samples.astype(np.float32)))
        np.save(package / "y_csim.npy", given_back[:, :y_size])
        facts = {"schema_version": 1, "project_name": PROJECT, "target": "twin"}
        facts |= {"part": kind.part, "board_kind": kind.name, "clock_mhz": clock.mhz}
        facts |= {"input": x, "output": y}
        (package / "manifest.json").write_text(json.dumps(facts))
        environment = board_environment(python, kind, tmp_path)
        shape = {"ECHO_WORDS": f"{codec.sample_bytes // 4},{codec_of(y).sample_bytes // 4}"}
        on_board = OnBoard(package, tmp_path / "out", python, {**environment, **shape})
        on_board.digest_files()
        return on_board

    return make


@pytest.fixture
def on_board(make_package: Callable[[int, int, str], OnBoard]) -> OnBoard:
    """Four float32 words in, two out."""
    return make_package(4, 2, "float32")


@pytest.fixture
def packed_on_board(make_package: Callable[[int, int, str], OnBoard]) -> OnBoard:
    """Five numbers of eight bits in two words in, three in one word out."""
    return make_package(5, 3, "packed")
