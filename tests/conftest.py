"""What holds for all tests: how they share out to workers, and how hypothesis behaves."""

import pytest
from hypothesis import settings

# Time is measured in bench/, never in a test; and nothing is left in the checkout.
settings.register_profile("overlayflow", deadline=None, database=None)
settings.load_profile("overlayflow")


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that share a costly fixture on one worker of pytest-xdist.

    Everything that uses `machine` (a Prefect server, a twin, one cold run) goes to one worker, the
    others by directory.
    """
    for item in items:
        shared = "machine" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("machine" if shared else str(item.path.parent)))
