"""The order of the samples: drawn from the seed, as given, or the user's own permutations."""

import numpy as np
import pytest
from conftest import state_of
from fit_samples import HELD_OUT, X, Y, fit, network, state

import fastbp


def test_in_order_is_what_the_identity_permutation_gives(formulation):
    as_they_are, identity = network(formulation), network(formulation)
    fit(as_they_are, shuffle=False)
    fit(identity, shuffle=[range(23)] * 3)
    assert state(as_they_are) == state(identity)


def test_the_generator_is_left_alone_where_the_order_is_given():
    net = network()
    before = net._rng.bit_generator.state
    fit(net, shuffle=False)
    fit(net, shuffle=[np.arange(23)[::-1]] * 3)
    assert net._rng.bit_generator.state == before


@pytest.mark.parametrize("kind", [list, np.array, iter, lambda orders: (order for order in orders)])
def test_own_permutations_are_what_the_seed_would_have_drawn(kind, formulation):
    seeded, own = network(formulation), network(formulation)
    rng = network(formulation)._rng
    orders = kind([rng.permutation(23) for _ in range(3)])
    fit(seeded)
    fit(own, shuffle=orders)
    assert own.parameters.tobytes() == seeded.parameters.tobytes()


def test_own_permutations_count_for_a_full_batch_too():
    """There the order of summation changes the rounding."""
    net, other = network("textbook"), network("textbook")
    fit(net, 5, batch_size=23, shuffle=[np.arange(23)] * 5)
    fit(other, 5, batch_size=23, shuffle=[np.arange(23)[::-1]] * 5)
    assert net.parameters.tobytes() != other.parameters.tobytes()
    np.testing.assert_allclose(net.parameters, other.parameters, rtol=1e-4, atol=1e-6)


def test_an_iterator_that_runs_out_keeps_what_was_trained():
    net, two = network(), network()
    orders = [np.roll(np.arange(23), i) for i in range(2)]
    with pytest.raises(ValueError, match="shuffle ran out after 2 permutations; 4 epochs need one each"):
        fit(net, 4, shuffle=iter(orders), validation_data=HELD_OUT)
    fit(two, 2, shuffle=orders)
    assert state(net) == state(two) and len(net.history) == len(net.history.validation_cost) == 2


WRONG = {
    "a number": (3, TypeError, "shuffle is 3; it must be True, False or an iterable of permutations"),
    "a word": ("yes", TypeError, "shuffle is 'yes'"),
    "None": (None, TypeError, "shuffle is None"),
    "too few": ([range(23)] * 2, ValueError, "shuffle has 2 permutations; needed are 3, one for each epoch"),
    "too short": ([range(22)] * 3, ValueError, r"shuffle\[0\] has shape \(22,\); needed is a permutation of 0…22"),
    "floats": ([np.arange(23.0)] * 3, TypeError, r"shuffle\[0\] is of dtype float64; needed"),
    "one twice": ([range(23), [0, *range(22)], range(23)], ValueError, r"shuffle\[1\] lacks 22 and has another"),
    "too large": ([range(1, 24)] * 3, ValueError, r"shuffle\[0\] goes from 1 to 23; needed"),
    "negative": ([range(-1, 22)] * 3, ValueError, r"shuffle\[0\] goes from -1 to 21; needed"),
    "one permutation": (np.arange(23), ValueError, r"shuffle\[0\] has shape \(\); needed"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_orders_are_refused_before_anything_changes(name):
    shuffle, error, message = WRONG[name]
    net = network()
    fit(net, 1)
    before = state_of(net)
    with pytest.raises(error, match=message):
        fit(net, 3, shuffle=shuffle)
    assert state_of(net) == before


def test_a_wrong_permutation_of_an_iterator_keeps_the_epochs_before_it():
    net, one = network(), network()
    with pytest.raises(ValueError, match=r"shuffle\[1\] has shape"):
        net.fit(X, Y, epochs=3, batch_size=5, optimizer=fastbp.SGD(0.1), shuffle=iter([range(23), range(3)]))
    one.fit(X, Y, epochs=1, batch_size=5, optimizer=fastbp.SGD(0.1), shuffle=False)
    assert state(net) == state(one) and len(net.history) == 1
