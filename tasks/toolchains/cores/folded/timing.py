"""Computes when the beats of each stream pass, if nothing outside the core stalls it.

Samples arrive one after another at the core's interval. For each beat, this is the clock in which a
module offers it, and the clock in which the next module takes it; the beats in between are what a
queue must hold. A core with such queues keeps the interval, because streams with handshakes are at
least as fast as any schedule for which their queues are deep enough. For the same reason, branches
that join again cannot deadlock: that depends only on the depths of the queues, not on timing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Clocks = NDArray[np.int64]

SAMPLES = 3
"""Number of samples that are followed: after the first, all wait alike."""


@dataclass(frozen=True)
class Steps:
    """How a window moves over one image, beat by beat.

    Attributes:
        reads: whether a step takes a beat of the image, and is not padding.
        emits: whether the window is complete, and at one of its positions, after the step.
    """

    reads: NDArray[np.bool_]
    emits: NDArray[np.bool_]


def source(beats: int, each: int, interval: int) -> Clocks:
    """Return when a stream delivers the beats of samples, `each` clocks apart."""
    return np.add.outer(np.arange(SAMPLES) * interval, np.arange(beats) * each).ravel()


def taken(offered: Clocks, clocks: int | Clocks) -> Clocks:
    """Return when a module takes beats, given the clocks that it needs for each."""
    needed = np.broadcast_to(np.asarray(clocks, dtype=np.int64), offered.shape)
    before = np.cumsum(needed) - needed
    return np.asarray(np.maximum.accumulate(offered - before) + before)


def waiting(offered: Clocks, accepted: Clocks) -> int:
    """Return the largest number of beats that wait at a time."""
    gone = np.searchsorted(accepted, offered, side="right")
    return int((np.arange(1, len(offered) + 1) - gone).max())


def through_window(offered: Clocks, steps: Steps, each: int) -> tuple[Clocks, Clocks]:
    """Return when a window takes the beats of images, and when the next module takes its own.

    Each step takes a clock, and waits for the beat that it reads. A beat out is held until the next
    module, which needs `each` clocks per beat, is free.
    """
    reads, emits = np.tile(steps.reads, SAMPLES), np.tile(steps.emits, SAMPLES)
    # All times are those of a step less its number, so that a delay is kept by what follows.
    number = np.arange(len(reads))
    arriving = np.zeros(len(reads), dtype=np.int64)
    arriving[reads] = offered - number[reads]
    late = np.maximum.accumulate(np.maximum(arriving, 0))
    at = np.flatnonzero(emits)
    apart = np.cumsum(np.maximum(np.diff(at, prepend=at[:1]), each))
    emitted = apart + np.maximum.accumulate(late[at] + at + 1 - apart)
    late[at] = np.maximum(late[at], emitted - at - 1)
    before = np.concatenate([[0], np.maximum.accumulate(late)[:-1]])
    accepted = number + np.maximum(before, arriving)
    return np.asarray(accepted[reads]), np.asarray(emitted)


def repeated(
    offered: Clocks, width: int, groups: int, times: tuple[int, int]
) -> tuple[Clocks, Clocks]:
    """Return when rows of pixels to repeat are taken, and when the repetitions are offered.

    Args:
        offered: when the beats are offered.
        width: pixels of a row.
        groups: beats of a pixel.
        times: repetitions of each row, and of each pixel in it.
    """
    line = width * groups
    rows = offered.reshape(-1, line)
    once = np.arange(line).reshape(width, groups)
    order = np.tile(np.repeat(once, times[1], axis=0).ravel(), times[0]).tolist()
    accepted, emitted = np.empty_like(rows), []
    last_read = [0] * line
    now = 0
    for row, arriving in enumerate(rows):
        accepted[row] = np.maximum(arriving, last_read)
        there = accepted[row].tolist()
        for place in order:
            now = max(now + 1, there[place] + 1)
            last_read[place] = now
            emitted.append(now + 1)
    return accepted.ravel(), np.array(emitted)
