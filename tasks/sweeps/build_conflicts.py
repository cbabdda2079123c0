"""Avoid running points at the same time that would build the same thing."""

from collections.abc import Callable, Iterable, Sequence

from tasks.sweeps.points import Point


def first_apart(
    waiting: Sequence[Point], running: Iterable[Point], converted: Callable[[Point], bool]
) -> Point | None:
    """Return the first waiting point that shares no unfinished build with a running one, or None.

    Args:
        waiting: points to choose from.
        running: points being built.
        converted: tells whether a point's convert entry exists.
    """
    running = list(running)
    building = {each.build for each in running}
    converting = {each.convert for each in running if not converted(each)}
    for point in waiting:
        if point.build not in building and point.convert not in converting:
            return point
    return None
