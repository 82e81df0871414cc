"""Bad input of each kind: a clear error that names the member, and nothing has changed."""

import copy

import numpy as np
import pytest
from conftest import needs_two_threads, state_of
from population_samples import HELD_OUT, X, Y, network, networks

import fastbp

NAN = np.where(np.arange(len(X))[:, None] == 3, np.nan, X)


@pytest.mark.parametrize(
    "given, kind, words",
    [
        ([], ValueError, r"networks is \[\]; it must be a list of fastbp.Network, at least one"),
        (3, TypeError, "networks is 3; it must be a list"),
        ([network(0), "net"], TypeError, r"networks\[1\] is 'net'; it must be a fastbp.Network"),
        ([network(0), fastbp.Network([4, 3])], ValueError, r"networks\[1\] has n_in 4, but networks\[0\] has 5"),
        ([network(0), fastbp.Network([5, 2])], ValueError, r"networks\[1\] has n_out 2, but networks\[0\] has 3"),
        ([network(0), network(1, dtype="float64")], ValueError, r"networks\[1\] has dtype float64, but networks\[0\]"),
        ([network(0)] * 2, ValueError, r"networks\[1\] is networks\[0\]: give copy.deepcopy\(net\)"),
    ],
)
def test_networks(given, kind, words):
    with pytest.raises(kind, match=words):
        fastbp.Population(given)


@pytest.mark.parametrize(
    "options, kind, words",
    [
        ({"l2": [0.1, 0.2]}, ValueError, "l2 is a list of 2, but there are 3 members: a list has one value for each"),
        ({"metrics": ["r2"]}, ValueError, "metrics is a list of 1, but .* that consists of several is a tuple"),
        ({"epochs": [1, 0, 1]}, ValueError, "member 1: epochs is 0"),
        ({"epochs": "many"}, TypeError, "member 0: epochs is 'many'"),
        ({"optimizer": ["adam", "adam", 3]}, TypeError, "member 2: optimizer is 3"),
        ({"dropout": (0.1, 0.1)}, ValueError, "member 0: dropout"),
        ({"batch_size": [1, 2, 2.5]}, TypeError, "member 2: batch_size is 2.5"),
        ({"shuffle": iter([np.arange(len(X))])}, ValueError, "shuffle is an iterator, which 3 members cannot share"),
        ({"shuffle": [True, True, (np.zeros(len(X), int),) * 2]}, ValueError, r"member 2: shuffle\[0\] lacks 1"),
        ({"samples": [None, [0, 41], None]}, ValueError, r"member 1: samples\[1\] is 41; needed is an array of row"),
        ({"samples": [None, None, [-1]]}, ValueError, r"member 2: samples\[0\] is -1; .* from 0 to 40"),
        ({"samples": [[], None, None]}, ValueError, r"member 0: samples has shape \(0,\); .* at least one"),
        ({"samples": np.ones((2, 2), int)}, ValueError, r"member 0: samples has shape \(2, 2\)"),
        ({"samples": np.ones(len(X), bool)}, TypeError, "member 0: samples is of dtype bool; .* numpy.flatnonzero"),
        ({"samples": np.ones(2)}, TypeError, "member 0: samples is of dtype float64"),
        ({"sample_weight": [None, np.ones(3), None]}, ValueError, r"member 1: sample_weight has shape \(3,\)"),
        ({"halving": 3}, TypeError, "halving is 3; it must be a fastbp.Halving"),
        ({"halving": fastbp.Halving(monitor="r2")}, ValueError, "member 0: monitor is 'r2'; there is no such series"),
        ({"progress": "yes"}, TypeError, "progress is 'yes'"),
        ({"validation_data": [HELD_OUT, X, None]}, ValueError, "member 1: validation_data must be a pair"),
        ({"validation_data": HELD_OUT, "validation_split": 0.1}, ValueError, "both validation_data and"),
        ({"allow_negative_weights": 1}, TypeError, "member 0: allow_negative_weights is 1"),
        ({"early_stopping": [None, None, fastbp.EarlyStopping()]}, ValueError, "member 2: early_stopping needs valid"),
        ({"steps_per_epoch": 3}, TypeError, "Population.fit has no parameter 'steps_per_epoch'"),
        ({"X": NAN}, ValueError, r"member 0: X\[3, 0\] is nan"),
        ({"Y": None}, TypeError, "Y is None; a population trains on arrays"),
        ({"Y": np.full(len(X), 3)}, ValueError, r"member 0: Y\[0\] is 3; class labels go from 0 to 2"),
    ],
)
def test_options(options, kind, words):
    nets = networks(3)
    nets[1].fit(X, Y, epochs=1)
    before = [copy.deepcopy(state_of(net)) for net in nets]
    with pytest.raises(kind, match=words):
        fastbp.Population(nets).fit(**{"X": X, "Y": Y, "epochs": 2, **options})
    assert [state_of(net) for net in nets] == before
    assert not any(net._model.training.locked() for net in nets)


@needs_two_threads  # one trains a member after the other
def test_more_memory_than_there_is(monkeypatch):
    """Each member alone would have room."""
    pop = fastbp.Population(networks(3))
    monkeypatch.setattr("fastbp.memory.physical_memory", lambda: 100_000)
    with pytest.raises(MemoryError, match=r"training 3 networks at once needs .* bytes, .* pop\[:100\]\.fit"):
        pop.fit(X, Y, epochs=1, batch_size=8)
    assert pop.history == [None] * 3


def test_a_member_that_is_being_trained():
    class Again(fastbp.Callback):
        def on_epoch_end(self, run):
            with pytest.raises(RuntimeError, match="member 1: this network is being trained already"):
                pop.fit(X, Y, epochs=1)
            seen.append(pop[0]._model.training.locked())

    seen, pop = [], fastbp.Population(networks(2))
    pop[1].fit(X, Y, epochs=1, callbacks=[Again()])
    assert seen == [False]


@pytest.mark.parametrize("which, kind", [(3, IndexError), ("0", TypeError), (0.5, TypeError), ([0, 7], IndexError)])
def test_members_that_are_not_there(which, kind):
    with pytest.raises(kind, match=r"there is no member|a member has a number"):
        fastbp.Population(networks(3))[which]
