"""Four boards on a separate network, whose links are cut, delayed and dropped.

With root every twin is in a network namespace, with an address and a link; without, on a loopback
port behind a proxy.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from board.twin import lifecycle
from board.twin.record import TwinDirectory
from tasks.boards import lease as leases
from tasks.boards import ssh, transfer
from tasks.boards.lease import lease
from tasks.boards.ssh import connect
from tasks.boards.twins import address_of
from tasks.core.errors import BoardUnreachableError
from tests.board.conftest import pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tasks.boards.address import BoardAddress

ROOT = Path(__file__).parents[2]
BOARDS = 4
START = (
    "import sys; from pathlib import Path; from board.twin.lifecycle import start;"
    "start(Path(sys.argv[1]), sys.argv[2], python=Path(sys.argv[3]), host=sys.argv[4])"
)


class Network(Protocol):
    """Boards, and the links to them."""

    addresses: list[BoardAddress]

    def cut(self, board: int) -> None:
        """Carry nothing over a link from now on."""

    def join(self, board: int) -> None:
        """Undo `cut`."""

    def slow(self, board: int) -> None:
        """Let a link take its time."""

    def close(self) -> None:
        """Stop the boards and remove the links."""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


class Namespaces:
    """A twin in each of some network namespaces, as boards on a wire each."""

    def __init__(self, state: Path, python: Path) -> None:
        self._names = [f"oflow{os.getpid()}-{number}" for number in range(BOARDS)]
        self._state = state
        self.addresses: list[BoardAddress] = []
        for number, name in enumerate(self._names):
            # The range that is set apart for tests of networks (RFC 2544).
            wire = f"198.18.{(BOARDS * os.getpid() + number) % 256}"
            ours, theirs = f"of{os.getpid() % 100000}h{number}", f"{wire}.2"
            ip("netns", "add", name)
            ip("link", "add", ours, "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("addr", "add", f"{wire}.1/24", "dev", ours)
            ip("link", "set", ours, "up")
            ip("-n", name, "addr", "add", f"{theirs}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            inside = ["ip", "netns", "exec", name, sys.executable]
            arguments = [str(state), f"board{number}", str(python), theirs]
            subprocess.run([*inside, "-c", START, *arguments], cwd=ROOT, check=True)
            record = TwinDirectory(state / f"board{number}").running()
            assert record is not None
            self.addresses.append(address_of(record))

    def cut(self, board: int) -> None:
        ip("-n", self._names[board], "link", "set", "eth0", "down")

    def join(self, board: int) -> None:
        ip("-n", self._names[board], "link", "set", "eth0", "up")

    def slow(self, board: int) -> None:
        # A token bucket that queues: not every kernel has netem, which would delay packets.
        queue = ("root", "tbf", "rate", "4mbit", "burst", "3000", "latency", "2s")
        command = ["ip", "netns", "exec", self._names[board], "tc", "qdisc", "replace"]
        subprocess.run([*command, "dev", "eth0", *queue], check=True)

    def close(self) -> None:
        for number, name in enumerate(self._names):
            lifecycle.stop(self._state, f"board{number}")
            ip("netns", "del", name)  # and the link with it


class Loopback:
    """Twins on loopback ports, behind a proxy each: without root."""

    def __init__(self, state: Path, python: Path) -> None:
        self._state = state
        self._proxies = []
        self.addresses: list[BoardAddress] = []
        for number in range(BOARDS):
            record = lifecycle.start(state, f"board{number}", python=python)
            self._proxies.append(Proxy(record.port))
            through = {"port": self._proxies[-1].port}
            self.addresses.append(address_of(record).model_copy(update=through))

    def cut(self, board: int) -> None:
        self._proxies[board].cut()

    def join(self, board: int) -> None:
        self._proxies[board].listen()

    def slow(self, board: int) -> None:
        self._proxies[board].pause_s = 0.02

    def close(self) -> None:
        for number, proxy in enumerate(self._proxies):
            proxy.cut()
            lifecycle.stop(self._state, f"board{number}")


class Proxy:
    """Passes TCP connections on to a port of this machine.

    Attributes:
        port: that it listens on.
        pause_s: before each piece of at most 16 KiB.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self.pause_s = 0.0
        self._target = target
        self.listen()

    def listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        self._ends: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, args=(self._listener,))
        self._thread.start()

    def cut(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                board = socket.create_connection(("127.0.0.1", self._target))
                self._ends += [client, board]
                for ways in ((client, board), (board, client)):
                    threading.Thread(target=self._carry, args=ways, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(16384):
                time.sleep(self.pause_s)
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)


@pytest.fixture(
    scope="module",
    params=[pytest.param(Namespaces, marks=pytest.mark.slow), Loopback],
    ids=["namespaces", "loopback"],
)
def network(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, board_python: Path
) -> Iterator[Network]:
    if request.param is Namespaces and (os.geteuid() != 0 or shutil.which("ip") is None):
        pytest.skip("network namespaces need root and iproute2")
    made: Network = request.param(tmp_path_factory.mktemp("twins"), board_python)
    yield made
    made.close()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A package that takes a moment to send."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "data.bin").write_bytes(os.urandom(2_000_000))
    (package / "manifest.json").write_text("{}")
    return pack(package, tmp_path / "package.tar.gz")


def deploy(
    address: BoardAddress, archive: Path, on_progress: Callable[[int, int], None] | None = None
) -> int:
    """Bring a package to a board, under a lease; how many bytes went over the network."""
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    with lease([address], "test", duration_s=300), connect(address, timeout_s=30) as connection:
        return transfer.deploy(connection, archive, digest, on_progress=on_progress).sent_bytes


def test_four_boards_are_served_side_by_side(network: Network, archive: Path) -> None:
    with ThreadPoolExecutor() as pool:
        sent = list(pool.map(lambda address: deploy(address, archive), network.addresses))
    assert sent == [archive.stat().st_size] * BOARDS
    assert len({address.host_key for address in network.addresses}) == BOARDS


def test_a_link_that_is_cut_fails_its_board_only_until_it_is_joined(
    network: Network, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "_SILENCE_S", 3)
    monkeypatch.setattr(leases, "_BEAT_S", 0.5)
    monkeypatch.setattr(leases, "SILENCE_S", 3)
    cut = threading.Event()

    def cut_once(_done: int, _total: int) -> None:
        if not cut.is_set():
            cut.set()
            network.cut(0)

    with pytest.raises(BoardUnreachableError) as raised:
        deploy(network.addresses[0], archive, cut_once)
    assert raised.value.transient
    assert all(deploy(address, archive) for address in network.addresses[1:])
    network.join(0)
    # The board may not have noticed yet: it keeps the lease of a host that is silent for a while.
    with lease(network.addresses[:1], "again", duration_s=60, wait_s=120):
        pass
    assert deploy(network.addresses[0], archive)


def test_a_slow_link_only_takes_longer(network: Network, archive: Path) -> None:
    network.slow(1)
    assert deploy(network.addresses[1], archive) == archive.stat().st_size
