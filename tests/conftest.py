"""What holds for all tests: how hypothesis behaves, how workers share, how Ctrl-C is tested."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from xdist.scheduler import LoadScopeScheduling

from tasks.core import settings

# Time is measured in bench/, never in a test; nothing is left in the checkout; people explore, CI
# repeats, and what fails once can be repeated by what it prints.
hypothesis_settings.register_profile(
    "overlayflow",
    deadline=None,
    database=None,
    derandomize="CI" in os.environ,
    print_blob=True,
)
hypothesis_settings.load_profile("overlayflow")

# The suite starts some thousand processes: each would compile our modules anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell starts what runs in the background with Ctrl-C ignored, and children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


FRONT_ENDS = "tests/tasks/conversion/frontends/"


class Sharing(LoadScopeScheduling):  # type: ignore[misc]  # xdist is not typed
    """A directory's tests, which share what its conftest.py makes, go to one worker.

    The whole way and the front ends would keep one worker busy for longer than the others have
    to do: a file each.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = Path(nodeid.partition("::")[0])
        alone = any(file.is_relative_to(each) for each in ("tests/flows", FRONT_ENDS))
        return str(file if alone else file.parent)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Sharing:
    return Sharing(config, log)


# What takes the longest begins, first what builds what others take over. What mostly waits, for
# links, boards, servers and time-outs, runs beside what computes.
FIRST = (
    "tests/flows/unattended/test_machines.py",
    "tests/flows/test_deploy.py",
    "tests/flows/unattended/test_up.py",
    "tests/flows/test_boards.py",
    "tests/tasks/boards/",
    "tests/flows/unattended/",
    "tests/flows/",
    "tests/board/",
    "tests/tasks/toolchains/",
    "tests/tasks/conversion/test_",
    FRONT_ENDS,
    "tests/tasks/processes/",
    "tests/tasks/orchestration/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests in order: what is not in the list is quick, and comes last."""

    def place(item: pytest.Item) -> int:
        return next((n for n, name in enumerate(FIRST) if item.nodeid.startswith(name)), len(FIRST))

    items.sort(key=place)


@pytest.fixture(scope="session")
def board_python() -> Path:
    """Python of the twin's environment, with the genuine pynq in it."""
    python = settings.board_python()
    assert python.exists(), f"no board environment at {python}: run `make board-env`"
    return python
