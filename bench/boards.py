"""Compare serving four boards in parallel with serving one; time a lease and a repeated transfer.

    python -m bench.boards

A board's time here is that of its slow link and of a program that only waits. A simulated design
would say nothing about four boards, because all four twins share this machine's processors.
"""

import os
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from io import BytesIO
from json import dumps
from pathlib import Path

from bench.figures import Figure
from board.twin import faults, lifecycle
from tasks.boards import program, transfer
from tasks.boards.address import BoardAddress
from tasks.boards.lease import lease
from tasks.boards.ssh import connect
from tasks.boards.twins import address_of
from tasks.core import settings

BOARDS = 4
RATE = 1_000_000
SECONDS = 5
ROUNDS = 5


def measure() -> list[Figure]:
    """Measure the time for four boards over that for one, for a lease and a repeated transfer."""
    with tempfile.TemporaryDirectory(prefix="overlayflow-bench-") as directory:
        state = Path(directory)
        names = [f"board{number}" for number in range(BOARDS)]
        addresses = [_start(state, name) for name in names]
        try:
            one = _serve(addresses[:1], _package(state / "one.tar.gz"))
            package = _package(state / "four.tar.gz")
            four = _serve(addresses, package)
            faults.clear_faults(state, names[0])
            leased_s = min(_timed(lambda: _lease(addresses[0])) for _ in range(ROUNDS))
            again_s = min(_timed(lambda: _deploy(addresses[0], package)) for _ in range(ROUNDS))
        finally:
            for name in names:
                lifecycle.stop(state, name)
    return [
        Figure(name="four boards in parallel over one", value=four / one, unit="", budget=1.3),
        Figure(name="lease and release of a board", value=leased_s, unit="s", budget=0.2),
        Figure(name="transfer of a package that the board has", value=again_s, unit="s", budget=1),
    ]


def _start(state: Path, name: str) -> BoardAddress:
    record = lifecycle.start(state, name, python=settings.board_python())
    faults.set_fault(state, name, faults.SLOW_LINK, str(RATE))
    return address_of(record)


def _package(path: Path) -> Path:
    data = os.urandom(RATE * SECONDS)
    files = {"data.bin": {"sha256": sha256(data).hexdigest(), "size": len(data)}}
    with tarfile.open(path, "w:gz", compresslevel=0) as archive:
        contents = {"manifest.json": dumps({"files": files}).encode(), "data.bin": data}
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, BytesIO(content))
    return path


def _serve(addresses: Sequence[BoardAddress], package: Path) -> float:
    """Lease, deploy and run on all boards in parallel; return seconds until all have finished."""

    def serve(address: BoardAddress) -> None:
        with lease([address], "bench", duration_s=300):
            deployed = _deploy(address, package)
            wait = program.Program(argv=("sleep", str(SECONDS)), directory=deployed.directory)
            with connect(address) as connection:
                program.run(connection, wait, deadline_s=60, on_line=print)

    with ThreadPoolExecutor(len(addresses)) as pool:
        return _timed(lambda: list(pool.map(serve, addresses)))


def _deploy(address: BoardAddress, package: Path) -> transfer.Deployed:
    digest = sha256(package.read_bytes()).hexdigest()
    with connect(address) as connection:
        return transfer.deploy(connection, package, digest)


def _lease(address: BoardAddress) -> None:
    with lease([address], "bench", duration_s=300):
        pass


def _timed(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


if __name__ == "__main__":
    for figure in measure():
        print(figure)
