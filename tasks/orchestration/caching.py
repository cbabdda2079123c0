"""Prefect's cache over the store: the store's digest is the key, the store holds the truth."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from prefect import Task

from tasks.core.settings import store_url
from tasks.steps.building import Recipe
from tasks.store.store import Store

P = ParamSpec("P")
R = TypeVar("R")


def open_store() -> Store:
    """Return the store that this machine is set up for."""
    return Store(store_url())


def stored(recipe: Callable[P, Recipe[Any]]) -> Callable[[Task[P, R]], Callable[P, R]]:
    """Show a task as Cached where Prefect has its recipe's result and the store its files.

    Prefect never checks that what a cached result names still exists; so the task runs afresh
    when its entry has left the store, or is found corrupt.

    Args:
        recipe: of what the task returns, from the task's own arguments.
    """

    def decorate(task: Task[P, R]) -> Callable[P, R]:
        @wraps(task.fn)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            entry = recipe(*args, **kwargs).entry
            keyed = task.with_options(
                cache_key_fn=lambda _context, _parameters: entry.digest,
                refresh_cache=not open_store().verify(entry),
            )
            return keyed(*args, **kwargs)

        return run

    return decorate
