"""The replayed bitstream: hls4ml's C model as a fabric image, which the twin runs."""

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from tasks.hardware import bitfile

HERE = Path(__file__).resolve().parent
CACHE = "OVERLAYFLOW_REPLAY_CACHE"
DESIGN = "design_1_wrapper_replay"


def write_bit(path: Path, project: Path, name: str, part: str) -> None:
    """Write the .bit of a project.

    Args:
        path: of the .bit.
        project: directory of the hls4ml project.
        name: of the project.
        part: full name.
    """
    image = bitfile.fabric_image(_library(project, name))
    bitfile.write_bit(path, image, design=DESIGN, part=part)


def write_configuration(path: Path, part: str) -> None:
    """Write a .bit that passes for one of real hardware, and configures nothing."""
    data = b"\xff" * 64 + bytes.fromhex("aa995566") + b"replay: this configures nothing\0"
    bitfile.write_bit(path, data, design=DESIGN, part=part)


def _library(project: Path, name: str) -> bytes:
    """Compile the firmware; with a cache directory in the environment, once."""
    sources = {
        path.relative_to(project): path.read_text(encoding="utf-8")
        for path in sorted((project / "firmware").rglob("*"))
        if path.suffix in {".h", ".cpp"} and "ap_types" not in path.parts
    }
    digest = hashlib.sha256(repr(sorted(sources.items())).encode()).hexdigest()
    cached = Path(os.environ.get(CACHE, os.devnull)) / f"{digest}.so"
    if cached.exists():
        return cached.read_bytes()
    with tempfile.TemporaryDirectory(prefix="replay-") as scratch:
        work = Path(scratch)
        for relative, text in sources.items():
            (work / relative).parent.mkdir(parents=True, exist_ok=True)
            # Weights as constants: the text files that the C simulation reads stay behind.
            own = (
                text if "nnet_utils" in relative.parts else text.replace("__SYNTHESIS__", "REPLAY")
            )
            (work / relative).write_text(own, encoding="utf-8")
        types = (project / "firmware" / "ap_types").resolve()
        command: list[str | Path] = [
            *("g++", "-std=c++17", "-O1", "-w", "-shared", "-fPIC", "-fno-gnu-unique", "-DREPLAY"),
            *(
                "-static-libstdc++",
                "-static-libgcc",
                f"-I{types}",
                "-include",
                f"firmware/{name}_axi.h",
            ),
            *(f"-DTOP={name}_axi", "-o", "fabric.so", HERE / "fabric.cpp"),
            *(f"firmware/{name}.cpp", f"firmware/{name}_axi.cpp"),
        ]
        subprocess.run(command, cwd=work, check=True)
        library = (work / "fabric.so").read_bytes()
    if CACHE in os.environ:
        cached.write_bytes(library)
    return library
