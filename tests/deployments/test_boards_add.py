"""A person is asked whether a host key is the board's own."""

import io
from argparse import ArgumentParser, Namespace

import pytest

from deployments.cli import boards
from deployments.cli.boards_add import _JUMP, _address, _confirm, _password
from tasks.boards.address import HostKey
from tasks.core.errors import HostKeyError, InputError

KEY = HostKey(algorithm="ssh-ed25519", blob="AAAAC3NzaC1lZDI1NTE5AAAAIA==")
ASKED = Namespace(yes=False, password_stdin=False)
NOTHING = ("--fingerprint", None)


class Terminal(io.StringIO):
    """Somebody types at it."""

    def isatty(self) -> bool:
        return True


def test_a_key_is_pinned_when_somebody_says_yes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("yes\n"))
    _confirm(ASKED, "board lab-1", KEY, NOTHING)
    shown = capsys.readouterr().err
    assert f"board lab-1 has the host key {KEY.fingerprint} (ssh-ed25519)" in shown
    assert "Type yes if this is the board's key" in shown


@pytest.mark.parametrize("answer", ["no\n", "y\n", "\n", ""])
def test_a_key_is_not_pinned_when_somebody_says_anything_else(
    monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    with pytest.raises(HostKeyError, match="nothing was saved"):
        _confirm(ASKED, "board lab-1", KEY, NOTHING)


def test_one_host_s_fingerprint_does_not_confirm_another_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    other = HostKey(algorithm="ssh-ed25519", blob="AAAAC3NzaC1lZDI1NTE5AAAAIQ==")
    arguments = parsed("--jump", "a@b", "--jump-fingerprint", KEY.fingerprint)
    with pytest.raises(InputError, match="cannot confirm the host key"):
        _confirm(arguments, "board lab-1", KEY, ("--fingerprint", arguments.fingerprint))
    with pytest.raises(HostKeyError, match="the host key is"):
        _confirm(arguments, "jump host", other, ("--jump-fingerprint", arguments.jump_fingerprint))
    _confirm(arguments, "jump host", KEY, ("--jump-fingerprint", arguments.jump_fingerprint))


def parsed(*more: str, host: str = "lab") -> Namespace:
    parser = ArgumentParser()
    boards.add(parser.add_subparsers())
    return parser.parse_args(["boards", "add", "lab-1", "--kind", "pynq-z2", "--host", host, *more])


@pytest.mark.parametrize(
    ("host", "user", "bare"),
    [
        ("lab", "xilinx", "lab"),
        ("ada@lab", "ada", "lab"),
        ("[::1]", "xilinx", "::1"),
        ("ada@[fe80::1%eth0]", "ada", "fe80::1%eth0"),
    ],
)
def test_a_host_is_written_as_for_ssh(host: str, user: str, bare: str) -> None:
    address = _address(parsed(host=host))
    assert (address.user, address.host) == (user, bare)


@pytest.mark.parametrize("host", ["", "a b", "[]", "@", "a@"])
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(InputError, match="not a host name or address"):
        _address(parsed(host=host))


def test_two_users_are_refused() -> None:
    with pytest.raises(InputError, match="two users"):
        _address(parsed("--user", "bob", host="ada@lab"))


@pytest.mark.parametrize(
    ("more", "named"), [(["--port", "0"], "port"), (["--port", "70000"], "port")]
)
def test_a_value_that_cannot_be_is_refused_by_name(more: list[str], named: str) -> None:
    with pytest.raises(InputError, match=named):
        _address(parsed(*more))


@pytest.mark.parametrize(
    ("jump", "user", "host", "port"),
    [
        ("ada@gate", "ada", "gate", None),
        ("ada@gate:2222", "ada", "gate", "2222"),
        ("ada@[::1]:2222", "ada", "[::1]", "2222"),
        ("ada@[::1]", "ada", "[::1]", None),
        ("ada@::1", "ada", "::1", None),
    ],
)
def test_a_jump_host_is_written_as_for_ssh(
    jump: str, user: str, host: str, port: str | None
) -> None:
    found = _JUMP.fullmatch(jump)
    assert found is not None
    assert (found["user"], found["host"], found["port"]) == (user, host, port)


@pytest.mark.parametrize("jump", ["gate", "@gate", "ada@", "ada@gate:", "ada@gate:x", "a@b@c"])
def test_what_is_no_jump_host_is_refused(jump: str) -> None:
    assert _JUMP.fullmatch(jump) is None


def test_a_password_of_a_file_with_windows_line_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("geheim\r\n"))
    arguments = parsed("--password-stdin")
    found = _password(arguments, _address(arguments))
    assert found is not None
    assert found.get_secret_value() == "geheim"
