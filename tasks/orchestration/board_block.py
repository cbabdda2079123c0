"""Boards as Prefect blocks, and boards by name: a twin of this machine, or a block."""

import contextlib
import re
from collections.abc import Sequence
from http.client import NOT_FOUND
from pathlib import Path
from typing import ClassVar, Self

from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from pydantic import Field, SecretStr

from board.kinds import board_kinds
from tasks.boards import twins
from tasks.boards.address import BoardAddress, SshHost
from tasks.boards.requirement import Requirement, takes
from tasks.core.errors import BoardError, BoardUnreachableError, InputError
from tasks.core.records.package import Manifest

QUEUE_PREFIX = "board-"


class Board(Block):
    """A board that SSH reaches; made by `overlayflow boards add`, which pins its host key."""

    _block_type_name: ClassVar[str] = "overlayflow board"
    _block_type_slug: ClassVar[str] = "overlayflow-board"
    _description: ClassVar[str] = "A board that SSH reaches, with its pinned host key."

    kind: str = Field(description="An entry of board/kinds.toml.")
    host: str = Field(description="Name or address.")
    port: int = Field(default=22, description="Of its SSH server.")
    user: str = Field(default="xilinx", description="Who logs in.")
    host_key: str = Field(description="The pinned public host key, ssh-ed25519 AAAA...")
    password: SecretStr | None = Field(default=None, description="For the login and for sudo.")
    key_file: Path | None = Field(
        default=None, description="A private key on the machines that run flows."
    )
    use_agent: bool = Field(default=False, description="Try the keys of the SSH agent.")
    directory: str = Field(default="overlayflow", description="Of overlayflow on the board.")
    tags: list[str] = Field(default_factory=list, description="Words that people choose it by.")
    meter: list[str] = Field(
        default_factory=list, description="Command, on the machines that run flows, of its meter."
    )
    jump_host: str | None = Field(default=None, description="The host that leads to the board.")
    jump_port: int = Field(default=22, description="Of the jump host's SSH server.")
    jump_user: str = Field(default="", description="Who logs in there, by key or agent.")
    jump_host_key: str | None = Field(default=None, description="Its pinned public host key.")

    @classmethod
    def of(cls, address: BoardAddress) -> Self:
        """The block of an address."""
        same = address.model_dump(include=set(cls.model_fields) - {"password", "tags", "meter"})
        jump = address.jump
        through = (
            {}
            if jump is None
            else {
                "jump_host": jump.host,
                "jump_port": jump.port,
                "jump_user": jump.user,
                "jump_host_key": jump.host_key,
            }
        )
        lists = {"tags": list(address.tags), "meter": list(address.meter)}
        return cls(**same, **through, **lists, password=address.password)

    def address(self, name: str) -> BoardAddress:
        """The address of the board that a block of that name describes."""
        fields = {name: getattr(self, name) for name in BoardAddress.model_fields if name in _SAME}
        jump = None
        if self.jump_host is not None:
            jump = SshHost(
                host=self.jump_host,
                port=self.jump_port,
                user=self.jump_user,
                host_key=self.jump_host_key,
                key_file=self.key_file,
                use_agent=self.use_agent,
            )
        lists = {"tags": tuple(self.tags), "meter": tuple(self.meter)}
        return BoardAddress(**fields, **lists, name=name, jump=jump)


_SAME = set(Board.model_fields) & set(BoardAddress.model_fields) - {"tags", "meter"}


def refuse_new(address: BoardAddress) -> None:
    """Says what keeps a board from being added.

    Raises:
        InputError: there is a board of that name, or it is of no known kind.
    """
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", address.name):
        raise InputError(
            f"{address.name!r} cannot be the name of a board",
            where="boards add",
            remedy="use lower-case letters, digits and dashes",
        )
    if address.kind not in board_kinds():
        raise InputError(
            f"{address.kind!r} is no board kind",
            where=f"board {address.name}",
            remedy=f"use one of {', '.join(board_kinds())}, or see docs/add-a-board.md",
        )
    if address.name in twins.twin_names() or address.name in _blocks():
        raise InputError(
            "there is a board of that name",
            where=f"board {address.name}",
            remedy=f"take another name, or: overlayflow boards remove {address.name}",
        )


def add(address: BoardAddress) -> None:
    """Saves a board, and Prefect's queue for it.

    Raises:
        InputError: there is a board of that name, or it is of no known kind.
    """
    refuse_new(address)
    Board.of(address).save(address.name)
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(QUEUE_PREFIX + address.name, 1)


def remove(name: str) -> None:
    """Forgets a board.

    Raises:
        BoardError: there is none of that name.
    """
    if name not in _blocks():
        raise _unknown(name)
    Board.delete(name)
    with get_client(sync_client=True) as client, contextlib.suppress(ObjectNotFound):
        client.delete_global_concurrency_limit_by_name(QUEUE_PREFIX + name)


def address(name: str) -> BoardAddress:
    """Where a board is and how to log in.

    Raises:
        BoardUnreachableError: it is a twin that does not run.
        BoardError: there is no board of that name.
    """
    twin = twins.twin_address(name)
    if twin is not None:
        return twin
    found = _blocks().get(name)
    if found is None:
        raise _unknown(name)
    return found


def addresses() -> list[BoardAddress]:
    """All boards: the twins that run, and the blocks."""
    found = []
    for name in twins.twin_names():
        try:
            found.append(address(name))
        except BoardUnreachableError:
            continue  # it is off
    return [*found, *_blocks().values()]


def named(names: Sequence[str]) -> tuple[list[BoardAddress], dict[str, BoardError]]:
    """The boards of these names, all that can be used if none is given; and why others are gone."""
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
    """The boards that a name or a requirement means.

    Raises:
        BoardError: there is none.
    """
    requirement = Requirement.parse(board)
    if requirement is None:
        return [address(board)]
    known = addresses()
    fitting = [each for each in known if requirement.fits(each)]
    if not fitting:
        raise BoardError(
            "no board fits; there are: "
            + ("; ".join(f"{each.name} ({each.kind})" for each in known) or "none"),
            where=board,
            remedy="overlayflow boards list",
        )
    return fitting


def taking(manifest: Manifest, wanted: Sequence[str]) -> list[str]:
    """Names of the boards that are to run a package.

    Args:
        manifest: of the package.
        wanted: names, which are taken as they are, and requirements, each of which means all
            boards that fit and take the package; none means every board that takes it.

    Raises:
        BoardError: there is none, or one is not known.
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
            f"no board takes a package for {manifest.part}, target {manifest.target}",
            where=", ".join(wanted) or "all boards",
            remedy="overlayflow boards list",
        )
    return list(dict.fromkeys(found))


def _blocks() -> dict[str, BoardAddress]:
    with get_client(sync_client=True) as client:
        try:
            documents = client.read_block_documents_by_type("overlayflow-board")
        except PrefectHTTPStatusError as error:
            if error.response.status_code == NOT_FOUND:  # the first board registers the type
                return {}
            raise
    found = {}
    for document in documents:
        if document.name is not None:
            found[document.name] = Board.model_validate(document.data).address(document.name)
    return found


def _unknown(name: str) -> BoardError:
    known = ", ".join([*twins.twin_names(), *_blocks()]) or "none yet"
    return BoardError(
        f"no board of that name; boards: {known}",
        where=f"board {name}",
        remedy=f"add it with `overlayflow boards add {name}`, or start a twin of that name: "
        f"overlayflow twin start {name}",
    )
