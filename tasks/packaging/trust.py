"""Which packages this user trusts: those made here, and those that somebody said so of, by digest.

A package holds a design that is loaded into a board's fabric, where it reaches all of the board's
memory; on a twin it is a library that runs with the rights of whoever started the twin.
"""

from pathlib import Path

from tasks.core.digests import file_digest
from tasks.core.errors import InputError
from tasks.core.records.package import Manifest
from tasks.core.settings import home
from tasks.packaging.inspection import inspect


def trust(digest: str) -> None:
    """Trust a package from now on."""
    directory = home() / "trusted"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / digest).touch()


def admit(package: Path, *, trusted: bool) -> tuple[str, Manifest]:
    """Return digest and manifest of a package that is whole and trusted.

    Args:
        package: package.tar.gz.
        trusted: whether somebody says that it is to be trusted, from now on.

    Raises:
        InputError: it is not a package, or not trusted.
    """
    manifest = inspect(package)
    digest = file_digest(package)
    if trusted:
        trust(digest)
    require(package, digest)
    return digest, manifest


def require(package: Path, digest: str) -> None:
    """Check that a package is trusted.

    Raises:
        InputError: it is not.
    """
    if not (home() / "trusted" / digest).exists():
        raise InputError(
            "was not made by this user on this machine; its design would be loaded into a board's "
            f"fabric, or run as you on a twin (SHA-256 {digest})",
            where=str(package),
            remedy="if you trust whoever made it, pass --trust once",
        )
