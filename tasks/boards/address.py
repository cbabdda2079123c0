"""Addresses of boards: host, login, and the pinned host key."""

import base64
import binascii
import hashlib
import shlex
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr

from board.kinds import board_kinds
from tasks.core.records.base import Record, Target

NAME = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"


class HostKey(Record):
    """A public host key.

    Attributes:
        algorithm: SSH's name for it, e.g. `ssh-ed25519`.
        blob: the key in base64, as in a .pub file.
    """

    algorithm: str
    blob: str

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read a line of a .pub file; drop the comment after the key.

        Raises:
            ValueError: the line is not a public key.
        """
        algorithm, blob, *_ = [*line.split(), "", ""]
        try:
            raw = base64.b64decode(blob, validate=True)
        except binascii.Error:
            raw = b""
        # The blob begins with its length-prefixed algorithm name.
        if not blob or not raw.startswith(len(algorithm).to_bytes(4) + algorithm.encode()):
            raise ValueError("not a public key; it looks like 'ssh-ed25519 AAAA...'")
        return cls(algorithm=algorithm, blob=blob)

    @property
    def line(self) -> str:
        """The key as in a .pub file, without comment."""
        return f"{self.algorithm} {self.blob}"

    @property
    def fingerprint(self) -> str:
        """`SHA256:...`, as ssh-keygen -l prints it."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def _canonical_line(line: str) -> str:
    return HostKey.parse(line).line


def _known_kind(name: str) -> str:
    if name not in board_kinds():
        raise ValueError(f"{name!r} is not a board kind; use one of {', '.join(board_kinds())}")
    return name


def _bare(host: str) -> str:
    """Return a host without the brackets that users write around IPv6 addresses."""
    bare = host.strip().removeprefix("[").removesuffix("]")
    if not bare or any(letter.isspace() for letter in bare) or "@" in bare:
        raise ValueError(f"{host!r} is not a host name or address; the user has a separate field")
    return bare


PublicKey = Annotated[str, AfterValidator(_canonical_line)]
KindName = Annotated[
    str, AfterValidator(_known_kind), Field(json_schema_extra={"enum": [*board_kinds()]})
]
Host = Annotated[str, AfterValidator(_bare)]
Port = Annotated[int, Field(ge=1, le=65535)]


class SshHost(Record):
    """A machine that is reached over SSH.

    Attributes:
        host_key: the pinned public key, `ssh-ed25519 AAAA...`; None until it is pinned.
        key_file: a private key without passphrase; one with a passphrase belongs in the agent.
        use_agent: whether to try the keys of the user's SSH agent.
        password: for logging in if no key is accepted, and for sudo.
    """

    host: Host
    port: Port = 22
    user: str = "xilinx"
    host_key: PublicKey | None = None
    key_file: Path | None = None
    use_agent: bool = False
    password: SecretStr | None = None

    @property
    def label(self) -> str:
        """Its name in messages."""
        return f"{self.user}@{self.host}:{self.port}"

    @property
    def pinning(self) -> str:
        """The command that pins its host key."""
        return "overlayflow boards add ... --jump"


class BoardAddress(SshHost):
    """One board.

    Attributes:
        name: chosen by the user.
        kind: an entry of board/kinds.toml.
        directory: overlayflow's on the board, absolute or relative to the user's home.
        tags: words to select boards by.
        meter: a command on the machine that runs flows, which prints the board's power in W, one
            value per line; see tasks/boards/meter.py.
        jump: the SSH jump host, if the board cannot be reached directly.
        target: target of the packages that the board runs; None if not yet known.
    """

    name: str = Field(pattern=NAME)
    kind: KindName
    directory: str = "overlayflow"
    tags: tuple[str, ...] = ()
    meter: tuple[str, ...] = ()
    jump: SshHost | None = None
    target: Target | None = None

    @property
    def label(self) -> str:
        """The board's name in messages."""
        return f"board {self.name} ({super().label})"

    @property
    def pinning(self) -> str:
        """The command that pins its host key."""
        return (
            f"overlayflow boards add {shlex.quote(self.name)} --kind {shlex.quote(self.kind)} "
            f"--host {shlex.quote(self.host)} --port {self.port}"
        )
