"""Compare the transfer of a 64 MB file with OpenSSH's scp to the same server.

    python -m bench.transfer

The servers are the twin and, if it is installed, OpenSSH's sshd. Each time covers connection, login
and transfer; rounds of both programs alternate, and the fastest of each counts.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from board.twin import lifecycle
from tasks.boards.address import BoardAddress
from tasks.boards.ssh import connect
from tasks.boards.transfer import send
from tasks.boards.twins import address_of
from tasks.core import settings
from tests import openssh

SIZE = 64_000_000
ROUNDS = 5
BUDGET = 0.8


@dataclass(frozen=True)
class Figure:
    """Throughput to a server, in bytes per second."""

    server: str
    ours: float
    scp: float

    @property
    def ratio(self) -> float:
        """Our throughput over scp's; above 1 if ours is faster."""
        return self.ours / self.scp


def measure() -> list[Figure]:
    """Measure one figure for each available server."""
    with tempfile.TemporaryDirectory(prefix="overlayflow-bench-") as name:
        directory = Path(name)
        source = directory / "64MB"
        source.write_bytes(os.urandom(SIZE))
        figures = []
        for server in (twin, sshd):
            with server(directory) as board:
                if board is not None:
                    figures.append(_against_scp(board, source, directory))
        return figures


@contextlib.contextmanager
def twin(directory: Path) -> Iterator[BoardAddress | None]:
    """Run a separate twin."""
    record = lifecycle.start(directory / "twins", "twin", python=settings.board_python())
    yield address_of(record)
    lifecycle.stop(directory / "twins", "twin")


@contextlib.contextmanager
def sshd(directory: Path) -> Iterator[BoardAddress | None]:
    """Run OpenSSH's server for the current user; yield None if it is not installed."""
    program = openssh.program()
    if program is None:
        yield None
        return
    with openssh.serve(program, directory) as board:
        yield board


def _against_scp(board: BoardAddress, source: Path, directory: Path) -> Figure:
    target = directory / "arrived"
    seconds: dict[Callable[[BoardAddress, Path, Path], None], list[float]] = {_ours: [], _scp: []}
    for _ in range(ROUNDS):
        for way, taken in seconds.items():
            start = time.perf_counter()
            way(board, source, target)
            taken.append(time.perf_counter() - start)
            if target.stat().st_size != SIZE:
                raise RuntimeError(f"{board.name}: {way.__name__} did not transfer the whole file")
            target.unlink()
    return Figure(board.name, SIZE / min(seconds[_ours]), SIZE / min(seconds[_scp]))


def _ours(board: BoardAddress, source: Path, target: Path) -> None:
    with connect(board) as connection:
        send(connection, source, str(target))


def _scp(board: BoardAddress, source: Path, target: Path) -> None:
    known = target.with_name("known_hosts")
    known.write_text(f"[{board.host}]:{board.port} {board.host_key}\n", encoding="utf-8")
    options = ["-q", "-B", "-F", "none", "-i", str(board.key_file), "-P", str(board.port)]
    options += ["-o", f"UserKnownHostsFile={known}"]
    # Ignore the exit status: it is 1 if a server ends SFTP without a status.
    subprocess.run(
        ["scp", *options, str(source), f"{board.user}@{board.host}:{target}"], check=False
    )


def main() -> int:
    """Print the figures with their budget."""
    figures = measure()
    for figure in figures:
        print(
            f"{figure.server:6} {figure.ours / 1e6:6.0f} MB/s, scp {figure.scp / 1e6:6.0f} MB/s: "
            f"ratio {figure.ratio:.2f} (budget {BUDGET})"
        )
    return int(any(figure.ratio < BUDGET for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
