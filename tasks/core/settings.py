"""Where overlayflow keeps its files: the only module that reads its environment variables."""

import getpass
import os
import sysconfig
from pathlib import Path

DEFAULT_PYNQ = "3.1.2"


def home() -> Path:
    """Return the directory of twins, working files and, by default, the store.

    This is OVERLAYFLOW_HOME, or the user's data directory.
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
    """Return the root of the store: a path, or an fsspec URL that several machines share.

    This is OVERLAYFLOW_STORE, or `store` in `home`.
    """
    return os.environ.get("OVERLAYFLOW_STORE", str(home() / "store"))


def project() -> Path:
    """Return the directory of prefect.yaml, Makefile, constraints, examples and environments.

    This is the clone, or what an installed wheel has put into share/overlayflow.
    """
    clone = Path(__file__).resolve().parents[2]
    if (clone / "prefect.yaml").exists():
        return clone
    return Path(sysconfig.get_path("data")) / "share" / "overlayflow"


def board_python(pynq: str = DEFAULT_PYNQ) -> Path:
    """Return the Python of the twin's environment, in which the genuine pynq is installed.

    This is OVERLAYFLOW_BOARD_PYTHON, or the one in `.venv-board` of the project, where
    `make board-env` puts it. Other versions of pynq have an environment next to it, with the
    version in its name.
    """
    default = project() / ".venv-board" / "bin" / "python"
    python = Path(os.environ.get("OVERLAYFLOW_BOARD_PYTHON", default))
    if pynq == DEFAULT_PYNQ:
        return python
    environment = python.absolute().parents[1]
    return environment.with_name(f"{environment.name}-{pynq}") / "bin" / python.name


def frontend_packages(name: str) -> Path:
    """Directory of a front end's own packages, where `make env-NAME` puts them."""
    return project() / f".env-{name}"


def mlflow_uri() -> str:
    """Return MLFLOW_TRACKING_URI, where runs are logged to; empty if it is not set."""
    return os.environ.get("MLFLOW_TRACKING_URI", "")


def mlflow_experiment() -> str:
    """Return MLFLOW_EXPERIMENT_NAME; empty if it is not set."""
    return os.environ.get("MLFLOW_EXPERIMENT_NAME", "")


def mlflow_python() -> Path:
    """Return the Python of the MLflow server's environment, where `make mlflow-env` puts it.

    This is OVERLAYFLOW_MLFLOW_PYTHON, or the one in `.venv-mlflow` of the project.
    """
    default = project() / ".venv-mlflow" / "bin" / "python"
    return Path(os.environ.get("OVERLAYFLOW_MLFLOW_PYTHON", default))


def vivado_settings() -> Path | None:
    """Return the settings64.sh named by OVERLAYFLOW_VIVADO_SETTINGS, or None if it is not set."""
    name = os.environ.get("OVERLAYFLOW_VIVADO_SETTINGS")
    return Path(name).expanduser().absolute() if name else None


def vivado_work() -> Path:
    """Return the directory of unfinished Vivado builds, below `home`."""
    return home() / "work"


def runtimes() -> Path:
    """Return the directory of Verilator's runtime as compiled for all designs, below `home`."""
    return home() / "runtimes"


def failures() -> Path:
    """Return the directory of failure bundles, below `home`."""
    return home() / "failures"
