"""What a shell, a container or a company's network leaves around a command, put in order first."""

import importlib.util
import os
import pwd
import sys
from urllib.parse import urlsplit

from tasks.core.errors import InputError

PROXIES = ("all_proxy", "http_proxy", "https_proxy")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def settle() -> None:
    """Make home, proxies, the server's address and docstrings usable.

    Raises:
        InputError: the user has no home, and no other place is named.
    """
    _keep_docstrings()
    _require_home()
    _spare_loopback_the_proxy()
    if url := os.environ.get("PREFECT_API_URL"):
        os.environ["PREFECT_API_URL"] = api_url(url)


def api_url(text: str) -> str:
    """Return the address of a server's API, however people write the server's."""
    url = text.strip().rstrip("/")
    if "://" not in url:
        url = f"http://{url}"
    return url if urlsplit(url).path else f"{url}/api"


def _keep_docstrings() -> None:
    """Start again without PYTHONOPTIMIZE=2: altair, which draws charts, needs its docstrings."""
    if sys.flags.optimize > 1 and os.environ.get("PYTHONOPTIMIZE", "1") != "1":
        os.environ["PYTHONOPTIMIZE"] = "1"
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606  # the same command, no shell


def _require_home() -> None:
    """Have a home: users of containers may be mere numbers."""
    if "HOME" in os.environ or _is_known():
        return
    if "OVERLAYFLOW_HOME" not in os.environ:
        raise InputError(
            "this user has no home directory",
            where=f"uid {os.getuid()}",
            remedy="set HOME, or OVERLAYFLOW_HOME, to a directory that the user may write",
        )
    os.environ["HOME"] = os.environ["OVERLAYFLOW_HOME"]


def _is_known() -> bool:
    """Return whether the system knows the user, and so a home."""
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        return False
    return True


def _spare_loopback_the_proxy() -> None:
    """Reach this machine directly; drop a proxy of a kind that Prefect's client cannot use."""
    for name in ("no_proxy", "NO_PROXY"):
        known = [each for each in os.environ.get(name, "").split(",") if each.strip()]
        if "*" not in known:
            os.environ[name] = ",".join(dict.fromkeys([*known, *LOOPBACK]))
    for name in [each for each in os.environ if each.lower() in PROXIES]:
        proxy = os.environ[name]
        if proxy.startswith("socks") and importlib.util.find_spec("socksio") is None:
            print(
                f"overlayflow: ignoring {name}: Prefect's client speaks SOCKS only with the "
                "package socksio",
                file=sys.stderr,
            )
            del os.environ[name]
