"""Who the board is: host keys and addresses."""

import asyncssh
import pytest
from pydantic import SecretStr, ValidationError

from tasks.boards.address import BoardAddress, HostKey


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
def test_fingerprint_is_the_one_that_ssh_prints(kind: str) -> None:
    key = asyncssh.generate_private_key(kind)
    line = key.export_public_key().decode()
    assert HostKey.parse(line).fingerprint == key.get_fingerprint()


def test_comment_of_a_key_is_dropped() -> None:
    line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEIujsvZqd+0Vg2vuQzySzSnJ0bKoPmUPXJbQqUhUk5a"
    assert HostKey.parse(f"{line} root@pynq\n").line == line


@pytest.mark.parametrize("line", ["", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-rsa !", "AAAA="])
def test_something_else_is_no_host_key(line: str) -> None:
    with pytest.raises(ValueError, match="not a public key"):
        HostKey.parse(line)
    with pytest.raises(ValidationError, match="not a public key"):
        BoardAddress(name="b", kind="pynq-z2", host="h", host_key=line)


def test_password_is_in_no_text_of_an_address() -> None:
    address = BoardAddress(name="b", kind="pynq-z2", host="h", password=SecretStr("geheim"))
    assert "geheim" not in f"{address!r} {address} {address.model_dump_json()} {address.label}"
