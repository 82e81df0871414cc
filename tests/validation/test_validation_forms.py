"""The same numbers in every form give the same bits: dtypes, memory layouts, lists, files, labels."""

import re

import numpy as np
import pytest
from hostile import unaligned
from hypothesis import given, settings
from hypothesis import strategies as st
from trained_networks import GOOD_X, GOOD_Y, classifier, one_output

import fastbp
from fastbp import validation
from fastbp.formulations import FORMULATIONS
from fastbp.functions.activations import ACTIVATIONS
from fastbp.functions.costs import COSTS


def plain(dtype):
    """Small whole numbers, which every dtype holds exactly, and labels."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 2, (9, 3)).astype(dtype), rng.integers(0, 2, 9)


def results(net, X, Y):
    net.fit(X, Y, epochs=2, batch_size=4, optimizer=fastbp.SGD(0.1))
    evaluation = net.evaluate(X, Y)
    return (
        net.parameters.tobytes(),
        net.predict(X).tobytes(),
        net.gradient(X, Y).vector.tobytes(),
        evaluation.cost,
        evaluation.accuracy,
    )


LAYOUTS = {
    "C": lambda a: np.ascontiguousarray(a),
    "Fortran": lambda a: np.asfortranarray(a),
    "strided": lambda a: (
        np.repeat(np.repeat(a, 2, axis=0), 3, axis=1)[::2, ::3] if a.ndim == 2 else np.repeat(a, 2)[::2]
    ),
    "negative strides": lambda a: np.ascontiguousarray(a[::-1, ::-1] if a.ndim == 2 else a[::-1])[
        (slice(None, None, -1),) * a.ndim
    ],
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "unaligned": unaligned,
    "part of a wider table": lambda a: np.pad(a, ((1, 2), (3, 4)) if a.ndim == 2 else (1, 2))[
        (slice(1, -2), slice(3, -4)) if a.ndim == 2 else slice(1, -2)
    ],
    "list": lambda a: a.tolist(),
    "tuple of tuples": lambda a: tuple(map(tuple, a.tolist())) if a.ndim == 2 else tuple(a.tolist()),
    "list of arrays": lambda a: list(a),
}


@pytest.fixture(scope="module")
def expected_results():
    """Results of C-contiguous arrays of the network's dtype, by (formulation, dtype, kind of targets)."""
    return {}


def targets(kind, labels):
    one_hot = np.eye(2)[labels]
    return {"labels": labels, "one-hot": one_hot}[kind]


@settings(deadline=None, max_examples=150, derandomize=True)
@given(
    formulation=st.sampled_from(list(FORMULATIONS)),
    dtype=st.sampled_from(["float32", "float64"]),
    given_dtype=st.sampled_from(
        ["float32", "float64", "int8", "int32", "int64", "uint8", "uint64", "bool", "longdouble"]
    ),
    x_layout=st.sampled_from(list(LAYOUTS)),
    y_layout=st.sampled_from(list(LAYOUTS)),
    y_dtype=st.sampled_from(["float32", "float64", "int8", "int64", "uint16", "bool"]),
    read_only=st.booleans(),
    kind=st.sampled_from(["labels", "one-hot"]),
)
def test_the_same_bits_in_every_form(
    formulation, dtype, given_dtype, x_layout, y_layout, y_dtype, read_only, kind, expected_results
):
    X, labels = plain(dtype)
    Y = targets(kind, labels)
    key = formulation, dtype, kind

    def network():
        return fastbp.Network([3, 4, 2], cost="cross_entropy", dtype=dtype, seed=1, formulation=formulation)

    if key not in expected_results:
        expected_results[key] = results(network(), X, Y)
    given_X, given_Y = LAYOUTS[x_layout](X.astype(given_dtype)), LAYOUTS[y_layout](Y.astype(y_dtype))
    arrays = [a for a in (given_X, given_Y) if isinstance(a, np.ndarray)]
    for array in arrays:
        array.flags.writeable = not read_only
    before = [(a.tobytes(), a.dtype, a.shape, a.strides, a.flags.writeable) for a in arrays]
    assert results(network(), given_X, given_Y) == expected_results[key]
    assert [(a.tobytes(), a.dtype, a.shape, a.strides, a.flags.writeable) for a in arrays] == before


@pytest.mark.parametrize("mode", ["r", "c", "r+"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_memory_mapped_files(tmp_path, mode, dtype, formulation):
    X, Y = plain(dtype)
    path = tmp_path / "X.npy"
    np.save(path, X)
    content = path.read_bytes()
    networks = [
        fastbp.Network([3, 4, 2], cost="cross_entropy", dtype=dtype, seed=1, formulation=formulation) for _ in range(2)
    ]
    mapped = np.load(path, mmap_mode=mode)
    assert isinstance(mapped, np.memmap)
    assert results(networks[0], mapped, Y) == results(networks[1], X, Y)
    assert type(networks[0].predict(mapped)) is np.ndarray
    del mapped
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "labels",
    [
        [0, 1, 1, 0],
        (0, 1, 1, 0),
        np.array([0, 1, 1, 0], np.uint8),
        [False, True, True, False],
        np.array([0.0, 1.0, 1.0, 0.0], np.float32),
    ],
)
def test_labels_are_one_hot_rows(labels):
    net = classifier()
    one_hot = [[1, 0], [0, 1], [0, 1], [1, 0]]
    assert net.gradient(GOOD_X, labels).vector.tobytes() == net.gradient(GOOD_X, one_hot).vector.tobytes()
    assert net.evaluate(GOOD_X, labels) == net.evaluate(GOOD_X, one_hot)
    assert net.evaluate(GOOD_X, labels).accuracy is not None


def test_flat_targets_for_one_output_are_a_column():
    net = one_output()
    column = GOOD_Y[:, None]
    assert net.gradient(GOOD_X, GOOD_Y).vector.tobytes() == net.gradient(GOOD_X, column).vector.tobytes()
    assert net.evaluate(GOOD_X, GOOD_Y) == net.evaluate(GOOD_X, column)
    assert net.evaluate(GOOD_X, GOOD_Y).accuracy is not None
    assert net.evaluate(GOOD_X, GOOD_Y * 0.5).accuracy is None  # probabilities are not classes


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_valid_array_is_not_copied(dtype):
    X = np.ones((5, 3), dtype)
    checked = validation.inputs(X, 3, np.dtype(dtype))
    assert np.shares_memory(checked, X)
    assert not checked.flags.writeable and X.flags.writeable
    Y = np.full((5, 2), 0.5, dtype)
    checked_Y, classes = validation.targets(Y, checked, 2, ACTIVATIONS["softmax"], COSTS["cross_entropy"])
    assert np.shares_memory(checked_Y, Y) and not classes
    assert not checked_Y.flags.writeable and Y.flags.writeable
    assert not np.shares_memory(validation.inputs(np.asfortranarray(X), 3, np.dtype(dtype)), X)


def test_large_finite_numbers_are_accepted():
    """Only their sum is infinite."""
    huge = np.full((4, 3), 1.7e308)
    assert np.shares_memory(validation.inputs(huge, 3, np.dtype(np.float64)), huge)
    with pytest.raises(ValueError, match=re.escape("X[0, 0] is 1.7e+308 and 11 more")):
        validation.inputs(huge, 3, np.dtype(np.float32))


def test_numpy_integers_are_whole_numbers():
    net = fastbp.Network(np.array([3, 4, 2]), seed=np.int64(1), cost="cross_entropy")
    net.fit(GOOD_X, GOOD_Y, epochs=np.int32(2), batch_size=np.uint8(2), progress=np.bool_(False))
    assert net.sizes == (3, 4, 2) and len(net.history) == 2


def test_sizes_may_be_any_iterable():
    assert fastbp.Network(n for n in (3, 4, 2)).sizes == (3, 4, 2)
    assert fastbp.Network((3, 2), activation=[]).sizes == (3, 2)


@pytest.mark.parametrize("dtype", ["float32", "f4", np.float32, np.dtype("float64"), "double", float])
def test_dtypes(dtype):
    assert fastbp.Network([3, 2], dtype=dtype).dtype == np.dtype(dtype)
    assert fastbp.Network([3, 2], dtype=dtype).parameters.dtype == np.dtype(dtype)


def test_the_default_dtype_is_float32_and_none_is_refused():
    assert fastbp.Network([3, 2]).dtype == np.float32
    with pytest.raises(TypeError, match="dtype is None"):
        fastbp.Network([3, 2], dtype=None)
