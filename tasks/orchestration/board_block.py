"""Boards as Prefect blocks, and look-up by name: of a twin on this machine, or of a block."""

import contextlib
import logging
import shlex
from collections.abc import Sequence
from http.client import NOT_FOUND
from pathlib import Path
from typing import Any, ClassVar, Self

from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from pydantic import Field, SecretStr, ValidationError

from tasks.boards import twins
from tasks.boards.address import BoardAddress, Host, KindName, Port, PublicKey, SshHost
from tasks.boards.requirement import Requirement, takes
from tasks.core.errors import BoardError, BoardUnreachableError, InputError, near
from tasks.core.records.base import mistakes
from tasks.core.records.package import Manifest

log = logging.getLogger(__name__)

QUEUE_PREFIX = "board-"
_JUMP = ("host", "port", "user", "host_key")  # a jump host's own fields


class Board(Block):
    """A board reached by SSH; created by `overlayflow boards add`, which pins its host key."""

    _block_type_name: ClassVar[str] = "overlayflow board"
    _block_type_slug: ClassVar[str] = "overlayflow-board"
    _description: ClassVar[str] = "A board reached by SSH, with its pinned host key."

    kind: KindName = Field(description="Board kind, an entry of board/kinds.toml.")
    host: Host = Field(description="Host name or address.")
    port: Port = Field(default=22, description="Port of the SSH server.")
    user: str = Field(default="xilinx", description="User to log in as.")
    host_key: PublicKey = Field(description="Pinned public host key, ssh-ed25519 AAAA...")
    password: SecretStr | None = Field(default=None, description="Password for login and sudo.")
    key_file: Path | None = Field(
        default=None, description="Private key file on the machines that run flows."
    )
    use_agent: bool = Field(default=False, description="Try the keys of the SSH agent.")
    directory: str = Field(
        default="overlayflow", description="Directory for overlayflow on the board."
    )
    tags: list[str] = Field(default_factory=list, description="Tags to select the board by.")
    meter: list[str] = Field(
        default_factory=list,
        description="Command of its power meter, on the machines that run flows.",
    )
    jump_host: Host | None = Field(default=None, description="Jump host through which to connect.")
    jump_port: Port = Field(default=22, description="Port of the jump host's SSH server.")
    jump_user: str = Field(
        default="", description="User to log in as on the jump host, with a key or the agent."
    )
    jump_host_key: PublicKey | None = Field(
        default=None, description="Pinned public host key of the jump host."
    )

    @classmethod
    def of(cls, address: BoardAddress) -> Self:
        """Return the block for an address."""
        same = address.model_dump(include=set(cls.model_fields) - {"password", "tags", "meter"})
        jump = address.jump
        through = {} if jump is None else {f"jump_{each}": getattr(jump, each) for each in _JUMP}
        lists = {"tags": list(address.tags), "meter": list(address.meter)}
        return cls(**same, **through, **lists, password=address.password)

    def address(self, name: str) -> BoardAddress:
        """Return the address described by this block, for a board of the given name."""
        fields = {name: getattr(self, name) for name in BoardAddress.model_fields if name in _SAME}
        jump = None
        if self.jump_host is not None:
            through = {each: getattr(self, f"jump_{each}") for each in _JUMP}
            jump = SshHost(**through, key_file=self.key_file, use_agent=self.use_agent)
        lists = {"tags": tuple(self.tags), "meter": tuple(self.meter)}
        return BoardAddress(**fields, **lists, name=name, jump=jump)


_SAME = set(Board.model_fields) & set(BoardAddress.model_fields) - {"tags", "meter"}


def refuse_new(address: BoardAddress) -> None:
    """Check that a board can be added.

    Raises:
        InputError: the name is taken.
    """
    if address.name in twins.twin_names() or address.name in _blocks():
        raise InputError(
            "a board with this name already exists",
            where=f"board {address.name}",
            remedy="choose another name, or remove the board: "
            f"overlayflow boards remove {address.name}",
        )


def add(address: BoardAddress) -> None:
    """Save a board and create its queue in Prefect.

    Raises:
        InputError: the name is taken.
    """
    refuse_new(address)
    Board.of(address).save(address.name)
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(QUEUE_PREFIX + address.name, 1)


def remove(name: str) -> None:
    """Delete a board and its queue.

    Raises:
        BoardError: no board has this name.
    """
    if name not in _blocks():
        raise _unknown(name)
    Board.delete(name)
    with get_client(sync_client=True) as client, contextlib.suppress(ObjectNotFound):
        client.delete_global_concurrency_limit_by_name(QUEUE_PREFIX + name)


def address(name: str) -> BoardAddress:
    """Return where a board is and how to log in.

    Raises:
        BoardUnreachableError: it is a twin that is not running.
        BoardError: no board has this name.
    """
    twin = twins.twin_address(name)
    if twin is not None:
        return twin
    found = _blocks().get(name)
    if found is None:
        raise _unknown(name)
    if isinstance(found, BoardError):
        raise found
    return found


def addresses() -> list[BoardAddress]:
    """Return the addresses of all boards that can be used: running twins, and valid blocks."""
    found = []
    for name in twins.twin_names():
        try:
            found.append(address(name))
        except BoardUnreachableError:
            continue  # not running
    for block in _blocks().values():
        if isinstance(block, BoardError):
            log.warning("skipping %s", block)
        else:
            found.append(block)
    return found


def invalid() -> list[BoardError]:
    """Return why the blocks of boards that cannot be used are invalid."""
    return [block for block in _blocks().values() if isinstance(block, BoardError)]


def named(names: Sequence[str]) -> tuple[list[BoardAddress], dict[str, BoardError]]:
    """Return the boards of these names (or all boards), and the error for each missing one."""
    if not names:
        return addresses(), {}
    found: list[BoardAddress] = []
    gone: dict[str, BoardError] = {}
    for name in names:
        try:
            found.append(address(name))
        except BoardError as error:
            gone[name] = error
    return found, gone


def matching(board: str) -> list[BoardAddress]:
    """Return the boards that match a name or a requirement.

    Raises:
        BoardError: no board matches.
    """
    requirement = Requirement.parse(board)
    if requirement is None:
        return [address(board)]
    known = addresses()
    fitting = [each for each in known if requirement.fits(each)]
    if not fitting:
        raise BoardError(
            "no board matches; boards: "
            + ("; ".join(f"{each.name} ({each.kind})" for each in known) or "none"),
            where=board,
            remedy="overlayflow boards list",
        )
    return fitting


def taking(manifest: Manifest, wanted: Sequence[str]) -> list[str]:
    """Return the names of the boards on which to run a package.

    Args:
        manifest: the package's manifest.
        wanted: names, which are used as given, and requirements, each of which selects all
            matching boards that can run the package; if empty, all boards that can run it.

    Raises:
        BoardError: no board was found, or a name is unknown.
    """
    found = []
    for board in wanted:
        known = matching(board)
        asked_by_name = Requirement.parse(board) is None
        found += [each.name for each in known if asked_by_name or takes(each, manifest)]
    if not wanted:
        found = [each.name for each in addresses() if takes(each, manifest)]
    if not found:
        raise BoardError(
            f"no board can run a package for {manifest.part}, target {manifest.target}",
            where=", ".join(wanted) or "all boards",
            remedy="overlayflow boards list",
        )
    return list(dict.fromkeys(found))


def _blocks() -> dict[str, BoardAddress | BoardError]:
    """Return the board of each block by name, or what is wrong with the block."""
    with get_client(sync_client=True) as client:
        try:
            documents = client.read_block_documents_by_type("overlayflow-board")
        except PrefectHTTPStatusError as error:
            if error.response.status_code == NOT_FOUND:  # adding the first board registers the type
                return {}
            raise
    return {name: _board(name, each.data) for each in documents if (name := each.name) is not None}


def _board(name: str, data: dict[str, Any]) -> BoardAddress | BoardError:
    try:
        # The form of the UI takes whatever is typed into it.
        return Board.model_validate(data).address(name)
    except ValidationError as error:
        return BoardError(
            f"the block is invalid: {mistakes(error)}",
            where=f"board {name}",
            remedy="correct it in the UI (Blocks), or remove it and add the board: "
            f"overlayflow boards remove {shlex.quote(name)}",
        )


def _unknown(name: str) -> BoardError:
    known = [*twins.twin_names(), *_blocks()]
    return BoardError(
        f"no board has this name{near(name, known)}",
        where=f"board {name}",
        remedy=f"boards: {', '.join(known) or 'none'}; add this one with `overlayflow boards add "
        f"{name}`, or start a twin with this name: overlayflow twin start {name}",
    )
