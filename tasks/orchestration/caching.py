"""Prefect's cache over the store: the store's digest is the key, the store holds the truth."""

from typing import ParamSpec, TypeVar

from prefect import Task

from tasks.core.settings import store_url
from tasks.steps.building import Recipe
from tasks.store.store import Store

P = ParamSpec("P")
R = TypeVar("R")


def open_store() -> Store:
    """The store that this machine is set up for."""
    return Store(store_url())


def cached(task: Task[P, R], recipe: Recipe) -> Task[P, R]:
    """The task, shown as Cached where Prefect has the recipe's result and the store its files.

    Prefect never checks that what a cached result names still exists; so the task runs afresh
    when its entry has left the store, or is found corrupt.
    """
    entry = recipe.entry
    return task.with_options(
        cache_key_fn=lambda _context, _parameters: entry.digest,
        refresh_cache=not open_store().verify(entry),
    )
