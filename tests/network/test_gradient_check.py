"""The check of a gradient: right gradients pass, mistakes are found in their layer, corners are no mistakes."""

import math

import numpy as np
import pytest
from own_functions import LOG_COSH

import fastbp
from fastbp.functions.activations import ACTIVATIONS

SINE = fastbp.Activation("sine", math.sin, math.cos)
WRONG_SINE = fastbp.Activation("wrong_sine", math.sin, lambda z: 1.01 * math.cos(z))
WRONG_COST = fastbp.Cost("wrong_cost", lambda a, y: (a - y) ** 4, lambda a, y: 3 * (a - y) ** 3)


def checked(sizes, activation, formulation="vectorized", n=8, scale=1.0, **options):
    rng = np.random.default_rng(0)
    cost = options.pop("cost", "quadratic")
    net = fastbp.Network(sizes, activation=activation, cost=cost, seed=1, formulation=formulation)
    before = net.parameters.copy()
    X, Y = scale * rng.standard_normal((n, sizes[0])), rng.random((n, sizes[-1]))
    result = fastbp.check_gradient(net, X, Y, **options)
    assert (net.parameters == before).all()
    return result


@pytest.mark.parametrize("formulation", ["tiles", "vectorized"])
def test_a_right_gradient_is_right(formulation):
    result = checked([4, 7, 5, 3], [SINE, "gelu"], formulation, cost=LOG_COSH)
    assert result.ok and [row.verdict for row in result.layers] == ["right"] * 6
    assert max(row.difference for row in result.layers) < 1e-8
    assert [(row.layer, row.what) for row in result.layers[:3]] == [(1, "weights"), (1, "biases"), (2, "weights")]
    assert [row.checked for row in result.layers] == [28, 7, 35, 5, 15, 3]
    assert str(result).splitlines()[-1] == "nothing is wrong"


@pytest.mark.parametrize("activation", [name for name, sigma in ACTIVATIONS.items() if not sigma.whole_layer])
def test_no_activation_is_found_wrong(activation):
    """Inputs as large as pixels make steep corners in relu, and pass too."""
    for scale in (1.0, 3.0 if activation == "exponential" else 255.0):
        result = checked([4, 9, 6, 2], activation, scale=scale)
        assert result.ok, str(result)
        assert sum(row.checked - row.corners for row in result.layers) > 50


def test_a_wrong_activation_is_found_in_its_layer():
    result = checked([4, 6, 5, 3], ["tanh", WRONG_SINE])
    assert not result.ok
    assert [row.verdict for row in result.layers] == ["wrong"] * 4 + ["right"] * 2
    text = str(result)
    assert "layer 2 is wrong, the layers after it are right:\nlook at the derivative of 'wrong_sine'" in text
    assert "layer 1, w_jk with j = " in text and "layer 2, b_j with j = " in text
    assert max(map(len, text.splitlines())) <= 100


def test_a_wrong_cost_is_found_at_the_output():
    result = checked([4, 6, 3], "tanh", cost=WRONG_COST)
    assert not result.ok and {row.verdict for row in result.layers} == {"wrong"}
    assert "the output layer is wrong: look at the derivative of the cost 'wrong_cost'" in str(result)


def test_a_mistake_in_one_layer_of_a_formulation_is_found(monkeypatch):
    from fastbp.formulations import FORMULATIONS
    from fastbp.formulations.vectorized import Vectorized

    original = Vectorized.gradient

    def mistaken(self, model, X, Y, gradient):
        cost = original(self, model, X, Y, gradient)
        fastbp.ParameterVector(model.sizes, gradient).biases[1][:] *= 1 + 1e-5
        return cost

    monkeypatch.setattr(Vectorized, "gradient", mistaken)
    assert isinstance(FORMULATIONS["vectorized"], Vectorized)
    verdicts = [row.verdict for row in checked([4, 6, 5, 3], "tanh").layers]
    assert verdicts == ["right"] * 3 + ["wrong"] + ["right"] * 2


def test_corners_are_said_and_not_taken_for_mistakes():
    """Every z is exactly 0: differences give half of relu's slope, backpropagation the documented 0."""
    net = fastbp.Network([2, 3, 1], activation="relu", cost="quadratic", initializer="zeros", formulation="vectorized")
    net.weights[1][:] = 1
    result = fastbp.check_gradient(net, [[1, 2]], [[1]])
    assert result.ok and [row.verdict for row in result.layers[:2]] == ["corners", "corners"]
    assert result.layers[1].corners == 3
    assert "only corners, nothing to compare" in str(result)


def test_vanished_derivatives_are_said_to_be_too_small():
    net = fastbp.Network([1, 1, 1], activation="sigmoid", cost="quadratic", formulation="vectorized", seed=0)
    net.biases[0][:] = 33  # σ′ is 5e-15 there
    result = fastbp.check_gradient(net, [[1], [2]], [[1], [0]])
    assert result.ok and [row.verdict for row in result.layers] == ["too small"] * 2 + ["right"] * 2
    assert "too small for differences" in str(result)


def test_how_many_are_tried():
    assert [row.checked for row in checked([9, 8, 3], "tanh", at_most=10).layers] == [10, 8, 10, 3]
    assert [row.checked for row in checked([9, 8, 3], "tanh", at_most=None).layers] == [72, 8, 24, 3]


def test_wrong_arguments_are_refused():
    net = fastbp.Network([2, 1], formulation="vectorized")
    for options, error, message in (
        ({"tolerance": 0}, ValueError, "tolerance is 0; it must be a finite number greater than 0"),
        ({"at_most": 0}, ValueError, "at_most is 0; it must be at least 1"),
        ({"at_most": 1.5}, TypeError, "at_most is 1.5; it must be a whole number"),
    ):
        with pytest.raises(error, match=message):
            fastbp.check_gradient(net, [[1, 2]], [[1]], **options)
    with pytest.raises(TypeError, match=r"net is \[1\]; it must be a fastbp.Network"):
        fastbp.check_gradient([1], [[1, 2]], [[1]])
    with pytest.raises(ValueError, match="X has 1 features"):
        fastbp.check_gradient(net, [[1]], [[1]])
