"""Parameters: one vector, views of it, its order and its place in memory."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastbp
from fastbp.model import CACHE_LINE, ParameterVector, aligned_empty

SIZES = st.lists(st.integers(1, 6), min_size=2, max_size=5)


@settings(deadline=None, max_examples=50, derandomize=True)
@given(sizes=SIZES, dtype=st.sampled_from(["float32", "float64"]))
def test_order_is_weights_row_by_row_then_biases_layer_by_layer(sizes, dtype):
    net = fastbp.Network(sizes, dtype=dtype, seed=0)
    expected = [part for w, b in zip(net.weights, net.biases, strict=True) for part in (w.ravel(), b)]
    assert (np.concatenate(expected) == net.parameters).all()
    assert [w.shape for w in net.weights] == list(zip(sizes[1:], sizes, strict=False))
    assert [b.shape for b in net.biases] == [(n,) for n in sizes[1:]]
    assert (
        ParameterVector.count(sizes)
        == net.parameters.size
        == sum(w.size + b.size for w, b in zip(net.weights, net.biases, strict=True))
    )


@settings(deadline=None, max_examples=50, derandomize=True)
@given(sizes=SIZES)
def test_views_write_through_both_ways(sizes):
    net = fastbp.Network(sizes, seed=0)
    net.parameters[:] = np.arange(net.parameters.size)
    position = 0
    for l in range(len(sizes) - 1):
        for j in range(sizes[l + 1]):
            for k in range(sizes[l]):
                assert net.weights[l][j, k] == position
                position += 1
        for j in range(sizes[l + 1]):
            assert net.biases[l][j] == position
            position += 1
    net.weights[-1][0, 0] = -7
    net.biases[0][-1] = -8
    assert net.parameters[net.parameters.size - sizes[-1] - sizes[-1] * sizes[-2]] == -7
    assert net.parameters[sizes[1] * sizes[0] + sizes[1] - 1] == -8
    for view in (*net.weights, *net.biases):
        assert np.shares_memory(view, net.parameters) and view.flags.writeable


def test_written_parameters_are_used(formulation):
    net = fastbp.Network([2, 1], cost="quadratic", formulation=formulation)
    net.weights[0][:], net.biases[0][:] = [[2, 3]], [5]
    assert net.predict([[10, 100]])[0, 0] == 325
    net.parameters[-1] = 6
    assert net.predict([[10, 100]])[0, 0] == 326


def test_training_writes_in_place(formulation):
    net = fastbp.Network([2, 2, 1], cost="quadratic", seed=0, formulation=formulation)
    views = net.parameters, *net.weights, *net.biases
    before = [view.copy() for view in views]
    net.fit([[1, 2], [3, 4]], [1, 2], epochs=1, optimizer=fastbp.SGD(0.01))
    assert net.parameters is views[0] and net.weights[0] is views[1]
    assert not np.array_equal(before[0], views[0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1, 15, 16, 17, 1000])
def test_alignment(size, dtype):
    for _ in range(20):
        vector = aligned_empty(size, dtype)
        assert vector.ctypes.data % CACHE_LINE == 0
        assert vector.shape == (size,) and vector.dtype == dtype
        assert vector.flags.writeable and vector.flags.c_contiguous
        vector[:] = 1
    assert fastbp.Network([3, 5, 2], dtype=dtype).parameters.ctypes.data % CACHE_LINE == 0


def test_assigning_copies_into_the_vector():
    net = fastbp.Network([2, 1], seed=0)
    vector, w = net.parameters, net.weights[0]
    values = np.array([1.0, 2.0, 3.0])
    net.parameters = values
    values[0] = 9
    assert net.parameters is vector and net.weights[0] is w
    assert net.parameters.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, 2], r"parameters has shape \(2,\); this network has \(3,\)"),
        ([[1, 2, 3]], r"parameters has shape \(1, 3\); this network has \(3,\)"),
        ([1, 2, np.nan], r"parameters\[2\] is nan"),
        ([1, 2, np.inf], r"parameters\[2\] is inf"),
        ([1, 2, 1e300], r"parameters\[2\] is 1e\+300"),
    ],
)
def test_assigning_what_does_not_fit_changes_nothing(values, message):
    net = fastbp.Network([2, 1], seed=0)
    before = net.parameters.tobytes()
    with pytest.raises(ValueError, match=message):
        net.parameters = values
    assert net.parameters.tobytes() == before


def test_views_cannot_be_replaced():
    net = fastbp.Network([2, 1])
    with pytest.raises(AttributeError):
        net.weights = ()
    with pytest.raises(TypeError):
        net.weights[0] = np.zeros((1, 2))


def test_a_gradient_has_the_layout_of_the_parameters(formulation):
    net = fastbp.Network([3, 4, 2], seed=0, formulation=formulation)
    gradient = net.gradient([[1, 2, 3]], [[1, 2]])
    assert isinstance(gradient, fastbp.ParameterVector)
    assert gradient.vector.shape == net.parameters.shape and gradient.vector.dtype == net.dtype
    assert not np.shares_memory(gradient.vector, net.parameters)
    for ours, theirs in zip((*gradient.weights, *gradient.biases), (*net.weights, *net.biases), strict=True):
        assert ours.shape == theirs.shape and np.shares_memory(ours, gradient.vector)


def test_repr():
    assert repr(ParameterVector([2, 3, 1], np.zeros(13))) == (
        "ParameterVector(13 float64 numbers: weights (3, 2), (1, 3))"
    )


@pytest.mark.parametrize("duplicate", [copy.deepcopy, copy.copy, lambda net: pickle.loads(pickle.dumps(net))])
def test_in_a_copy_of_a_network_the_views_are_still_views(duplicate, formulation):
    net = fastbp.Network([2, 3, 1], seed=0, formulation=formulation)
    copied = duplicate(net)
    for view in (*copied.weights, *copied.biases):
        assert np.shares_memory(view, copied.parameters)
    assert copied.predict([[1, 2]]) == net.predict([[1, 2]])
