"""Samples from files and generators give the bits of samples in memory, and are never all in memory."""

import itertools
import tracemalloc

import numpy as np
import pytest
from conftest import OPTIMIZERS, state_of
from fit_samples import HELD_OUT, X, Y, fit, network, state

import fastbp
from fastbp.batches import samples as samples_module
from fastbp.batches import sources


def on_disk(folder, array, name="data", order="C"):
    path = folder / f"{name}.npy"
    np.save(path, np.asarray(array, order=order))
    return np.load(path, mmap_mode="r")


@pytest.fixture
def small_pieces(monkeypatch):
    """Make a compiled call two mini-batches long, and a block three samples."""
    monkeypatch.setattr(sources, "FLOPS_BETWEEN_LOOKS", network()._model.flops_per_sample * 10)
    monkeypatch.setattr(samples_module, "BLOCK_BYTES", 60)


def test_files_give_the_bits_of_memory(formulation, small_pieces, tmp_path, new_optimizer):
    in_memory, mapped = network(formulation), network(formulation)
    options = {"epochs": 3, "batch_size": 5}
    in_memory.fit(X, Y, optimizer=new_optimizer(), validation_data=HELD_OUT, **options)
    validation = on_disk(tmp_path, HELD_OUT[0], "vx"), on_disk(tmp_path, HELD_OUT[1], "vy")
    x, y = on_disk(tmp_path, X, "x"), on_disk(tmp_path, Y, "y")
    mapped.fit(x, y, optimizer=new_optimizer(), validation_data=validation, **options)
    assert state(mapped) == state(in_memory)
    np.testing.assert_allclose(mapped.history.cost, in_memory.history.cost, rtol=1e-12)
    np.testing.assert_allclose(mapped.history.validation_cost, in_memory.history.validation_cost, rtol=1e-6)
    assert mapped.history.validation_accuracy == in_memory.history.validation_accuracy


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint8", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_any_dtype_and_layout(dtype, order, small_pieces, tmp_path):
    x = (100 * np.abs(X)).astype(dtype)
    in_memory, mapped = network(), network()
    labels = Y.argmax(axis=1)
    in_memory.fit(x, labels, epochs=2, batch_size=5)
    mapped.fit(on_disk(tmp_path, x, order=order), labels, epochs=2, batch_size=5)
    assert state(mapped) == state(in_memory)


@pytest.mark.parametrize(
    "options",
    [
        {"shuffle": False}, {"shuffle": [np.arange(23)[::-1]] * 3}, {"validation_split": 0.3}, {"batch_size": 100},
        {"class_weight": "balanced"}, {"sample_weight": np.linspace(0, 1, 23)}, {"l2": 0.5, "clip_norm": 0.1},
        {"class_weight": {1: 2.0}, "sample_weight": np.linspace(0, 1, 23), "validation_split": 0.3},
    ],
)  # fmt: skip
def test_every_option_that_is_about_samples(options, formulation, small_pieces, tmp_path):
    in_memory, mapped = network(formulation), network(formulation)
    chosen = {"epochs": 3, "batch_size": 5, "optimizer": fastbp.SGD(0.3), **options}
    in_memory.fit(X, Y, **chosen)
    mapped.fit(on_disk(tmp_path, X), Y, **chosen)
    assert state(mapped) == state(in_memory)


def test_dropout_drops_the_same_neurons_wherever_samples_come_from(formulation, small_pieces, tmp_path):
    """Only the place of a sample in its mini-batch decides, not whether it comes from memory, a file or chunks."""
    order = np.random.default_rng(0).permutation(23)
    options = {"epochs": 2, "batch_size": 5, "optimizer": fastbp.SGD(0.3), "dropout": 0.5}
    in_memory, mapped, chunked, sorted_rows, plain = (network(formulation) for _ in range(5))
    in_memory.fit(X, Y, shuffle=[order] * 2, **options)
    mapped.fit(on_disk(tmp_path, X), Y, shuffle=[order] * 2, **options)
    chunked.fit(lambda: ((X[rows], Y[rows]) for rows in np.split(order, [7, 8])), **options)
    sorted_rows.fit(X[order], Y[order], shuffle=False, **options)
    plain.fit(X, Y, shuffle=[order] * 2, **{**options, "dropout": None})
    assert state(mapped) == state(in_memory) and state(plain)[0] != state(in_memory)[0]
    assert state(chunked)[0] == state(sorted_rows)[0] == state(in_memory)[0]


@pytest.mark.parametrize("optimizer", [fastbp.LBFGS, fastbp.ConjugateGradient])
def test_line_searches_take_files(optimizer, formulation, small_pieces, tmp_path, monkeypatch):
    """Memory and file sum the gradient over the same pieces, so the bits are equal; one whole sum nearly agrees."""
    in_memory, mapped, at_once = (network(formulation, "float64") for _ in range(3))
    options = {"epochs": 6, "validation_split": 0.2, "l2": 0.5}
    in_memory.fit(X, Y, optimizer=optimizer(), **options)
    mapped.fit(on_disk(tmp_path, X), Y, optimizer=optimizer(), **options)
    assert state(mapped) == state(in_memory) and mapped.history.cost == in_memory.history.cost
    monkeypatch.setattr(samples_module, "BLOCK_BYTES", 2**20)
    at_once.fit(X, Y, optimizer=optimizer(), **options)
    np.testing.assert_allclose(mapped.history.cost, at_once.history.cost, rtol=1e-9)


def test_a_file_is_never_in_memory_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(samples_module, "BLOCK_BYTES", 2**18)
    monkeypatch.setattr("fastbp.batches.sources.BLOCK_BYTES", 2**18)
    net = fastbp.Network([256, 2], cost="cross_entropy", seed=0, formulation="loops")
    x = on_disk(tmp_path, np.zeros((40_000, 256), np.uint8))
    labels = np.zeros(40_000, np.int64)
    net.fit(x[:100], labels[:100], epochs=1)  # compiles
    tracemalloc.start()
    net.fit(x, labels, epochs=1, batch_size=100, validation_split=0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40_000 * 256 / 2  # half of the file, an eighth of its size in float32


def test_ctrl_c_and_resume_from_files(small_pieces, tmp_path):
    x, net, whole, optimizer = on_disk(tmp_path, X), network(), network(), fastbp.Adam()

    class Interrupts(fastbp.Callback):
        def on_epoch_begin(self, run):
            if run.epoch == 3:
                raise KeyboardInterrupt

    with pytest.warns(RuntimeWarning, match="interrupted after 2 of 5"):
        net.fit(x, Y, epochs=5, batch_size=5, optimizer=optimizer, callbacks=[Interrupts()])
    net.fit(x, Y, epochs=3, batch_size=5, optimizer=optimizer)
    whole.fit(X, Y, epochs=5, batch_size=5, optimizer=fastbp.Adam())
    assert state(net) == state(whole)


def with_entry(array, index, value):
    array = np.array(array)
    array[index] = value
    return array


WRONG_FILES = {
    "NaN": (with_entry(X, (20, 1), np.nan), Y, r"rows 18 to 20, counted from 18: X\[2, 1\] is nan"),
    "a label": (X, with_entry(Y.argmax(axis=1), 22, 7), r"rows 21 to 22, counted from 21: Y\[1\] is 7"),
    "too few features": (X[:, :2], Y, "X has 2 features, but the network expects 3"),
    "flat": (X.ravel(), Y, r"X has shape \(69,\); needed is \(n_samples, n_features\)"),
    "empty": (X[:0], Y[:0], r"X has shape \(0, 3\); needed is .* at least one sample"),
    "too short": (X, Y[:4], r"Y has shape \(4, 2\), but X has 23 rows"),
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_wrong_files_are_refused_before_anything_changes(name, small_pieces, tmp_path):
    x, y, message = WRONG_FILES[name]
    net = network()
    fit(net, 1)
    before = state_of(net)
    x = on_disk(tmp_path, x) if x.size else np.zeros((0, 3)).view(np.memmap)
    with pytest.raises(ValueError, match=message):
        net.fit(x, y, batch_size=5)
    assert state_of(net) == before


# Chunks


def chunks(sizes=(4, 1, 11, 7)):
    for stop, size in zip(itertools.accumulate(sizes), sizes, strict=True):
        yield X[stop - size : stop], Y[stop - size : stop]


PLACES = [slice(0, 4), slice(4, 5), slice(5, 16), slice(16, 23)]  # of the chunks in X and Y


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("sizes", [(23,), (4, 1, 11, 7), (1,) * 23])
def test_chunks_give_the_bits_of_memory_in_order(sizes, optimizer, formulation, small_pieces):
    in_memory, chunked = network(formulation), network(formulation)
    fit(in_memory, 3, optimizer=OPTIMIZERS[optimizer](), shuffle=False, validation_data=HELD_OUT)
    made = OPTIMIZERS[optimizer]()
    history = chunked.fit(lambda: chunks(sizes), epochs=3, batch_size=5, optimizer=made, validation_data=HELD_OUT)
    assert state(chunked) == state(in_memory)
    np.testing.assert_allclose(history.cost, in_memory.history.cost, rtol=1e-12)


def test_a_generator_is_one_epoch():
    in_memory, chunked = network(), network()
    fit(in_memory, 1, shuffle=False, class_weight={1: 3.0})
    chunked.fit(chunks(), epochs=1, batch_size=5, optimizer=fastbp.Momentum(0.1), class_weight={1: 3.0})
    assert state(chunked) == state(in_memory)


def test_chunks_have_weights_of_their_own(formulation, small_pieces):
    """Weights follow the samples of a chunk over buffers and epochs; the weights of one chunk may all be 0."""
    weight = np.r_[np.zeros(4), np.linspace(0, 3, 19)]
    options = {"batch_size": 5, "optimizer": fastbp.SGD(0.3), "class_weight": {1: 2.0}}
    in_memory, chunked, endless = network(formulation), network(formulation), network(formulation)
    in_memory.fit(X, Y, epochs=2, shuffle=False, sample_weight=weight, **options)
    chunked.fit(
        lambda: ((*pair, weight[rows]) for pair, rows in zip(chunks(), PLACES, strict=True)), epochs=2, **options
    )
    assert state(chunked)[0] == state(in_memory)[0]
    twice, order = itertools.repeat((X, Y, weight)), np.r_[0:23, 0:17]
    in_memory.fit(X[order], Y[order], epochs=1, shuffle=False, sample_weight=weight[order], **options)
    endless.parameters = chunked.parameters
    endless.fit(twice, epochs=2, steps_per_epoch=4, **options)
    assert state(endless)[0] == state(in_memory)[0]


WRONG_WEIGHTS = {
    "too few": (np.ones(22), r"chunk sample_weight has shape \(22,\); needed is \(23,\)"),
    "negative": (np.r_[np.ones(22), -1], r"chunk sample_weight\[22\] is -1; weights must be at least 0"),
    "missing": (
        None,
        "a chunk has no sample_weight, but the first has a sample_weight for each sample: give the same in all",
    ),
}


@pytest.mark.parametrize("name", WRONG_WEIGHTS)
def test_wrong_weights_of_a_chunk_keep_the_epochs_before_it(name):
    weight, message = WRONG_WEIGHTS[name]
    wrong = (X, Y) if weight is None else (X, Y, weight)
    net, one = network(), network()
    epochs = iter([[(X, Y, np.ones(23))], [wrong]])
    with pytest.raises(ValueError, match=message):
        net.fit(lambda: next(epochs), epochs=2, batch_size=5, optimizer=fastbp.SGD(0.1))
    one.fit(X, Y, epochs=1, batch_size=5, optimizer=fastbp.SGD(0.1), shuffle=False)
    assert state(net)[0] == state(one)[0] and len(net.history) == 1


def test_a_generator_without_end(small_pieces):
    """Six epochs of four mini-batches take 120 samples: the 23 in order, over and over."""
    over_and_over = itertools.chain.from_iterable(chunks() for _ in itertools.count())
    x, y = (np.concatenate([part] * 6)[:120] for part in (X, Y))
    in_memory, chunked = network(), network()
    in_memory.fit(x, y, epochs=1, batch_size=5, shuffle=False, optimizer=fastbp.SGD(0.1), l2=6.0)
    history = chunked.fit(over_and_over, epochs=6, steps_per_epoch=4, batch_size=5, optimizer=fastbp.SGD(0.1), l2=1.0)
    assert len(history) == 6
    np.testing.assert_allclose(chunked.parameters, in_memory.parameters, rtol=1e-6)


WRONG_CHUNKS = {
    "a generator, twice": (chunks, {"epochs": 2}, ValueError, "X is a one-shot iterator but epochs is 2"),
    "split": (chunks, {"validation_split": 0.5}, ValueError, "validation_split is not possible with chunks"),
    "weights": (
        chunks,
        {"sample_weight": np.ones(23)},
        ValueError,
        "sample_weight must be in the chunks: \\(X, Y, sample_weight",
    ),
    "balanced": (chunks, {"class_weight": "balanced"}, ValueError, "with chunks, class_weight must be a dict"),
    "own order": (chunks, {"shuffle": [range(23)]}, ValueError, "with chunks shuffle must be True or False"),
    "l2": (
        chunks,
        {"l2": 1.0},
        ValueError,
        "would use up the iterator: give the function that makes it, or",
    ),
    "steps of arrays": (lambda: X, {"Y": Y, "steps_per_epoch": 3}, ValueError, "steps_per_epoch is for chunks"),
    "no steps": (chunks, {"steps_per_epoch": 0}, ValueError, "steps_per_epoch is 0; it must be at least 1"),
    "no targets": (lambda: X, {}, TypeError, "Y is of dtype object"),
}


@pytest.mark.parametrize("name", WRONG_CHUNKS)
def test_options_that_chunks_lack_are_refused_before_anything_changes(name):
    make, options, error, message = WRONG_CHUNKS[name]
    net = network()
    fit(net, 1)
    before = state_of(net)
    with pytest.raises(error, match=message):
        net.fit(make(), **{"epochs": 1, "batch_size": 5, **options})
    assert state_of(net) == before


@pytest.mark.parametrize(
    ("second", "options", "message"),
    [
        ([(X[:, :2], Y)], {}, "chunk X has 2 features"),
        ([(X, Y[:3])], {}, "chunk Y has 3 rows, but X has 23"),
        ([X], {}, r"a chunk is a ndarray; it must be a pair \(X, Y\), or \(X, Y, sample_weight\)"),
        ([(X, Y, np.ones(23))], {}, "a chunk has a sample_weight for each sample, but the first has no"),
        ([], {}, "the chunks of this epoch have no samples"),
        (
            [(X, np.full((23, 2), 0.5))],
            {"class_weight": {1: 2.0}},
            "targets that are classes, but a chunk has other targets",
        ),
    ],
)
def test_a_wrong_chunk_keeps_the_epochs_before_it(second, options, message):
    net, one = network(), network()
    epochs = iter([chunks(), second])
    with pytest.raises(ValueError, match=message):
        net.fit(lambda: next(epochs), epochs=3, batch_size=5, optimizer=fastbp.SGD(0.1), **options)
    one.fit(chunks(), epochs=1, batch_size=5, optimizer=fastbp.SGD(0.1), **options)
    assert state(net) == state(one) and len(net.history) == 1


def test_a_function_is_called_again_when_its_chunks_run_out():
    """An epoch of 4 mini-batches needs 20 of the 23 samples, one of 7 needs 35; the next epoch begins with the rest."""
    for steps in (4, 7):
        again, endless = network(), network()
        options = {"epochs": 3, "steps_per_epoch": steps, "batch_size": 5}
        again.fit(chunks, optimizer=fastbp.SGD(0.1), **options)
        endless.fit(
            itertools.chain.from_iterable(chunks() for _ in itertools.count()), optimizer=fastbp.SGD(0.1), **options
        )
        assert state(again) == state(endless)


def test_a_function_that_has_no_more_chunks_is_no_endless_loop():
    rounds = iter([chunks(), ()])
    with pytest.raises(ValueError, match="the chunks ran out 2 samples before the end"):
        network().fit(lambda: next(rounds), epochs=1, steps_per_epoch=5, batch_size=5)


@pytest.mark.parametrize("penalty", ["l2", "l1"])
def test_penalties_count_the_samples_of_chunks(penalty):
    in_memory, chunked, walked = network(), network(), network()
    fit(in_memory, 2, optimizer=fastbp.SGD(0.3), shuffle=False, **{penalty: 2.0})
    options = {"epochs": 2, "batch_size": 5, "optimizer": fastbp.SGD(0.3), penalty: 2.0}
    chunked.fit(chunks, **options)

    class Loader:
        def __iter__(self):
            return chunks()

    walked.fit(Loader(), **options)
    assert state(chunked) == state(walked) == state(in_memory)


def test_chunks_that_run_out_keep_the_epochs_before():
    net, one = network(), network()
    with pytest.raises(ValueError, match="the chunks ran out 7 samples before the end of the epoch"):
        net.fit(chunks(), epochs=2, steps_per_epoch=3, batch_size=5, optimizer=fastbp.SGD(0.1))
    one.fit(X[:15], Y[:15], epochs=1, batch_size=5, optimizer=fastbp.SGD(0.1), shuffle=False)
    assert state(net) == state(one) and len(net.history) == 1
