"""Runs the commands and shells of SSH sessions, each a process group that ends with its channel."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any

import asyncssh

from .processes import end_group

Process = asyncssh.SSHServerProcess[bytes]
Child = asyncio.subprocess.Process

_log = logging.getLogger(__name__)

# A board's sshd takes these from the client and no others.
_ACCEPTED = ("LANG", "LC_")
_CHUNK = 1 << 18
_HANGUP_GRACE_S = 2.0

# A session leader that opens a terminal gets it as its controlling one.
_ON_TERMINAL = ("/bin/sh", "-c", 'terminal=$0; exec <"$terminal" >"$terminal" 2>&1; exec "$@"')


class Sessions:
    """Runs the commands of all connections.

    Args:
        shell: runs command lines with `-c`, and interactive sessions.
        environment: of every process.
        home: working directory of every process.
    """

    def __init__(self, shell: str, environment: Mapping[str, str], home: str) -> None:
        self._shell = shell
        self._environment = environment
        self._home = home
        self._running: set[asyncio.Task[None]] = set()

    async def handle(self, process: Process) -> None:
        """Run what a client asked for: asyncssh's process factory."""
        task = asyncio.create_task(self._serve(process))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await task

    async def end(self) -> None:
        """Wait until no session has a process; the connections must be closed already."""
        if self._running:
            await asyncio.wait(self._running)

    async def _serve(self, process: Process) -> None:
        _log.info("%s: %s", process.get_extra_info("peername"), process.command or "shell")
        arguments = [self._shell, *(["-c", process.command] if process.command else [])]
        if process.term_type is None:
            child = await self._on_pipes(process, arguments)
            fed = asyncio.create_task(_feed(process, child))
        else:
            child = await self._on_terminal(process, arguments)
            fed = None
        closed = asyncio.create_task(process.wait_closed())
        exited = asyncio.create_task(_output_sent(process, child))
        await asyncio.wait({closed, exited}, return_when=asyncio.FIRST_COMPLETED)
        process.set_redirect_pid(None)
        if fed:
            fed.cancel()
        if closed.done():
            exited.cancel()
            await _hang_up(child)
        else:
            _report(process, child)
            await closed

    async def _on_pipes(self, process: Process, arguments: Sequence[str]) -> Child:
        from_stdout, stdout = os.pipe()
        from_stderr, stderr = os.pipe()
        try:
            child = await self._start(process, arguments, asyncio.subprocess.PIPE, stdout, stderr)
        finally:
            os.close(stdout)
            os.close(stderr)
        # Either output may end first: send end of file only after both.
        await process.redirect(stdout=from_stdout, stderr=from_stderr, send_eof=False)
        return child

    async def _on_terminal(self, process: Process, arguments: Sequence[str]) -> Child:
        controller, terminal = os.openpty()
        arguments = [*_ON_TERMINAL, os.ttyname(terminal), *arguments]
        try:
            child = await self._start(process, arguments, terminal, terminal, terminal)
        finally:
            os.close(terminal)
        # A negative pid means a process group.
        process.set_redirect_pid(-child.pid)
        await process.redirect(stdin=os.dup(controller), stdout=controller, send_eof=False)
        return child

    async def _start(
        self, process: Process, arguments: Sequence[str], stdin: int, stdout: int, stderr: int
    ) -> Child:
        environment = dict(self._environment)
        environment |= {k: v for k, v in process.env.items() if k.startswith(_ACCEPTED)}
        if process.term_type is not None:
            environment["TERM"] = process.term_type
        return await asyncio.create_subprocess_exec(
            *arguments,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=environment,
            cwd=self._home,
            start_new_session=True,
        )


async def _feed(process: Process, child: Child) -> None:
    """Pass the client's input and signals on.

    asyncssh's redirection ends the input within the pipe's own resume_writing(), upon which asyncio
    drops what is still buffered (CPython 3.11's _UnixWritePipeTransport).
    """
    stdin: Any = child.stdin
    while True:
        try:
            data = await process.stdin.read(_CHUNK)
        except asyncssh.BreakReceived:
            _signal(child, "INT")
        except asyncssh.SignalReceived as received:
            _signal(child, received.signal)
        else:
            if not data:
                break
            # The command may not read its input any more, which is no error.
            if not stdin.is_closing():
                stdin.write(data)
                with contextlib.suppress(ConnectionError):
                    await stdin.drain()
    stdin.close()


def _signal(child: Child, name: str) -> None:
    number = getattr(signal, f"SIG{name}", None)
    if number is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)


async def _output_sent(process: Process, child: Child) -> None:
    """Wait until the child has ended, its outputs are closed everywhere, and all is sent."""
    await child.wait()
    await process.stdout.drain()
    await process.stderr.drain()


def _report(process: Process, child: Child) -> None:
    status = child.returncode or 0
    if status >= 0:
        process.exit(status)
    else:
        process.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))


async def _hang_up(child: Child) -> None:
    """End what is left of the child's process group."""
    await asyncio.to_thread(end_group, child.pid, _HANGUP_GRACE_S, signal.SIGHUP)
    await child.wait()
