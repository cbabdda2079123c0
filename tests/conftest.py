"""What holds for all tests: how hypothesis behaves, how workers share, how Ctrl-C is tested."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

# Time is measured in bench/, never in a test; nothing is left in the checkout; people explore, CI
# repeats, and what fails once can be repeated by what it prints.
settings.register_profile(
    "overlayflow",
    deadline=None,
    database=None,
    derandomize="CI" in os.environ,
    print_blob=True,
)
settings.load_profile("overlayflow")

# The suite starts some thousand processes: each would compile our modules anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell starts what runs in the background with Ctrl-C ignored, and children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Sharing(LoadScopeScheduling):  # type: ignore[misc]  # xdist is not typed
    """A directory's tests, which share what its conftest.py makes, go to one worker.

    The whole way would keep one worker busy for longer than the others have to do: a file each.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = Path(nodeid.partition("::")[0])
        return str(file if file.is_relative_to("tests/flows") else file.parent)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Sharing:
    return Sharing(config, log)


# In this order: test_deploy builds what others take over, and those that mostly wait leave the
# processors to the rest of the suite.
WHOLE_WAY = (
    "tests/flows/test_deploy.py",
    "tests/flows/unattended/test_machines.py",
    "tests/flows/test_boards.py",
    "tests/flows/unattended/test_up.py",
    "tests/flows/unattended/test_sweep.py",
    "tests/flows/unattended/test_team_server.py",
    "tests/flows/test_vivado.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the whole way, which takes the longest."""
    order = {file: place for place, file in enumerate(WHOLE_WAY)}
    items.sort(key=lambda item: order.get(item.nodeid.partition("::")[0], len(order)))
