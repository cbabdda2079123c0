"""Work in threads ends together."""

import time

import pytest

from tasks.processes.threads import both


def test_results_come_in_the_order_of_the_calls() -> None:
    def slow() -> int:
        time.sleep(0.05)
        return 1

    assert both(slow, lambda: "at once") == (1, "at once")


def test_the_first_that_fails_ends_the_other() -> None:
    interrupted = []

    def fail() -> None:
        while not started:
            time.sleep(0.01)
        raise ValueError("the cause")

    def work() -> None:
        started.append(True)
        try:
            while True:
                time.sleep(0.01)
        except KeyboardInterrupt:
            interrupted.append(True)
            raise

    started: list[bool] = []
    with pytest.raises(ValueError, match="the cause"):
        both(work, fail)
    assert interrupted == [True]
