"""Where a board is, who logs in, and which host key proves that it is that board."""

import base64
import binascii
import hashlib
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr

from tasks.records import Record


class HostKey(Record):
    """A public host key.

    Attributes:
        algorithm: as SSH names it, e.g. `ssh-ed25519`.
        blob: the key in base64, as in a .pub file.
    """

    algorithm: str
    blob: str

    @classmethod
    def parse(cls, line: str) -> Self:
        """Reads a line of a .pub file; a comment after the key is dropped.

        Raises:
            ValueError: the line is no public key.
        """
        algorithm, blob, *_ = [*line.split(), "", ""]
        try:
            raw = base64.b64decode(blob, validate=True)
        except binascii.Error:
            raw = b""
        # The blob begins with its own length-prefixed algorithm name.
        if not blob or not raw.startswith(len(algorithm).to_bytes(4) + algorithm.encode()):
            raise ValueError("not a public key; it looks like 'ssh-ed25519 AAAA...'")
        return cls(algorithm=algorithm, blob=blob)

    @property
    def line(self) -> str:
        """The key as in a .pub file, without a comment."""
        return f"{self.algorithm} {self.blob}"

    @property
    def fingerprint(self) -> str:
        """`SHA256:...`, as ssh-keygen -l prints it."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def _canonical_line(line: str) -> str:
    return HostKey.parse(line).line


class BoardAddress(Record):
    """One board, as SSH reaches it.

    Attributes:
        name: what people call it.
        kind: an entry of board/kinds.toml.
        host_key: the pinned public key, `ssh-ed25519 AAAA...`; None until the board is pinned.
        key_file: a private key without a passphrase; one with a passphrase belongs in the agent.
        use_agent: whether the keys of the user's SSH agent are tried.
        password: for the login, where no key is accepted, and for sudo.
        directory: of overlayflow on the board, absolute or relative to the user's home.
    """

    name: str
    kind: str
    host: str
    port: int = Field(default=22, ge=1, le=65535)
    user: str = "xilinx"
    host_key: Annotated[str, AfterValidator(_canonical_line)] | None = None
    key_file: Path | None = None
    use_agent: bool = False
    password: SecretStr | None = None
    directory: str = "overlayflow"

    @property
    def label(self) -> str:
        """How messages name the board."""
        return f"board {self.name} ({self.user}@{self.host}:{self.port})"
