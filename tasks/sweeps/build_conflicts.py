"""Which points would build the same thing at the same time."""

from collections.abc import Callable, Iterable, Sequence

from tasks.sweeps.points import Point


def first_apart(
    waiting: Sequence[Point], running: Iterable[Point], converted: Callable[[Point], bool]
) -> Point | None:
    """The first waiting point that shares no unfinished build with one that runs, or None.

    Args:
        waiting: points to choose from.
        running: points that are being built.
        converted: whether a point's convert entry is there.
    """
    running = list(running)
    building = {each.build for each in running}
    converting = {each.convert for each in running if not converted(each)}
    for point in waiting:
        if point.build not in building and point.convert not in converting:
            return point
    return None
