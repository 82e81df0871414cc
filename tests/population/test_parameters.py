"""The parameters of all members as one array, which they share."""

import copy
import pickle

import numpy as np
import pytest
from population_samples import X, Y, learned, networks

import fastbp
from fastbp.model import CACHE_LINE

ADAM = fastbp.Adam(0.03)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_are_the_members_parameters(dtype):
    nets = networks(4, dtype=dtype)
    before = [net.parameters.copy() for net in nets]
    pop = fastbp.Population(nets)
    theta = pop.parameters
    assert theta.shape == (4, nets[0].parameters.size) and theta.dtype == dtype and (theta == before).all()
    assert all(net.parameters.ctypes.data % CACHE_LINE == 0 for net in nets)
    theta[1] = 0.5
    nets[2].weights[0][0, 0] = 7
    assert (pop[1].weights[0] == 0.5).all() and (pop[1].biases[1] == 0.5).all() and theta[2, 0] == 7
    assert pop.parameters is not theta and np.shares_memory(pop.parameters, theta)  # they do not move again


def test_training_goes_on_where_they_lie():
    """Also where the optimizer's moments were in a trainer that knew the old place."""
    nets, alone, pop = networks(3), networks(3), None
    for each in (nets, alone):
        for net in each:
            net.fit(X, Y, epochs=1, batch_size=8, optimizer=ADAM)
            net.train_on_batch(X[:8], Y[:8], optimizer=ADAM)
            net.predict(X)
    pop = fastbp.Population(nets)
    theta = pop.parameters
    pop.fit(X, Y, epochs=2, batch_size=8, optimizer=ADAM)
    for net, other, row in zip(nets, alone, theta, strict=True):
        other.fit(X, Y, epochs=2, batch_size=8, optimizer=ADAM)
        assert learned(net) == learned(other) and row.tobytes() == other.parameters.tobytes()
        assert net.predict(X).tobytes() == other.predict(X).tobytes()


def test_parts_of_a_population_share_them():
    pop = fastbp.Population(networks(6))
    theta = pop.parameters
    for which in (slice(1, None, 2), [4, 2, 0], [3]):
        part = pop[which].parameters
        assert np.shares_memory(part, theta) and (part == theta[which]).all()
    pop[[0, 1, 5]].parameters[:] = 2  # not evenly spaced: they move
    assert (pop[5].parameters == 2).all() and (pop.parameters[[0, 1, 5]] == 2).all()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pop: pickle.loads(pickle.dumps(pop))])
def test_copies_have_their_own(copied):
    pop = fastbp.Population(networks(3))
    pop.fit(X, Y, epochs=1, optimizer=ADAM)
    theta = pop.parameters
    other = copied(pop)
    assert (other.parameters == theta).all() and not np.shares_memory(other.parameters, theta)
    assert [learned(net) for net in other] == [learned(net) for net in pop]


def test_different_sizes():
    pop = fastbp.Population([*networks(2), *networks(1, hidden=(8,))])
    with pytest.raises(AttributeError, match=r"member 2 has the sizes \[5, 8, 3\], member 0 \[5, 7, 3\]: .* pop\[i\]"):
        _ = pop.parameters


def test_not_while_they_are_trained():
    class Looks(fastbp.Callback):
        def on_epoch_end(self, run):
            with pytest.raises(RuntimeError, match="being trained already"):
                _ = pop.parameters

    pop = fastbp.Population(networks(2))
    pop.fit(X, Y, epochs=1, callbacks=Looks())
