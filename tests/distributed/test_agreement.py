"""What ranks must have alike is found before training, on all of them, and named."""

import re

import numpy as np
import pytest
from conftest import state_of
from ranks_in_threads import on_ranks

import fastbp

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((24, 4)), RNG.integers(0, 3, 24)
OWN = [fastbp.Activation("own", lambda z, slope=slope: slope * z, lambda z, slope=slope: slope) for slope in (1.0, 2.0)]
OWN_COST = [
    fastbp.Cost("own", lambda a, y, w=weight: w * (a - y) ** 2, lambda a, y, w=weight: 2 * w * (a - y))
    for weight in (1.0, 2.0)
]


def fit(c, of_net=None, **options):
    """Train on 12 rows each, with what differs in pairs. Return the error, before which nothing may change."""

    def mine(given):
        return {name: v[c.Get_rank()] if isinstance(v, tuple) else v for name, v in given.items()}

    net = fastbp.Network(**mine({"sizes": [4, 5, 3], "cost": "cross_entropy", "seed": 1, **(of_net or {})}))
    before = state_of(net)
    asked = mine({"X": X[:12], "Y": Y[:12], "epochs": 1, "batch_size": 8, **options})
    try:
        net.fit(**asked, communicator=c)
    except (TypeError, ValueError) as error:
        assert state_of(net) == before
        return type(error), str(error)
    return None


def error_of_all(**given):
    first, second = on_ranks(2, lambda c: fit(c, **given))
    assert first == second and first is not None, (first, second)
    return first[1]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"of_net": {"sizes": ([4, 5, 3], [4, 6, 3])}}, r"rank 1 has sizes \(4, 6, 3\), rank 0 has \(4, 5, 3\)"),
        ({"of_net": {"dtype": ("float32", "float64")}}, "rank 1 has dtype float64, rank 0 has float32"),
        (
            {"of_net": {"activation": ("relu", "tanh")}},
            "rank 1 has activations tanh, softmax, rank 0 has relu, softmax",
        ),
        ({"of_net": {"formulation": ("tiles", "loops")}}, "rank 1 has formulation loops, rank 0 has tiles"),
        ({"of_net": {"seed": (1, 2)}}, r"rank 1 has seed \(its digest\) [0-9a-f]{8}, rank 0 has [0-9a-f]{8}"),
        ({"of_net": {"activation": tuple(OWN)}}, "rank 1 has activations own users_lambda_"),
        ({"of_net": {"cost": tuple(OWN_COST), "output_activation": "sigmoid"}}, "rank 1 has cost own users_lambda_"),
        ({"batch_size": (8, 16)}, "rank 1 has batch_size 16, rank 0 has 8"),
        ({"epochs": (1, 2)}, "rank 1 has epochs 2, rank 0 has 1"),
        ({"optimizer": (fastbp.SGD(0.1), fastbp.SGD(0.2))}, r"rank 1 has optimizer SGD\(learning_rate=0.2"),
        (
            {"optimizer": (fastbp.SGD(0.1), fastbp.SGD(0.1, layer_rates=[0, 1]))},
            r"rank 1 has layer_rates .*, rank 0 has None",
        ),
        ({"label_smoothing": (0.0, 0.3)}, "rank 1 has label_smoothing 0.3, rank 0 has 0.0"),
        ({"l2": (0.0, 0.1)}, "rank 1 has l2 0.1, rank 0 has 0.0"),
        ({"shards": (8, 4)}, "rank 1 has shards 4, rank 0 has 8"),
        ({"shuffle": (True, False)}, "rank 1 has shuffle False"),
        ({"sample_weight": (None, np.ones(12))}, "rank 1 has weights a sample_weight for each sample, rank 0 has no"),
        ({"validation_data": (None, (X, Y))}, "rank 1 has data sets"),
        ({"early_stopping": (None, fastbp.EarlyStopping("training_cost"))}, "rank 1 has early_stopping EarlyStopping"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_ranks_that_disagree(given, words):
    found = error_of_all(**given)
    assert re.search(words, found), found


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"X": (X[:12], X[:11]), "Y": (Y[:12], Y[:11])}, "rank 0 has 12 rows of X; of 23 rows on 2 ranks"),
        ({"X": (X[:11], X[:13]), "Y": (Y[:11], Y[:13])}, "rank 0 has 11 rows of X; of 24 rows on 2 ranks"),
        ({"batch_size": 12}, "batch_size is 12; a mini-batch has as many rows of each of 8 shards"),
        ({"shards": 12}, "shards is 12; needed is a power of two, at least 2"),
        ({"shards": 1}, "shards is 1; needed is a power of two, at least 2"),
        ({"shards": 0}, "shards is 0"),
        ({"dropout": 0.5}, "dropout given with a communicator, but a rank need not have all samples: leave it out"),
        ({"validation_split": 0.5}, "validation_split given with a communicator"),
        ({"validation_data": {"t": (X, Y)}, "metrics": ["f1_macro"]}, "metrics given with a communicator"),
        ({"shuffle": [np.arange(12)]}, "permutations as shuffle given with a communicator"),
        ({"class_weight": "balanced"}, "class_weight='balanced' given with a communicator"),
        ({"X": lambda: [(X, Y)], "Y": None}, "chunks given with a communicator"),
        ({"optimizer": fastbp.Rprop()}, "batch_size is 8 of 24 samples; Rprop needs"),
        ({"X": (X[:12], X[:12] * np.nan)}, r"rank 1 ended the training of all: ValueError: X\[0, 0\] is nan"),
    ],
)  # fmt: skip
def test_what_ranks_cannot_do(given, words):
    assert words.replace("\\", "") in error_of_all(**given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"dropout": 0.5}, "dropout given with shards, but a rank need not have all samples: leave it out"),
        ({"shards": 12}, "shards is 12; needed is a power of two, at least 1"),
        ({"batch_size": 12}, "batch_size is 12; a mini-batch has as many rows of each of 8 shards"),
    ],
)
def test_shards_of_a_process_alone(given, words):
    net = fastbp.Network([4, 5, 3], cost="cross_entropy", seed=1)
    before = state_of(net)
    with pytest.raises(ValueError, match=words):
        net.fit(X, Y, **{"shards": 8, "batch_size": 8, **given})
    assert state_of(net) == before


def test_a_data_set_has_rows_on_every_rank():
    found = on_ranks(
        2, lambda c: fit(c, validation_data={"test": (X[: 3 + 2 * c.Get_rank()], Y[: 3 + 2 * c.Get_rank()])})
    )
    assert found[0] == found[1]
    assert "rank 0 has 3 rows of test X; of 8 rows on 2 ranks it must have 4" in found[0][1]


@pytest.mark.parametrize("what", ["moments", "parameters"])
def test_the_state_is_compared(what):
    def job(c):
        net, adam = fastbp.Network([4, 3], cost="cross_entropy", seed=1), fastbp.Adam()
        if c.Get_rank() and what == "parameters":
            net.parameters[0] = 7
        elif c.Get_rank():
            theta = net.parameters.copy()
            net.train_on_batch(X, Y, optimizer=adam)
            net.parameters = theta
            net._training.steps[0] = 0
        net.fit(X[:12], Y[:12], optimizer=adam, epochs=1, communicator=c)

    assert all(f"rank 1 has {what}" in str(error) for error in on_ranks(2, job))
