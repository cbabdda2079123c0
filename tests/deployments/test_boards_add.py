"""A person is asked whether a host key is the board's own."""

import io
from argparse import Namespace

import pytest

from deployments.cli.boards_add import _confirm
from tasks.boards.address import HostKey
from tasks.core.errors import HostKeyError

KEY = HostKey(algorithm="ssh-ed25519", blob="AAAAC3NzaC1lZDI1NTE5AAAAIA==")
ASKED = Namespace(fingerprint=[], yes=False, password_stdin=False)


class Terminal(io.StringIO):
    """Somebody types at it."""

    def isatty(self) -> bool:
        return True


def test_a_key_is_pinned_when_somebody_says_yes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("yes\n"))
    _confirm(ASKED, "board lab-1", KEY)
    shown = capsys.readouterr().err
    assert f"board lab-1 has the host key {KEY.fingerprint} (ssh-ed25519)" in shown
    assert "Type yes if this is the board's key" in shown


@pytest.mark.parametrize("answer", ["no\n", "y\n", "\n", ""])
def test_a_key_is_not_pinned_when_somebody_says_anything_else(
    monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    with pytest.raises(HostKeyError, match="nothing was saved"):
        _confirm(ASKED, "board lab-1", KEY)
