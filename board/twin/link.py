"""Emulates the network between a twin and its users: normal, slow, or breaking."""

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from .faults import DROP_LINK, SLOW_LINK, value_of

Serve = Callable[[socket.socket], Awaitable[None]]

_log = logging.getLogger(__name__)

_CHUNK = 1 << 16
_SLICE_S = 0.05
# Larger kernel buffers would take a whole package before the sender notices a slow link.
_BUFFER = 1 << 14
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close at once, with a reset


class Links:
    """Accepts connections and passes them on, through a faulty link if a fault is set.

    Args:
        faults: directory of the twin's faults.
        serve: serves a connected socket until it is done.
    """

    def __init__(self, faults: Path, serve: Serve) -> None:
        self._faults = faults
        self._serve = serve
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self, listener: socket.socket) -> None:
        """Accept until cancelled; then close the listener and connections not yet logged in."""
        listener.setblocking(False)
        try:
            while True:
                client, _ = await asyncio.get_running_loop().sock_accept(listener)
                client.setblocking(False)
                self._run(self._serve(self._behind_faults(client)))
        finally:
            listener.close()
            for task in self._tasks:
                task.cancel()

    def _behind_faults(self, client: socket.socket) -> socket.socket:
        rate, budget = (value_of(self._faults, kind) for kind in (SLOW_LINK, DROP_LINK))
        if rate is None and budget is None:
            return client
        near, far = socket.socketpair()
        far.setblocking(False)
        for sock in (client, near, far):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        pipe = _Pipe(client, far, int(rate, 0) if rate else 0, int(budget, 0) if budget else None)
        self._run(pipe.carry())
        return near

    def _run(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@dataclass
class _Pipe:
    """A link that carries bytes both ways.

    Attributes:
        client: the user's side.
        board: the twin's side.
        rate: bytes per second each way; 0 for any.
        budget: bytes to the board after which the link breaks; None for never.
    """

    client: socket.socket
    board: socket.socket
    rate: int
    budget: int | None

    async def carry(self) -> None:
        """Carry bytes until either side ends or the link breaks."""
        ways = [
            asyncio.ensure_future(self._pump(self.client, self.board, self.budget)),
            asyncio.ensure_future(self._pump(self.board, self.client, None)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            self.client.close()
            self.board.close()

    async def _pump(self, source: socket.socket, target: socket.socket, budget: int | None) -> None:
        """Carry bytes one way until the source ends or the budget is used up."""
        loop = asyncio.get_running_loop()
        chunk = max(1, min(_CHUNK, int(self.rate * _SLICE_S))) if self.rate else _CHUNK
        left = budget
        with contextlib.suppress(OSError):
            while data := await loop.sock_recv(source, chunk if left is None else min(chunk, left)):
                await loop.sock_sendall(target, data)
                if self.rate:
                    await asyncio.sleep(len(data) / self.rate)
                left = None if left is None else left - len(data)
                if left == 0:
                    _log.info("the link breaks after %d bytes", budget)
                    source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    return
