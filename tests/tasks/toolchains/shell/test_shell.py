"""The shell loses nothing, keeps its rate, and answers what the exact model says."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import numpy as np
import pytest

from tests.tasks.toolchains.conftest import CASES
from tests.tasks.toolchains.standin import Case, Fabric, Words, answer

Load = Callable[[str], Fabric]

SAMPLES, IN_WAITS, OUT_WAITS, FIRST_OUT, LAST_OUT = 0x10, 0x14, 0x18, 0x20, 0x28
MANY = 10_000


def words_of(case: Case, samples: int, seed: int = 0) -> Words:
    """Words of random samples; floats reach beyond the element's range and below its last bit."""
    generator = np.random.default_rng(seed)
    count = samples * case.input.words_per_sample
    if case.input.words == "packed":
        return generator.integers(0, 1 << 32, count, dtype=np.uint32)
    magnitudes = 2.0 ** generator.integers(-12, 9, count)
    floats = (generator.standard_normal(count) * magnitudes).astype(np.float32)
    ties = generator.integers(-400, 400, count).astype(np.float32) / 32
    return np.where(generator.random(count) < 0.5, floats, ties).astype(np.float32).view(np.uint32)


def randomness(seed: str) -> Random:
    return Random(seed)  # noqa: S311 - tests repeat what they do


@dataclass
class Transcript:
    """What a design sent: its words, and which of them had TLAST."""

    words: list[int] = field(default_factory=list)
    lasts: list[int] = field(default_factory=list)


def drive(
    fabric: Fabric, words: Words, lasts: set[int], expected: int, random: Random
) -> Transcript:
    """Offer and take words in fits and starts, TLAST with those at `lasts`."""
    sent, got, idle = 0, Transcript(), 0
    while len(got.words) < expected and idle < MANY:
        end = min(len(words), sent + random.randrange(6))
        flagged = min((i for i in lasts if sent <= i < end), default=None)
        end = end if flagged is None else flagged + 1
        step = fabric.run(
            words[sent:end],
            last=flagged is not None,
            room=random.choice((0, 0, 1, 2, 7)),
            cycles=random.randrange(1, 9),
        )
        sent += step.consumed
        got.words += step.words.tolist()
        if step.last:
            got.lasts.append(len(got.words) - 1)
        idle = 0 if step.consumed or len(step.words) else idle + 1
    return got


@pytest.mark.parametrize("name", CASES)
def test_answers_as_the_model_however_the_streams_stall(fabric: Load, name: str) -> None:
    case = CASES[name]
    words = words_of(case, samples=120)
    expected = answer(case, words)
    got = drive(fabric(name), words, set(), len(expected), randomness(name))
    assert got.words == expected.tolist()
    assert got.lasts == []


@pytest.mark.parametrize("name", CASES)
def test_tlast_anywhere_in_a_sample_marks_its_result_and_nothing_else(
    fabric: Load, name: str
) -> None:
    case, random = CASES[name], randomness(name)
    words = words_of(case, samples=60)
    lasts = {i for i in range(len(words)) if random.random() < 0.5 / case.input.words_per_sample}
    expected = answer(case, words)
    got = drive(fabric(name), words, lasts, len(expected), random)
    size = case.output.words_per_sample
    marked = {i // case.input.words_per_sample for i in lasts}
    assert got.words == expected.tolist()
    assert got.lasts == [sample * size + size - 1 for sample in sorted(marked)]


@pytest.mark.parametrize("name", CASES)
def test_takes_a_word_every_clock(fabric: Load, name: str) -> None:
    case, design, samples = CASES[name], fabric(name), 50
    words = words_of(case, samples)
    expected = answer(case, words)
    step = design.run(words, last=True, room=len(expected), cycles=MANY)
    assert step.words.tolist() == expected.tolist()
    assert design.read(SAMPLES) == samples
    assert design.read(OUT_WAITS) == 0
    out_words = case.output.words_per_sample
    clocks = design.read(LAST_OUT) - design.read(FIRST_OUT)
    assert clocks == (samples - 1) * case.interval + out_words - 1
    if case.interval == case.input.words_per_sample:
        assert design.read(IN_WAITS) == 0


@pytest.mark.parametrize("name", CASES)
def test_holds_everything_while_nobody_takes_results(fabric: Load, name: str) -> None:
    case, design = CASES[name], fabric(name)
    words = words_of(case, samples=60)
    expected = answer(case, words)
    # Without room the design takes what it can hold, then stops the stream.
    held = design.run(words, last=True, room=0, cycles=2000)
    assert held.consumed < len(words)
    ins, *outs = (design.read(address) for address in (IN_WAITS, OUT_WAITS, OUT_WAITS))
    assert design.run(words[held.consumed :], last=True, room=0, cycles=50).consumed == 0
    assert design.read(IN_WAITS) == ins + 50 > 50
    # The output also waits while a register is read.
    assert design.read(OUT_WAITS) == outs[1] + 50 + 2 * (outs[1] - outs[0])
    rest = design.run(words[held.consumed :], last=True, room=len(expected), cycles=MANY)
    assert rest.words.tolist() == expected.tolist()


@pytest.mark.parametrize("name", CASES)
def test_counters_agree_with_the_handshakes(fabric: Load, name: str) -> None:
    case, design, random = CASES[name], fabric(name), randomness(name)
    words = words_of(case, samples=9)
    expected = len(answer(case, words))
    clock, sent, refused, ins, outs = 0, 0, 0, list[int](), list[int]()
    while len(outs) < expected:
        room, offered = random.randrange(2), random.randrange(2)
        given = words[sent : sent + offered]
        step = design.run(given, last=False, room=room, cycles=1)
        # Nothing to do is no clock.
        refused += step.cycles * (len(given) - step.consumed)
        ins += [clock] * step.consumed
        outs += [clock] * len(step.words)
        sent, clock = sent + step.consumed, clock + step.cycles
    assert design.read(SAMPLES) == 9
    assert design.read(FIRST_OUT) == outs[0] - ins[0]
    assert design.read(LAST_OUT) == outs[-1] - ins[0]
    assert design.read(IN_WAITS) == refused


def test_clearing_the_counters_starts_a_new_count(fabric: Load) -> None:
    case, design = CASES["floats"], fabric("floats")
    words = words_of(case, samples=4)
    room = len(answer(case, words))
    counts = []
    for _ in range(2):
        design.write(0x08, 1)
        assert [design.read(address) for address in range(0x10, 0x30, 4)] == [0] * 8
        design.run(words, last=True, room=room, cycles=MANY)
        counts.append([design.read(address) for address in range(0x10, 0x30, 4)])
    assert counts[0] == counts[1]
    assert counts[0][0] == 4


def test_writing_anything_but_1_to_the_control_register_clears_nothing(fabric: Load) -> None:
    case, design = CASES["floats"], fabric("floats")
    words = words_of(case, samples=1)
    design.run(words, last=True, room=3, cycles=MANY)
    design.write(0x08, 2)
    design.write(0x10, 1)
    assert design.read(SAMPLES) == 1


def test_says_what_it_is(fabric: Load) -> None:
    design = fabric("floats")
    assert design.abi == 1
    assert design.read(0x00).to_bytes(4, "big") == b"OFLW"
    assert design.read(0x04) == 1
    assert design.read(0x1C) == 0
