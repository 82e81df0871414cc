"""Activations: values and derivatives against mpmath, NaN, intervals, refusals, and `check_derivative`."""

import dataclasses
import math
from functools import cache

import numpy as np
import pytest

import fastbp
from fastbp.formulations import FORMULATIONS
from fastbp.functions.activations import ACTIVATIONS, Interval

ORDINARY = [-6.5, -3.0, -1.25, -0.5, -1e-3, 1e-3, 0.25, 0.75, 1.5, 4.0, 6.5]
EXTREME = [
    -1e300,
    -1e9,
    -800.0,
    -100.0,
    -40.0,
    -38.0,
    -1e-9,
    -1e-300,
    0.0,
    1e-300,
    1e-9,
    20.0,
    38.0,
    40.0,
    100.0,
    700.0,
]
ELEMENTWISE = [name for name, activation in ACTIVATIONS.items() if not activation.whole_layer]


@cache
def exact(name: str, z: float):
    """σ and σ′ at z with 60 digits, and more where exp cancels."""
    mp = pytest.importorskip("mpmath").mp
    with mp.workdps(60):
        z = mp.mpf(z)
        if name in ("sigmoid", "silu", "softplus", "tanh", "mish") and abs(z) > 5000:
            sigma, tail = (mp.mpf(1), 0) if z > 0 else (mp.mpf(0), 0)
        elif name in ("sigmoid", "silu", "softplus", "tanh", "mish"):
            sigma = 1 / (1 + mp.exp(-z))
            tail = mp.log1p(mp.exp(-abs(z)))
        if name == "identity":
            return z, mp.mpf(1)
        if name == "sigmoid":
            return sigma, sigma * (1 - sigma)
        if name == "tanh":
            a = mp.sign(z) if abs(z) > 5000 else mp.tanh(z)
            return a, 1 - a**2
        if name == "relu":
            return max(z, mp.mpf(0)), mp.mpf(z > 0)
        if name == "leaky_relu":
            return (z, mp.mpf(1)) if z > 0 else (mp.mpf(0.01) * z, mp.mpf(0.01))
        if name == "elu":
            return (z, mp.mpf(1)) if z > 0 else (mp.expm1(max(z, -5000)), mp.exp(max(z, -5000)))
        if name == "selu":
            scale, alpha = mp.mpf(1.0507009873554805), mp.mpf(1.6732632423543772)
            low = scale * alpha
            return (scale * z, scale) if z > 0 else (low * mp.expm1(max(z, -5000)), low * mp.exp(max(z, -5000)))
        if name == "softplus":
            return max(z, mp.mpf(0)) + tail, sigma
        if name == "silu":
            return z * sigma, sigma * (1 + z * (1 - sigma))
        if name == "mish":
            t = mp.tanh(min(max(z, mp.mpf(0)), 5000) + tail)
            return z * t, t + z * (1 - t**2) * sigma
        if name == "gelu":
            z = min(max(z, mp.mpf(-1000)), mp.mpf(10) ** 301)
            cdf = mp.mpf(1) if z > 1000 else mp.erfc(-z / mp.sqrt(2)) / 2
            return z * cdf, cdf + (0 if abs(z) >= 1000 else z * mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi))
        if name == "exponential":
            return mp.exp(max(z, -5000)), mp.exp(max(z, -5000))
    raise AssertionError(name)


def layer(name: str, formulation: str = "loops", dtype: str = "float64") -> fastbp.Network:
    """A network that computes the activation alone: w = 1, b = 0."""
    net = fastbp.Network([1, 1], output_activation=name, cost="quadratic", dtype=dtype, formulation=formulation)
    net.parameters = [1, 0]
    return net


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_values_and_derivatives_are_those_of_mpmath(name):
    """The functions of one number agree within some units in the last place; below 1e-300 digits are lost."""
    activation = ACTIVATIONS[name]
    for z in ORDINARY + EXTREME:
        if z > -700:  # Python's exp raises where it overflows
            a, prime = exact(name, z)
            assert activation.function(z) == pytest.approx(float(a), rel=1e-14, abs=1e-300), z
            given = activation.derivative(activation.function(z) if activation.derivative_of == "a" else z)
            assert given == pytest.approx(float(prime), rel=1e-13, abs=1e-15), z


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_every_formulation_computes_them(name, formulation):
    """Whole layers. The errors of NumPy's sigmoid and gelu are relative to 1, not to a tiny result."""
    net = layer(name, formulation)
    compiled = formulation not in ("textbook", "vectorized")
    for z in ORDINARY + EXTREME:
        a, prime = exact(name, z)
        tolerance = 1e-300 if compiled else 2e-16 * max(1, abs(z))
        assert net.predict([[z]])[0, 0] == pytest.approx(float(a), rel=1e-14, abs=tolerance), z
        if abs(z) < 1e3 and abs(a) < 1e3:  # with y = a − 1, δ = σ′
            delta = net.gradient([[z]], [[float(a) - 1]]).biases[0][0]
            assert delta == pytest.approx(float(prime), rel=1e-11, abs=1e-15 if compiled else 1e-14), z


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_nan_stays_nan(name, formulation):
    net = fastbp.Network([2, 2], output_activation=name, cost="quadratic", dtype="float64", formulation=formulation)
    net.parameters[:] = np.nan
    assert np.isnan(net.predict([[1, 2]])).all()
    assert math.isnan(net.evaluate([[1, 2]], [[0, 0]]).cost)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_nan_stays_nan_as_a_function_of_one_number(name):
    assert math.isnan(ACTIVATIONS[name].function(math.nan))


def test_infinity_where_there_is_a_limit(formulation):
    """A weighted input may overflow; a bounded activation then gives its bound, in `loops` as in NumPy."""
    limits = {
        "sigmoid": (0, 1),
        "tanh": (-1, 1),
        "relu": (0, math.inf),
        "leaky_relu": (-math.inf, math.inf),
        "elu": (-1, math.inf),
        "selu": (-1.0507009873554805 * 1.6732632423543772, math.inf),
        "softplus": (0, math.inf),
        "exponential": (0, math.inf),
    }
    for name, (at_minus_infinity, at_infinity) in limits.items():
        net = layer(name, formulation)
        for bias, expected in ((-math.inf, at_minus_infinity), (math.inf, at_infinity)):
            net.biases[0][:] = bias
            assert net.predict([[1.0]])[0, 0] == expected, (name, bias)


@pytest.mark.parametrize("z", [[0.0, 0.0], [1.0, 2.0, 3.0], [1000.0, 0.0, -1000.0], [-1000.0, -1001.0], [5.0]])
def test_softmax(z, formulation):
    mp = pytest.importorskip("mpmath").mp
    n = len(z)
    net = fastbp.Network([n, n], output_activation="softmax", dtype="float64", formulation=formulation)
    net.weights[0][:], net.biases[0][:] = np.eye(n), 0
    exponentials = [mp.exp(mp.mpf(v) - max(z)) for v in z]
    expected = [float(e / sum(exponentials)) for e in exponentials]
    assert net.predict([z])[0] == pytest.approx(expected, rel=1e-14, abs=1e-300)
    assert net.predict([z]).sum() == pytest.approx(1, rel=1e-15)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_outputs_are_in_the_range_that_is_declared(name):
    """Up to rounding: sigmoid(40) is 1 in float64."""
    low, high = Interval.parse(ACTIVATIONS[name].output_range).low, Interval.parse(ACTIVATIONS[name].output_range).high
    net = fastbp.Network([3, 3], output_activation=name, cost="quadratic", dtype="float64")
    net.weights[0][:], net.biases[0][:] = np.eye(3), 0
    z = np.random.default_rng(0).uniform(-20, 20, (10_000, 3))
    a = net.predict(z)
    assert (a >= low - 1e-15).all() and (a <= high).all()
    if math.isfinite(low):
        assert a.min() < low + 1e-4  # the outputs come close to the end of the range
    if math.isfinite(high):
        assert a.max() > high - 1e-4


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_check_derivative_passes_for_ours(name):
    assert fastbp.check_derivative(name) < 1e-8
    assert fastbp.check_derivative(ACTIVATIONS[name]) < 1e-8


PLANTED = {
    "sign": fastbp.Activation("planted", math.sin, lambda z: -math.cos(z)),
    "factor": fastbp.Activation("planted", lambda z: z * z, lambda z: z),
    "constant": fastbp.Activation("planted", math.tanh, lambda z: 1 - math.tanh(z) ** 2 + 1e-4),
    "of a, said to be of z": fastbp.Activation("planted", math.tanh, lambda a: 1 - a * a, "z"),
    "of z, said to be of a": fastbp.Activation("planted", math.tanh, lambda z: 1 - math.tanh(z) ** 2, "a"),
    "negative z only": fastbp.Activation("planted", lambda z: max(z, 0.1 * z), lambda z: 1 if z > 0 else 0),
    "the function itself": fastbp.Activation("planted", math.atan, math.atan),
    "NaN": fastbp.Activation("planted", math.tanh, lambda z: math.nan),
}


@pytest.mark.parametrize("error", PLANTED)
def test_check_derivative_finds_a_planted_error(error):
    with pytest.raises(
        ValueError, match=r"the derivative of 'planted' is wrong at z = .*: it says .*, differences say"
    ):
        fastbp.check_derivative(PLANTED[error])


def test_check_derivative_finds_an_error_in_a_whole_layer():
    softmax = ACTIVATIONS["softmax"]

    def without_the_mean(delta, z, a):
        delta *= a

    with pytest.raises(ValueError, match="∂a_0/∂z_0"):
        fastbp.check_derivative(dataclasses.replace(softmax, derivative=without_the_mean))


def test_check_derivative_has_a_tolerance():
    slightly = fastbp.Activation("slightly", lambda z: z, lambda z: 1 + 1e-4)
    assert fastbp.check_derivative(slightly, tolerance=1e-3) == pytest.approx(0.5e-4, rel=1e-3)
    with pytest.raises(ValueError, match="'slightly'"):
        fastbp.check_derivative(slightly)


def test_check_derivative_refuses_other_objects():
    with pytest.raises(TypeError, match="neither a name nor"):
        fastbp.check_derivative(3)
    with pytest.raises(ValueError, match="did you mean 'sigmoid'"):
        fastbp.check_derivative("sigmoud")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(0, 1)", Interval(0, 1, False, False)),
        ("[0, 1]", Interval(0, 1, True, True)),
        ("(0, 1]", Interval(0, 1, False, True)),
        ("[-1.5,inf)", Interval(-1.5, math.inf, True, False)),
        ("(-inf, inf)", Interval(-math.inf, math.inf, False, False)),
        ("(-1e-3, 2e3)", Interval(-0.001, 2000, False, False)),
    ],
)
def test_interval(text, expected):
    assert Interval.parse(text) == expected


def test_an_interval_has_its_ends_only_if_they_are_included():
    numbers = [-0.1, 0, 0.5, 1, 1.1, math.nan]
    assert [Interval.parse("[0, 1]").has(v) for v in numbers] == [False, True, True, True, False, False]
    assert [Interval.parse("(0, 1)").has(v) for v in numbers] == [False, False, True, False, False, False]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0, 1",
        "(0 1)",
        "(0, 1",
        "0, 1)",
        "{0, 1}",
        "(1, 0)",
        "(1, 1)",
        "(a, b)",
        "(0, 1, 2)",
        "(nan, 1)",
        "()",
        "(",
        None,
        3,
        ("0", "1"),
    ],
)
def test_malformed_intervals_are_refused(text):
    with pytest.raises(ValueError, match="is not an interval; write"):
        Interval.parse(text)
    with pytest.raises(ValueError, match="is not an interval; write"):
        fastbp.Activation("s", abs, abs, output_range=text)


@pytest.mark.parametrize(
    ("outer", "inner", "contained"),
    [
        ("(-inf, inf)", "[0, 1]", True),
        ("(0, 1)", "(0, 1)", True),
        ("[0, 1]", "(0, 1)", True),
        ("(0, 1)", "[0, 1)", False),
        ("(0, 1)", "(0, 1]", False),
        ("(0, 1)", "(-1, 1)", False),
        ("(0, inf)", "[0, inf)", False),
        ("[0, inf)", "(0, 5)", True),
        ("(0, 1)", "(0.2, 0.8)", True),
        ("(0, 1)", "(0.2, 1.8)", False),
    ],
)
def test_interval_contains(outer, inner, contained):
    assert Interval.parse(outer).contains(Interval.parse(inner)) is contained


def test_malformed_activations_are_refused():
    with pytest.raises(TypeError, match="the function of activation 's' is not callable: 3"):
        fastbp.Activation("s", 3, abs)
    with pytest.raises(TypeError, match="the derivative of activation 's' is not callable: None"):
        fastbp.Activation("s", abs, None)
    with pytest.raises(ValueError, match="derivative_of is 'b'; it must be 'z' or 'a'"):
        fastbp.Activation("s", abs, abs, derivative_of="b")


def test_softmax_is_for_the_output_layer_only():
    with pytest.raises(ValueError, match=r"activation\[1\] is 'softmax', which is for the output layer only"):
        fastbp.Network([2, 3, 3, 2], activation=["tanh", "softmax"])


def times(factor: float) -> fastbp.Activation:
    return fastbp.Activation("times", lambda z: factor * z, lambda z: factor)


def test_two_of_the_same_name_are_not_mixed_up(formulation):
    """Machine code is kept by the content of a function, not by its name."""
    outputs = []
    for factor in (2.0, 3.0):
        net = fastbp.Network(
            [1, 1], output_activation=times(factor), cost="quadratic", dtype="float64", formulation=formulation
        )
        net.parameters = [1, 0]
        outputs.append(float(net.predict([[5.0]])[0, 0]))
        assert net.gradient([[1.0]], [[0.0]]).biases[0][0] == factor * factor
    assert outputs == [10, 15]


def test_functions_of_the_standard_library_will_do(formulation):
    sine = fastbp.Activation("sine", math.sin, math.cos, output_range="[-1, 1]")
    net = fastbp.Network([1, 1], output_activation=sine, cost="quadratic", dtype="float64", formulation=formulation)
    net.parameters = [1, 0]
    assert net.predict([[0.5]])[0, 0] == pytest.approx(math.sin(0.5), rel=1e-15)
    assert net.gradient([[0.5]], [[0.0]]).biases[0][0] == pytest.approx(math.sin(0.5) * math.cos(0.5), rel=1e-15)


def test_a_function_that_numba_cannot_compile_is_refused(compiled):
    strange = fastbp.Activation("strange", lambda z: len(str(open)), lambda z: 0)
    net = fastbp.Network([1, 1], output_activation=strange, cost="quadratic", formulation=compiled)
    with pytest.raises(TypeError, match="Numba cannot compile"):
        net.predict([[0.5]])


def test_float32_is_computed_in_float32(formulation):
    """A single layer agrees within some units in the last place of float32."""
    for name in ELEMENTWISE:
        net = layer(name, formulation, "float32")
        for z in np.array(ORDINARY, np.float32).tolist():
            a = net.predict([[z]])
            assert a.dtype == np.float32
            assert a[0, 0] == pytest.approx(float(exact(name, z)[0]), rel=1e-5, abs=1e-6)


def test_all_formulations_know_all_activations():
    for name in ACTIVATIONS:
        for formulation in FORMULATIONS:
            net = fastbp.Network([1, 2], output_activation=name, cost="quadratic", formulation=formulation)
            assert net.predict([[0.5]]).shape == (1, 2)
