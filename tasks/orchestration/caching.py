"""Prefect's cache on top of the store, whose digests are the keys and whose files decide."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from prefect import Task

from tasks.core.records.base import Record
from tasks.core.settings import store_url
from tasks.steps.building import Recipe
from tasks.store.store import Store

P = ParamSpec("P")
R = TypeVar("R", bound=Record)


def open_store() -> Store:
    """Return the store configured on this machine."""
    return Store(store_url())


def stored(recipe: Callable[P, Recipe[R]]) -> Callable[[Task[P, R]], Callable[P, R]]:
    """Show a task as Cached if Prefect has its result and the store has its files.

    Prefect never checks that the files of a cached result still exist, so the task runs again if
    its entry was removed from the store or is corrupt.

    Args:
        recipe: returns the recipe of the task's result for the task's own arguments.
    """

    def decorate(task: Task[P, R]) -> Callable[P, R]:
        @wraps(task.fn)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            wanted = recipe(*args, **kwargs)
            entry = wanted.entry
            keyed = task.with_options(
                cache_key_fn=lambda _context, _parameters: entry.digest,
                refresh_cache=not open_store().verify(entry),
            )
            return wanted.asked(keyed(*args, **kwargs))

        return run

    return decorate
