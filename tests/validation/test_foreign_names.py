"""Names and parameters of other libraries: accepted if their meaning is clear, otherwise explained."""

import numpy as np
import pytest

import fastbp
from fastbp.functions.activations import ACTIVATIONS
from fastbp.functions.costs import COSTS
from fastbp.functions.initializers import INITIALIZERS
from fastbp.optimizers import BY_NAME
from fastbp.training.metrics import METRICS
from fastbp.validation import foreign_names

TABLES = {
    "activation": ACTIVATIONS, "cost": COSTS, "initializer": INITIALIZERS, "metric": METRICS, "optimizer": BY_NAME,
}  # fmt: skip
X, Y = np.linspace(-1, 1, 24).reshape(8, 3), np.arange(8) % 2


def test_every_alias_means_exactly_one_thing():
    for kind, table in TABLES.items():
        plain = [foreign_names._plain(name) for name in table]
        for ours, aliases in foreign_names.ALIASES[kind].items():
            assert ours in table
            for alias in aliases:
                assert (
                    foreign_names.meant(kind, alias, table) == foreign_names.meant(kind, alias.upper(), table) == ours
                )
                plain.append(foreign_names._plain(alias))
        assert len(plain) == len(set(plain))
        assert not {foreign_names._plain(name) for name in foreign_names.EXPLAINED[kind]} & set(plain)


@pytest.mark.parametrize(
    ("given", "ours"),
    [
        ("linear", "identity"),
        ("logistic", "sigmoid"),
        ("tansig", "tanh"),
        ("ReLU", "relu"),
        ("LeakyReLU", "leaky_relu"),
    ],
)
def test_activations(given, ours):
    net = fastbp.Network([3, 4, 1], activation=given, output_activation=given, cost="quadratic", seed=0)
    assert [activation.name for activation in net.activations] == [ours, ours]
    fastbp.check_derivative(given)


def test_costs():
    for given, ours in (
        ("mse", "squared_error"),
        ("MSELoss", "squared_error"),
        ("SmoothL1Loss", "huber"),
        ("mae", "absolute"),
    ):
        assert fastbp.Network([3, 2], cost=given).cost.name == ours
    for given, n_out, output in (
        ("binary_crossentropy", 2, "sigmoid"), ("BCEWithLogitsLoss", 1, "sigmoid"),
        ("sparse_categorical_crossentropy", 2, "softmax"), ("CrossEntropyLoss", 2, "softmax"),
        ("log_loss", 1, "sigmoid"),
    ):  # fmt: skip
        net = fastbp.Network([3, n_out], cost=given)
        assert (net.cost.name, net.activations[-1].name) == ("cross_entropy", output)
    with pytest.raises(
        ValueError, match="'binary_crossentropy' is for sigmoid outputs, but output_activation is 'softmax'"
    ):
        fastbp.Network([3, 2], cost="binary_crossentropy", output_activation="softmax")
    with pytest.raises(ValueError, match="'categorical_crossentropy' needs an output for each class"):
        fastbp.Network([3, 1], cost="categorical_crossentropy")


def test_initializers_that_draw_the_same_numbers():
    for given, ours in (("glorot_uniform", "glorot"), ("Xavier_Uniform_", "glorot"), ("kaiming_normal_", "he")):
        made, ours_made = (fastbp.Network([3, 4, 2], initializer=name, seed=0) for name in (given, ours))
        assert (made.parameters == ours_made.parameters).all()
    for given, words in (("he_normal", "truncates the normal distribution"), ("GlorotNormal", "of the same variance")):
        with pytest.raises(ValueError, match=f"unknown initializer '{given}': .*{words}"):
            fastbp.Network([3, 2], initializer=given)


def test_names_that_fastbp_lacks_are_explained_without_a_guess():
    for what, name, words in (
        ("activation", "celu", "define it as a fastbp.Activation"), ("cost", "hinge", "define it as a fastbp.Cost"),
        ("cost", "KLDivergence", "'cross_entropy' minus a constant"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"unknown {what} '{name}': .*{words}") as caught:
            fastbp.Network([3, 4, 2], **{what: name})
        assert "did you mean" not in str(caught.value)


def test_an_optimizer_by_name_is_ours_with_its_defaults_and_goes_on():
    by_name, twice, whole = (fastbp.Network([3, 4, 2], cost="cross_entropy", seed=0) for _ in range(3))
    whole.fit(X, Y, epochs=4, optimizer=fastbp.Adam())
    by_name.fit(X, Y, epochs=4, optimizer="Adam")
    for _ in range(2):
        twice.fit(X, Y, epochs=2, optimizer="adam")
    assert by_name.parameters.tobytes() == twice.parameters.tobytes() == whole.parameters.tobytes()
    twice.fit(X, Y, epochs=1, optimizer=fastbp.Adam(0.5))
    twice.fit(X, Y, epochs=1, optimizer="adam")
    assert twice.optimizer.learning_rate == 0.001
    before = whole.optimizer
    for name, words in (("sgd", "no default learning rate: give fastbp.SGD"), ("trainscg", "'conjugate_gradient'")):
        with pytest.raises(ValueError, match=words):
            whole.fit(X, Y, optimizer=name)
    assert whole.optimizer is before


def test_rprop_takes_all_samples_in_a_step_unless_told_otherwise():
    by_default, whole = (fastbp.Network([3, 4, 1], activation="tanh", seed=0) for _ in range(2))
    x, y = np.random.default_rng(0).normal(size=(2, 50, 3))
    by_default.fit(x, y[:, 0], epochs=3, optimizer="rprop")
    whole.fit(x, y[:, 0], epochs=3, batch_size=50, optimizer=fastbp.Rprop())
    assert by_default.parameters.tobytes() == whole.parameters.tobytes()
    with pytest.raises(ValueError, match="batch_size is 32 of 50 samples; Rprop needs the gradient of all"):
        whole.fit(x, y[:, 0], batch_size=32, optimizer=fastbp.Rprop())


def test_no_batch_size_is_the_default():
    none, thirty_two = (fastbp.Network([3, 4, 1], seed=0) for _ in range(2))
    x, y = np.random.default_rng(0).normal(size=(2, 50, 3))
    none.fit(x, y[:, 0], batch_size=None)
    thirty_two.fit(x, y[:, 0], batch_size=32)
    assert none.parameters.tobytes() == thirty_two.parameters.tobytes()


def test_metrics_of_others():
    net = fastbp.Network([3, 2], cost="cross_entropy", seed=0)
    history = net.fit(X, Y, epochs=1, validation_data=(X, Y), metrics=["acc", "r2_score"])
    assert history.names == ["cost", "validation_cost", "validation_accuracy", "validation_r2"]


@pytest.mark.parametrize("explained", ["FIT_PARAMETERS", "NETWORK_PARAMETERS"])
def test_parameters_of_others_are_explained(explained):
    net = fastbp.Network([3, 2], cost="cross_entropy", seed=0)
    call, right = (net.fit, (X, Y)) if explained == "FIT_PARAMETERS" else (fastbp.Network, ([3, 2],))
    for name, words in getattr(foreign_names, explained).items():
        with pytest.raises(TypeError) as caught:
            call(*right, **{name: 1})
        assert f"has no parameter {name!r}: {words}" in str(caught.value)
    with pytest.raises(TypeError, match="has no parameter 'nonsense': it has "):
        call(*right, nonsense=1)
    assert net.history is None


def test_a_name_nearly_right_is_told():
    with pytest.raises(TypeError, match=r"Network\.fit has no parameter 'epoch': did you mean epochs\?"):
        fastbp.Network([3, 2]).fit(X, Y, epoch=3)
