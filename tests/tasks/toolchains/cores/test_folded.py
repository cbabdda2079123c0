"""A folded core in its shell, clock by clock, gives what the C simulation gives."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tasks.core.errors import CoreMismatchError, DoesNotFitError, InputError, UnsupportedModelError
from tasks.core.records.base import Entry
from tasks.core.records.design import FixedPoint, HlsProject, Resources, Stream
from tasks.core.records.settings import ConvertSettings
from tasks.toolchains.cores import choice, formats
from tasks.toolchains.cores.folded import memory, timing
from tasks.toolchains.cores.folded.arithmetic import Matrix, Sums, raw, smallest_format
from tasks.toolchains.cores.folded.estimate import estimate
from tasks.toolchains.cores.folded.plan import Window
from tasks.toolchains.cores.graph import load_graph
from tasks.toolchains.cores.size import unrolled_luts
from tasks.toolchains.cores.synthesizer import TracedCore
from tasks.toolchains.open.proof import ProofRequest, prove
from tasks.toolchains.shell.shell import Design, core_files, write_design

PART = Resources.of_part("pynq-z2")
RNG = np.random.default_rng(11)
TYPES = {"result": "fixed<12,5>", "accum": "fixed<18,8>", "weight": "fixed<6,2>"}
TYPES |= {"bias": "fixed<6,2>"}
CONV = {"data_format": "channels_last", "dilation_height": 1, "dilation_width": 1}


def dense(model: Any, source: str, n_in: int, n_out: int, **settings: Any) -> str:
    data = {"weight_data": RNG.normal(size=(n_in, n_out)), "bias_data": RNG.normal(size=n_out)}
    types = settings.pop("types", TYPES)
    name: str = model.add("Dense", source, types=types, n_in=n_in, n_out=n_out, **data, **settings)
    return name


def convolution(model: Any, n_filt: int, **size: int) -> Callable[[str], str]:
    """A valid 3 x 3 convolution of stride 1, to be put behind a layer."""
    height, width, channels = size["in_height"], size["in_width"], size["n_chan"]
    one = {"stride_height": 1, "stride_width": 1, "filt_height": 3, "filt_width": 3}
    one |= dict.fromkeys(("pad_top", "pad_bottom", "pad_left", "pad_right"), 0)
    data = {"weight_data": RNG.normal(size=(3, 3, channels, n_filt)),
            "bias_data": RNG.normal(size=n_filt)}  # fmt: skip

    def add(source: str) -> str:
        name: str = model.add(
            "Conv2D", source, types=TYPES, n_filt=n_filt, padding="valid",
            out_height=height - 2, out_width=width - 2, **CONV, **one, **size, **data,
        )  # fmt: skip
        return name

    return add


def pooled(model: Any, source: str, size: int, n_filt: int) -> str:
    """Maxima of 2 x 2 pixels."""
    pool: dict[str, Any] = dict.fromkeys(("pad_top", "pad_bottom", "pad_left", "pad_right"), 0)
    pool |= dict.fromkeys(("pool_height", "pool_width", "stride_height", "stride_width"), 2)
    pool |= {"in_height": size, "in_width": size, "out_height": size // 2, "out_width": size // 2}
    pool |= {"n_filt": n_filt, "pool_op": "Max", "padding": "valid", "count_pad": False}
    types = {"result": "fixed<12,5>", "accum": "fixed<14,8>"}
    name: str = model.add("MaxPooling2D", source, types=types, data_format="channels_last", **pool)
    return name


def project_of(files: Path, model: Any, shapes: tuple[Any, Any], **settings: Any) -> HlsProject:
    """The record of a converted zoo, with the settings of its core."""
    chosen = ConvertSettings.model_validate({"project_name": "zoo", "core": "folded"} | settings)
    graph = load_graph(files / "model.fml", files / "project" / "firmware" / "weights")
    sides = zip(shapes, (graph.input, graph.output), strict=True)
    given_, answered = (
        Stream(shape=shape, element=tensor.format, words=chosen.words) for shape, tensor in sides
    )
    del model
    return HlsProject(
        entry=Entry(step="convert", digest="0" * 64),
        settings=chosen,
        backend="Vivado",
        part="xc7z020clg400-1",
        model_name="zoo",
        model_digest="0" * 64,
        input=given_,
        output=answered,
        samples=len(np.load(files / "X_test.npy")),
        accuracy_framework=None,
        accuracy_csim=None,
        versions={},
    )


@pytest.fixture
def mlp(tmp_path: Path, make_zoo: Any, samples: Any) -> HlsProject:
    """Two Dense layers with a ReLU between them: 12, 10 and 5 elements."""
    model = make_zoo(tmp_path, (12,), "fixed<10,4>")
    hidden = dense(model, "x", 12, 10)
    active = model.add("Activation", hidden, types="fixed<9,4>", activation="relu", n_in=10)
    model.branches.append(dense(model, active, 10, 5))
    return project_of(tmp_path, model.run(samples(60, 12)), ((12,), (5,)))


def with_settings(project: HlsProject, **settings: Any) -> HlsProject:
    chosen = project.settings.model_copy(update=settings)
    return project.model_copy(update={"settings": chosen})


def design_of(project: HlsProject, core: Path, latency_cycles: int | None = None) -> Design:
    return write_design(
        core_files(core),
        project_name="zoo",
        input=project.input,
        output=project.output,
        latency_cycles=latency_cycles,
        directory=core,
    )


@pytest.mark.slow
@pytest.mark.parametrize("words_", ["float32", "packed"])
def test_a_sample_takes_as_many_clocks_as_it_has_words(
    mlp: HlsProject, tmp_path: Path, words_: str
) -> None:
    project = mlp.model_copy(
        update={
            side: getattr(mlp, side).model_copy(update={"words": words_})
            for side in ("input", "output")
        }
    )
    choice.build(tmp_path, project, PART, tmp_path)
    proof = prove(ProofRequest(files=tmp_path, project=project, core=tmp_path / "rtl"))
    assert proof.samples == 60
    assert proof.interval_cycles == project.words_per_sample == {"float32": 12, "packed": 6}[words_]


@pytest.mark.slow
def test_a_small_unet_answers_as_the_c_simulation(
    tmp_path: Path, make_zoo: Any, samples: Any
) -> None:
    """What is pooled and enlarged again comes late: its other branch waits in a queue for it."""
    model = make_zoo(tmp_path, (8, 8, 2), "fixed<8,3>")
    around = dict.fromkeys(("pad_top", "pad_bottom", "pad_left", "pad_right"), 1)
    shape = {"filt_height": 3, "filt_width": 3, "stride_height": 1, "stride_width": 1}

    def conv(source: str, size: int, n_chan: int, n_filt: int) -> str:
        data = {"weight_data": RNG.normal(size=(3, 3, n_chan, n_filt)),
                "bias_data": RNG.normal(size=n_filt)}  # fmt: skip
        sizes = dict.fromkeys(("in_height", "in_width", "out_height", "out_width"), size)
        name: str = model.add(
            "Conv2D", source, types=TYPES, n_chan=n_chan, n_filt=n_filt, padding="same",
            **CONV, **shape, **around, **sizes, **data,
        )  # fmt: skip
        return name

    fine = conv("x", 8, 2, 4)
    coarse = conv(pooled(model, fine, 8, 4), 4, 4, 4)
    sizes = {"in_height": 4, "in_width": 4, "out_height": 8, "out_width": 8, "n_chan": 4}
    large = model.add(
        "Resize", coarse, types="fixed<12,5>", algorithm="nearest",
        data_format="channels_last", **sizes,
    )  # fmt: skip
    both = model.add("Concatenate", large, fine, types="fixed<12,5>", op="concatenate3d", axis=-1)
    model.branches.append(conv(both, 8, 8, 2))
    run = model.run(samples(12, 8, 8, 2), "io_stream")
    project = project_of(tmp_path, run, ((8, 8, 2), (8, 8, 2)))
    report = choice.build(tmp_path, project, PART, tmp_path)
    assert report.core == "folded"
    proof = prove(ProofRequest(files=tmp_path, project=project, core=tmp_path / "rtl"))
    assert proof.samples == 12


def test_an_accumulator_that_may_saturate_is_refused_by_the_layers_name(
    tmp_path: Path, make_zoo: Any, samples: Any
) -> None:
    model = make_zoo(tmp_path, (12,), "fixed<10,4>")
    types = TYPES | {"accum": "fixed<10,3,TRN,SAT>"}
    model.branches.append(dense(model, "x", 12, 4, types=types))
    project = project_of(tmp_path, model.run(samples(5, 12)), ((12,), (4,)))
    with pytest.raises(UnsupportedModelError, match=r"(?s)dense_1.*may saturate.*core unrolled"):
        choice.build(tmp_path, project, PART, tmp_path)
    report = choice.build(tmp_path, with_settings(project, core="auto"), PART, tmp_path)
    assert report.core == "unrolled"


@pytest.mark.slow
def test_auto_takes_an_unrolled_core_if_the_folded_one_differs_and_says_so(
    tmp_path: Path, make_zoo: Any, samples: Any, caplog: pytest.LogCaptureFixture
) -> None:
    model = make_zoo(tmp_path, (40,), "fixed<10,4>")
    model.branches.append(dense(model, "x", 40, 30))
    project = project_of(tmp_path, model.run(samples(20, 40)), ((40,), (30,)))
    # Only the stream in front of the folded core gets another format than the model has.
    element = project.input.element.model_copy(update={"integer": 2})
    stream = project.input.model_copy(update={"element": element})
    wrong = project.model_copy(update={"input": stream})
    entry = Entry(step="synthesize", digest="0" * 64)
    for name in ("out", "folded"):
        (tmp_path / name).mkdir()
    with pytest.raises(CoreMismatchError, match="differs from the C simulation on"):
        TracedCore().synthesize(wrong, tmp_path, entry, tmp_path / "folded")
    caplog.set_level("WARNING")
    auto = with_settings(wrong, core="auto")
    synthesis = TracedCore().synthesize(auto, tmp_path, entry, tmp_path / "out")
    assert synthesis.core == "unrolled"
    assert synthesis.project.settings.core == "auto"
    assert "differs from the C simulation" in caplog.text
    assert "taking an unrolled core instead" in caplog.text


def test_an_interval_shorter_than_the_words_of_a_sample_is_refused(
    mlp: HlsProject, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"(?s)every 7 clocks.*12 stream words.*ask for 12"):
        choice.build(tmp_path, with_settings(mlp, interval_cycles=7), PART, tmp_path)


def test_a_core_that_does_not_fit_says_what_would_make_it_fit(
    mlp: HlsProject, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    small = Resources(lut=900, ff=0, dsp=8, bram_36k=2)
    choice.build(tmp_path, mlp, small, tmp_path)
    assert "by estimate the folded core does not fit: it takes" in caplog.text
    assert "% of the part's LUT; it fits with interval_cycles 48" in caplog.text
    tiny = Resources(lut=100, ff=0, dsp=0, bram_36k=0)
    with pytest.raises(DoesNotFitError, match=r"(?s)does not fit.*part's.*no interval.*use board"):
        choice.build(tmp_path, mlp, tiny, tmp_path)


def test_of_larger_boards_the_smallest_that_holds_the_weights_is_named(
    tmp_path: Path, make_zoo: Any, samples: Any
) -> None:
    # 6 million bits, which only the block RAM of larger boards holds.
    model = make_zoo(tmp_path, (500,), "fixed<10,4>")
    wide = {**TYPES, "weight": "fixed<24,2>"}
    model.branches.append(dense(model, "x", 500, 500, types=wide))
    model.convert()
    weights = tmp_path / "project" / "firmware" / "weights"
    weights.mkdir(parents=True)
    for name, count in (("w2", 500 * 500), ("b2", 500)):
        values = RNG.integers(-(1 << 23), 1 << 23, size=count) / (1 << 22)
        (weights / f"{name}.txt").write_text(", ".join(map(str, values.tolist())))
    np.save(tmp_path / "X_test.npy", samples(1, 500))
    project = project_of(tmp_path, model, ((500,), (500,)))
    with pytest.raises(DoesNotFitError, match="board kind ultra96v2 with interval_cycles 1000"):
        choice.build(tmp_path, project, PART, tmp_path)


def test_a_deep_memory_is_filled_in_blocks_that_yosys_reads_in_time(tmp_path: Path) -> None:
    weights = RNG.integers(-8, 8, size=(1000, 2)).astype(float)
    four = FixedPoint(width=4, integer=4)
    decided = Sums(weight=four, format=four, cut=0, nearest=False, bias=np.zeros(1))
    memory.write("deep", weights, np.zeros((1, 1)), decided, tmp_path)
    blocks = (tmp_path / "deep.v").read_text().split("initial begin")[1:]
    words = [re.findall(r"memory\[(\d+)\] =", block) for block in blocks]
    assert [int(word) for block in words for word in block] == list(range(1000))
    assert max(map(len, words)) <= memory.INITIAL_BLOCK


def test_a_core_far_too_big_for_the_part_is_not_unrolled_instead(
    mlp: HlsProject, tmp_path: Path
) -> None:
    graph = load_graph(tmp_path / "model.fml", tmp_path / "project" / "firmware" / "weights")
    auto = with_settings(mlp, core="auto")
    at_full_rate = estimate(graph, auto.settings, mlp.input, mlp.output, PART).resources
    least = Resources(lut=at_full_rate.lut // 3, ff=0, dsp=2, bram_36k=2)
    assert unrolled_luts(graph) > least.lut
    with pytest.raises(DoesNotFitError, match=r"(?s)does not fit.*part's.*overlayflow estimate"):
        choice.build(tmp_path, auto, least, tmp_path)
    assert not (tmp_path / "rtl").exists()


def test_a_layer_that_only_unrolls_is_refused_by_its_name(
    tmp_path: Path, make_zoo: Any, samples: Any
) -> None:
    model = make_zoo(tmp_path, (3, 4), "fixed<10,4>")
    model.branch("Transpose", types="fixed<10,4>", perm=[1, 0])
    model.convert()
    np.save(tmp_path / "X_test.npy", samples(5, 3, 4))
    project = project_of(tmp_path, model, ((3, 4), (4, 3)))
    with pytest.raises(UnsupportedModelError, match=r"(?s)transpose_1.*cannot be folded.*unrolled"):
        choice.build(tmp_path, project, PART, tmp_path)


def test_a_longer_interval_needs_fewer_multipliers(mlp: HlsProject, tmp_path: Path) -> None:
    graph = load_graph(tmp_path / "model.fml", tmp_path / "project" / "firmware" / "weights")
    multipliers = []
    for interval in (0, 24, 60, 200):
        settings = with_settings(mlp, interval_cycles=interval).settings
        found = estimate(graph, settings, mlp.input, mlp.output, PART)
        assert found.interval <= (interval or 12)
        multipliers.append(sum(layer.multipliers for layer in found.layers))
    assert multipliers == sorted(multipliers, reverse=True)
    # As many as 12 x 10 and 10 x 5 products in 12 clocks need, at least.
    assert multipliers[0] >= 120 // 12 + 50 / 12
    assert multipliers[-1] == 2


@given(st.lists(st.integers(-300, 300), min_size=1, max_size=8), st.integers(-4, 8))
def test_the_smallest_format_holds_all_values_and_no_narrower_one_does(
    values: list[int], fraction: int
) -> None:
    exact = np.array(values) * 2.0**-fraction
    found = smallest_format(exact)
    np.testing.assert_array_equal(formats.cast_constants(exact, found), exact)
    np.testing.assert_array_equal(raw(exact, found) * formats.resolution(found), exact)
    narrower = (
        FixedPoint(width=found.width - 1, integer=integer)
        for integer in (found.integer - 1, found.integer)
        if found.width > 1
    )
    for other in narrower:
        assert (formats.cast_constants(exact, other) != exact).any()


def sums_of(weights: Matrix) -> Sums:
    element = smallest_format(weights)
    return Sums(weight=element, format=element, cut=0, nearest=False, bias=np.zeros(1))


@given(st.lists(st.integers(0, 7), max_size=90), st.integers(0, 3), st.integers(1, 4))
def test_constant_bits_of_weights_take_no_memory(others: list[int], zeros: int, lanes: int) -> None:
    column = np.array([0, 1, 2, 4, *others]) >> zeros << zeros  # any other bit changes
    weights = np.repeat(column[:, np.newaxis], lanes, axis=1).astype(float)
    by_lane, kept = memory.kept_bits(weights, sums_of(weights))
    assert by_lane.tolist() == [3 - zeros] * lanes
    # Lanes of equal weights share LUTs, but not the columns of a block RAM.
    assert kept == (3 - zeros) * (lanes if memory.in_blocks(len(column)) else 1)


def test_memories_take_the_block_ram_that_yosys_takes() -> None:
    """As counted: weights of two shapes, then queues and lines on both sides of the border."""
    assert memory.blocks(2016, 8) == 0.5
    assert memory.blocks(768, 120) == 3.5
    assert memory.queue_blocks(208, 8) == memory.queue_blocks(96, 8) == 0
    assert memory.queue_blocks(512, 6) == memory.queue_blocks(256, 24) == 0.5
    assert memory.queue_blocks(128, 64) == 1


@pytest.mark.parametrize(("width", "blocks"), [(4, 0), (5, 12)])
def test_products_of_fewer_than_nine_bits_stay_in_luts(
    tmp_path: Path, make_zoo: Any, samples: Any, width: int, blocks: int
) -> None:
    """As Yosys leaves them there: an estimate would promise blocks, and too few LUTs."""
    model = make_zoo(tmp_path, (12,), f"fixed<{width},2>")
    types = TYPES | {"weight": "fixed<4,2>"}
    model.branches.append(dense(model, "x", 12, 24, types=types))
    project = project_of(tmp_path, model.run(samples(2, 12)), ((12,), (24,)))
    graph = load_graph(tmp_path / "model.fml", tmp_path / "project" / "firmware" / "weights")
    found = estimate(graph, project.settings, project.input, project.output, PART)
    assert found.layers[0].multipliers == 12
    assert found.resources.dsp == blocks


PLACES = st.tuples(st.integers(3, 9), st.integers(3, 9))
EXTENTS = st.tuples(st.integers(1, 3), st.integers(1, 3))
STRIDES = st.tuples(st.integers(1, 2), st.integers(1, 2))
AROUND = st.tuples(*4 * [st.integers(0, 1)])


@given(PLACES, EXTENTS, STRIDES, AROUND, st.integers(1, 3), st.integers(1, 5))
def test_a_window_takes_the_clocks_that_it_is_planned_with(  # noqa: PLR0917 - all of a window
    image: tuple[int, int],
    extent: tuple[int, int],
    stride: tuple[int, int],
    around: tuple[int, int, int, int],
    groups: int,
    each: int,
) -> None:
    window = Window(image, extent, stride, around)
    steps = window.steps(groups)
    assert steps.reads.sum() == image[0] * image[1] * groups
    always_there = np.zeros(3 * steps.reads.sum(), np.int64)
    _, emitted = timing.through_window(always_there, steps, each)
    _, second, third = emitted.reshape(3, -1)
    clocks = third[-1] - second[-1]
    planned = window.clocks(groups, groups * each)
    # Below a row without windows, some of its clocks pass while the last one is worked on.
    assert planned - window.size[0] * groups * each <= clocks <= planned


@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=12),
    st.lists(st.integers(0, 9), min_size=36, max_size=36),
    st.integers(1, 6),
)
def test_a_window_moves_as_step_by_step(
    moves: list[tuple[bool, bool]], gaps: list[int], each: int
) -> None:
    reads, emits = np.array(moves).T
    assume(reads.any())
    offered = np.cumsum(gaps)[: 3 * reads.sum()]
    arriving, taken, given_on, now, free = iter(offered), [], [], 0, 0
    for reading, emitting in moves * 3:
        if reading:
            now = max(now, next(arriving))
            taken.append(now)
        now += 1
        if emitting:
            now = max(now, free)
            given_on.append(now)
            free = now + each
    accepted, emitted = timing.through_window(offered, timing.Steps(reads, emits), each)
    assert (accepted.tolist(), emitted.tolist()) == (taken, given_on)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.integers(1, 6))
def test_a_queue_is_as_deep_as_a_simulation_of_it_gets(gaps: list[int], clocks: int) -> None:
    offered = np.cumsum(np.array(gaps) + 1)
    accepted = timing.taken(offered, clocks)
    queue, free, deepest, gone = 0, 0, 0, []
    for now in range(int(accepted[-1]) + 1):
        queue += int((offered == now).sum())
        if queue and now >= free:
            gone.append(now)
            queue, free = queue - 1, now + clocks
        deepest = max(deepest, queue)
    assert gone == accepted.tolist()
    for room in range(len(gaps) + 2):
        assert timing.suffices(room, offered, accepted) == (room >= deepest)


@given(
    st.lists(st.integers(0, 9), min_size=24, max_size=24),
    st.sampled_from([(1, 1), (2, 1), (2, 3), (4, 3)]),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
)
def test_rows_are_repeated_as_beat_by_beat(
    gaps: list[int], row: tuple[int, int], times: tuple[int, int]
) -> None:
    width, groups = row
    offered = np.cumsum(gaps)
    taken, given_on, now, read = [], [], 0, [0] * width * groups
    for arriving in offered.reshape(-1, width * groups).tolist():
        there = [max(pair) for pair in zip(arriving, read, strict=True)]
        taken += there
        for _ in range(times[0]):
            for pixel in range(width):
                for place in list(range(pixel * groups, (pixel + 1) * groups)) * times[1]:
                    now = max(now, there[place]) + 1
                    read[place] = now
                    given_on.append(now + 1)
    accepted, emitted = timing.repeated(offered, width, groups, times)
    assert (accepted.tolist(), emitted.tolist()) == (taken, given_on)


@pytest.mark.slow
def test_layers_that_work_all_of_the_time_keep_the_streams_rate(
    tmp_path: Path, make_zoo: Any, samples: Any
) -> None:
    """A convolution behind another one gets its rows in bursts, between which it may not idle."""
    model = make_zoo(tmp_path, (12, 12, 2), "fixed<8,3>")
    wide, narrow = (convolution(model, n_filt, **size) for n_filt, size in (
        (8, {"in_height": 12, "in_width": 12, "n_chan": 2}),
        (9, {"in_height": 5, "in_width": 5, "n_chan": 8}),
    ))  # fmt: skip
    small = pooled(model, wide("x"), 10, 8)
    flat = model.add("Reshape", narrow(small), types="fixed<12,5>", target_shape=[81])
    model.branches.append(dense(model, flat, 81, 3))
    project = project_of(tmp_path, model.run(samples(12, 12, 12, 2)), ((12, 12, 2), (3,)))
    report = choice.build(tmp_path, project, PART, tmp_path)
    # The second convolution has few clocks to spare.
    busiest = max(layer.clocks for layer in report.layers if layer.layer.startswith("conv2d_3"))
    assert busiest > 0.85 * project.words_per_sample
    proof = prove(ProofRequest(files=tmp_path, project=project, core=tmp_path / "rtl"))
    assert proof.interval_cycles <= project.words_per_sample * 1.01
