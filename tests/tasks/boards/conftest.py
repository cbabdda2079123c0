"""Two real boards on loopback, OpenSSH's sshd and the twin; a link to them that can be cut."""

import contextlib
import hashlib
import io
import itertools
import json
import shutil
import socket
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from pydantic import SecretStr

from board.twin import lifecycle
from tasks.boards.address import BoardAddress
from tasks.boards.twins import address_of
from tasks.core import settings
from tests import openssh

PASSWORD = "xilinx"

MakePackage = Callable[..., tuple[Path, str]]
MakeLink = Callable[
    [BoardAddress], AbstractContextManager[tuple[BoardAddress, Callable[[bool], None]]]
]
CutAfter = Callable[[BoardAddress, int], AbstractContextManager[BoardAddress]]


def find_old_python() -> str | None:
    """The oldest Python that boards have, or the next one."""
    for name in ("python3.8", "python3.9", "python3.10"):
        path = shutil.which(name)
        if (
            path
            and subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0
        ):
            return path
    return None


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoardAddress]:
    """OpenSSH's server, run by the current user, for this user; python3 there is an old one."""
    program = openssh.program()
    if program is None:
        pytest.skip("OpenSSH's server is not installed: apt-get install openssh-server")
    directory = tmp_path_factory.mktemp("sshd")
    (directory / "bin").mkdir()
    if python := find_old_python():
        (directory / "bin/python3").symlink_to(python)
    with openssh.serve(program, directory) as address:
        yield address


@pytest.fixture(scope="session")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of the twin."""
    return tmp_path_factory.mktemp("twins")


@pytest.fixture(scope="session")
def twin(twins: Path) -> Iterator[BoardAddress]:
    record = lifecycle.start(twins, "remote", python=settings.board_python(), password=PASSWORD)
    yield address_of(record).model_copy(update={"password": SecretStr(PASSWORD)})
    lifecycle.stop(twins, "remote")


@pytest.fixture(params=["sshd", "twin"])
def board(request: pytest.FixtureRequest, tmp_path: Path) -> BoardAddress:
    """A board whose directory is new, and unpleasantly named."""
    address: BoardAddress = request.getfixturevalue(request.param)
    return address.model_copy(update={"directory": str(tmp_path / "on board; rm -rf $HOME '")})


@pytest.fixture
def some_board(twin: BoardAddress, tmp_path: Path) -> BoardAddress:
    """For what does not depend on the SSH server."""
    return twin.model_copy(update={"directory": str(tmp_path / "on board")})


@pytest.fixture
def make_package(tmp_path: Path) -> MakePackage:
    """Packages as the store holds them: path and digest."""

    def make(
        size: int = 1000, *, seed: int = 0, claimed: str | None = None, extra: str | None = None
    ) -> tuple[Path, str]:
        content = {"data.bin": hashlib.shake_128(bytes([seed])).digest(size), "board/run.py": b"1"}
        files = {
            name: {"sha256": claimed or hashlib.sha256(data).hexdigest(), "size": len(data)}
            for name, data in content.items()
        }
        content["manifest.json"] = json.dumps({"files": files}).encode()
        if extra is not None:
            content[extra] = b"not in the manifest"
        path = tmp_path / f"package{seed}.tar.gz"
        with tarfile.open(path, "w:gz", compresslevel=0) as archive:
            for name, data in content.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        return path, hashlib.sha256(path.read_bytes()).hexdigest()

    return make


@pytest.fixture
def make_link() -> MakeLink:
    """Links to a board through which everything goes until they are cut.

    The second thing yielded cuts what is connected; with False the board does not notice. New
    connections go through.
    """

    @contextlib.contextmanager
    def link(board: BoardAddress) -> Iterator[tuple[BoardAddress, Callable[[bool], None]]]:
        with contextlib.closing(Link(board, None)) as made:
            yield made.address, made.cut

    return link


@pytest.fixture
def cut_after() -> CutAfter:
    """Links to a board that break when so many bytes have gone to the board."""

    @contextlib.contextmanager
    def link(board: BoardAddress, budget: int) -> Iterator[BoardAddress]:
        with contextlib.closing(Link(board, budget)) as made:
            yield made.address

    return link


class Link:
    """A TCP proxy before a board.

    Args:
        board: where it leads.
        budget: bytes after which a connection breaks.

    Attributes:
        down: whether it takes no new connection.
    """

    def __init__(self, board: BoardAddress, budget: int | None) -> None:
        self._board = board
        self._budget = budget
        self.down = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: list[tuple[socket.socket, socket.socket]] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        self.address = board.model_copy(update={"port": self._listener.getsockname()[1]})

    @property
    def connections(self) -> int:
        """How many there have been."""
        return len(self._ends)

    def cut(self, board_notices: bool) -> None:
        for client, server in self._ends:
            for end in (client, server) if board_notices else (client,):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        self.cut(True)
        for thread in self._threads[1:]:
            thread.join()
        for end in itertools.chain.from_iterable(self._ends):
            end.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.down:
                    client.close()
                    continue
                server = socket.create_connection((self._board.host, self._board.port))
                self._ends.append((client, server))
                for target, *arguments in (
                    (self._send, client, server),
                    (self._receive, client, server),
                ):
                    thread = threading.Thread(target=target, args=arguments)
                    self._threads.append(thread)
                    thread.start()

    def _send(self, client: socket.socket, server: socket.socket) -> None:
        left = self._budget
        with contextlib.suppress(OSError):
            while data := client.recv(16384 if left is None else min(16384, left)):
                server.sendall(data)
                left = None if left is None else left - len(data)
            if left == 0:
                self.cut(True)

    @staticmethod
    def _receive(client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(16384):
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)
