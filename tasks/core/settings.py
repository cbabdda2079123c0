"""Where overlayflow keeps things: the one place that reads its environment variables."""

import getpass
import os
from pathlib import Path

DEFAULT_PYNQ = "3.1.2"


def home() -> Path:
    """Directory of twins, working files and, unless set apart, the store.

    OVERLAYFLOW_HOME, or the user's data directory.
    """
    if "OVERLAYFLOW_HOME" in os.environ:
        return Path(os.environ["OVERLAYFLOW_HOME"]).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_data_dir("overlayflow"))


def user() -> str:
    """Name of the user, or the number where the system has no name for it, as in containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # OSError from Python 3.13 on
        return str(os.getuid())


def store_url() -> str:
    """Root of the store: a path, or an fsspec URL that several machines share.

    OVERLAYFLOW_STORE, or `store` in `home`.
    """
    return os.environ.get("OVERLAYFLOW_STORE", str(home() / "store"))


def board_python(pynq: str = DEFAULT_PYNQ) -> Path:
    """Python of the twin's environment, with the genuine pynq in it.

    OVERLAYFLOW_BOARD_PYTHON, or `.venv-board` beside the sources, where `make board-env` puts it;
    for other versions of pynq the environment beside that one, with the version in its name.
    """
    default = Path(__file__).resolve().parents[2] / ".venv-board" / "bin" / "python"
    python = Path(os.environ.get("OVERLAYFLOW_BOARD_PYTHON", default))
    if pynq == DEFAULT_PYNQ:
        return python
    environment = python.absolute().parents[1]
    return environment.with_name(f"{environment.name}-{pynq}") / "bin" / python.name


def vivado_settings() -> Path | None:
    """The settings64.sh that sets Vivado up: OVERLAYFLOW_VIVADO_SETTINGS, else none."""
    name = os.environ.get("OVERLAYFLOW_VIVADO_SETTINGS")
    return Path(name).expanduser().absolute() if name else None


def vivado_work() -> Path:
    """Directory of Vivado builds that are not finished yet; below `home`."""
    return home() / "work"


def failures() -> Path:
    """Directory of the bundles that failed builds leave; below `home`."""
    return home() / "failures"
