"""Four boards served side by side, as a ratio to one alone.

    python -m bench.boards

A board's own time is that of its link here, which is slow: all four twins share this machine's
processors, which four real boards would not.
"""

import os
import tarfile
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from io import BytesIO
from json import dumps
from pathlib import Path

from board.twin import faults, lifecycle
from tasks import settings
from tasks.boards import address_of
from tasks.remote import transfer
from tasks.remote.address import BoardAddress
from tasks.remote.lease import lease
from tasks.remote.ssh import connect

BOARDS = 4
BUDGET = 1.3
RATE = 1_000_000
SECONDS = 5


def measure() -> float:
    """Time to bring a package each to four boards, over the time for one."""
    with tempfile.TemporaryDirectory(prefix="overlayflow-bench-") as directory:
        state = Path(directory)
        names = [f"board{number}" for number in range(BOARDS)]
        addresses = [_start(state, name) for name in names]
        try:
            one = _serve(addresses[:1], _package(state / "one.tar.gz"))
            four = _serve(addresses, _package(state / "four.tar.gz"))
        finally:
            for name in names:
                lifecycle.stop(state, name)
    return four / one


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
    """Lease and deploy to all boards at once; seconds until the last one has the package."""
    digest = sha256(package.read_bytes()).hexdigest()

    def deploy(address: BoardAddress) -> None:
        with lease([address], "bench", duration_s=300), connect(address) as connection:
            transfer.deploy(connection, package, digest)

    started = time.monotonic()
    with ThreadPoolExecutor(len(addresses)) as pool:
        list(pool.map(deploy, addresses))
    return time.monotonic() - started


if __name__ == "__main__":
    print(f"four boards over one: {measure():.2f} (budget {BUDGET})")
