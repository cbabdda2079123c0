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

SAMPLES = 2
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


def source(beats: int, each: int, interval: int, samples: int) -> Clocks:
    """Return when a stream delivers the beats of samples: evenly, but at least `each` clocks apart.

    It could deliver earlier, but would only fill queues.
    """
    number = np.arange(beats)
    beat = np.maximum(number * each, number * interval // beats)
    return np.add.outer(np.arange(samples) * interval, beat).ravel()


def taken(offered: Clocks, clocks: int | Clocks) -> Clocks:
    """Return when a module takes beats, given the clocks that it needs for each."""
    needed = np.broadcast_to(np.asarray(clocks, dtype=np.int64), offered.shape)
    before = np.cumsum(needed) - needed
    return np.asarray(np.maximum.accumulate(offered - before) + before)


def suffices(room: int, offered: Clocks, accepted: Clocks) -> bool:
    """Return whether at most `room` beats ever wait at a time."""
    later, gone = offered[room:], accepted[: max(len(accepted) - room, 0)]
    # Mostly, a few beats already show that it does not.
    return all((gone[::each] <= later[::each]).all() for each in (64, 1))


def through_window(offered: Clocks, steps: Steps, each: int) -> tuple[Clocks, Clocks]:
    """Return when a window takes the beats of images, and when the next module takes its own.

    Each step takes a clock, and waits for the beat that it reads. A beat out is held until the next
    module, which needs `each` clocks per beat, is free.
    """
    samples, size = len(offered) // np.count_nonzero(steps.reads), len(steps.reads)
    reads, emits = (
        slice(None)
        if chosen.all()  # then nothing has to be looked up
        else np.add.outer(np.arange(samples) * size, np.flatnonzero(chosen)).ravel()
        for chosen in (steps.reads, steps.emits)
    )
    # All times are those of a step less its number, so that a delay is kept by what follows.
    number = np.arange(samples * size)
    read_at, at = number[reads], number[emits]
    before = np.zeros(samples * size + 1, dtype=np.int64)
    late = before[1:]
    late[reads] = offered - read_at
    np.maximum.accumulate(before, out=before)
    apart = np.full_like(at, each)
    np.maximum(apart[1:], at[1:] - at[:-1], out=apart[1:])
    np.cumsum(apart, out=apart)
    emitted = apart + np.maximum.accumulate(late[emits] + at + 1 - apart)
    late[emits] = emitted - at - 1
    np.maximum.accumulate(before, out=before)
    return np.maximum(offered, before[:-1][reads] + read_at), np.asarray(emitted)


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
    order = np.tile(np.repeat(once, times[1], axis=0).ravel(), times[0])
    last = np.zeros(line, dtype=np.int64)
    last[order] = np.arange(len(order))  # of several, the last one stays
    accepted, read = np.empty_like(rows), np.zeros((len(rows), len(order)), dtype=np.int64)
    before = np.zeros(len(order), dtype=np.int64)
    for row, arriving in enumerate(rows):
        accepted[row] = np.maximum(arriving, before[last])
        read[row] = taken(np.maximum(accepted[row, order], before[-1]) + 1, 1)
        before = read[row]
    return accepted.ravel(), read.ravel() + 1
