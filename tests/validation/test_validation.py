"""Every wrong argument is refused in words, before anything has changed."""

import numpy as np
import pytest
from conftest import state_of
from trained_networks import GOOD_X, GOOD_Y, classifier, one_output, regressor

import fastbp

NAN, INF = float("nan"), float("inf")


def with_entry(array, index, value):
    array = np.array(array, dtype=np.float64)
    array[index] = value
    return array


# (X, error, message)
WRONG_X = {
    "too few features": (np.zeros((4, 2)), ValueError, "X has 2 features, but the network expects 3"),
    "too many features": (np.zeros((4, 783)), ValueError, "X has 783 features, but the network expects 3"),
    "no features": (np.zeros((4, 0)), ValueError, "X has 0 features, but the network expects 3"),
    "one sample, flat": (np.zeros(3), ValueError, r"X has shape \(3,\); needed is \(n_samples, 3\); .* X\[None, :\]"),
    "flat": (np.zeros(4), ValueError, r"X has shape \(4,\); needed is \(n_samples, 3\)"),
    "a number": (3.0, ValueError, r"X has shape \(\); needed is \(n_samples, 3\)"),
    "images": (np.zeros((4, 3, 1)), ValueError, r"X has shape \(4, 3, 1\); needed is \(n_samples, 3\)"),
    "empty": (np.zeros((0, 3)), ValueError, "X has no samples; at least one is needed"),
    "empty list": ([], ValueError, r"X has shape \(0,\); needed is \(n_samples, 3\)"),
    "NaN": (with_entry(GOOD_X, (2, 1), NAN), ValueError, r"X\[2, 1\] is nan; all must be finite"),
    "infinity": (with_entry(GOOD_X, (3, 0), INF), ValueError, r"X\[3, 0\] is inf; all must be finite"),
    "minus infinity": (with_entry(GOOD_X, (0, 0), -INF), ValueError, r"X\[0, 0\] is -inf; all must be finite"),
    "several NaN": (np.full((4, 3), NAN), ValueError, r"X\[0, 0\] is nan and 11 more; all must be finite"),
    "both infinities": (
        with_entry(with_entry(GOOD_X, (0, 1), INF), (0, 2), -INF),
        ValueError,
        r"X\[0, 1\] is inf and 1 more",
    ),
    "too large for float32": (
        with_entry(GOOD_X, (1, 1), 1e300),
        ValueError,
        r"X\[1, 1\] is 1e\+300; .* finite in float32",
    ),
    "float16": (GOOD_X.astype(np.float16), TypeError, r"X is of dtype float16; .*float32, float64"),
    "complex": (GOOD_X.astype(complex), TypeError, "X is of dtype complex128; .*float32, float64"),
    "strings": (GOOD_X.astype(str), TypeError, "X is of dtype <U.*; .*float32, float64"),
    "bytes": (GOOD_X.astype("S"), TypeError, r"X is of dtype \|S.*; .*float32, float64"),
    "objects": (
        np.where(GOOD_X == 0, None, GOOD_X),
        TypeError,
        r"X is of dtype object; .*float32, float64.*X\[0, 0\] is None, which is not a real number",
    ),
    "words": (
        np.where(GOOD_X == 0, "a", GOOD_X.astype(object)),
        TypeError,
        r"X\[0, 0\] is 'a', which is not a real number",
    ),
    "dates": (GOOD_X.astype("M8[s]"), TypeError, "X is of dtype datetime64.*; .*float32, float64"),
    "None": (None, TypeError, "X is of dtype object; .*float32, float64"),
    "a word": ("X", TypeError, "X is of dtype <U1; .*float32, float64"),
    "ragged": ([[1, 2, 3], [1, 2]], ValueError, "X cannot be read as an array: .*"),
    "structured": (np.zeros(4, [("a", "f4"), ("b", "f4")]), TypeError, "X is of dtype .*; .*float32, float64"),
}

# (a function that makes the network, Y, error, message)
WRONG_Y = {
    "too short": (classifier, GOOD_Y[:3], ValueError, "Y has 3 rows, but X has 4"),
    "too long": (classifier, np.zeros((5, 2)), ValueError, "Y has 5 rows, but X has 4"),
    "one output too short": (one_output, GOOD_Y[:1], ValueError, "Y has 1 rows, but X has 4"),
    "regression too short": (regressor, np.zeros((3, 2)), ValueError, "Y has 3 rows, but X has 4"),
    "empty": (regressor, np.zeros((0, 2)), ValueError, "Y has 0 rows, but X has 4"),
    "too few outputs": (regressor, np.zeros((4, 1)), ValueError, r"Y has shape \(4, 1\); needed is \(n_samples, 2\)"),
    "too many outputs": (regressor, np.zeros((4, 3)), ValueError, r"Y has shape \(4, 3\); needed is \(n_samples, 2\)"),
    "two for one": (one_output, np.zeros((4, 2)), ValueError, r"Y has shape \(4, 2\); needed is \(n_samples, 1\)"),
    "too deep": (regressor, np.zeros((4, 2, 1)), ValueError, r"Y has shape \(4, 2, 1\); needed is \(n_samples, 2\)"),
    "a number": (regressor, 1.0, ValueError, r"Y has shape \(\); needed is \(n_samples, 2\)"),
    "NaN": (regressor, with_entry(np.zeros((4, 2)), (1, 1), NAN), ValueError, r"Y\[1, 1\] is nan; all must be finite"),
    "infinity": (
        regressor,
        with_entry(np.zeros((4, 2)), (3, 0), INF),
        ValueError,
        r"Y\[3, 0\] is inf; all must be finite",
    ),
    "NaN, one output": (one_output, [0, 1, NAN, 0], ValueError, r"Y\[2(, 0)?\] is nan; all must be finite"),
    "NaN label": (
        classifier,
        [0, 1, NAN, 0],
        (TypeError, ValueError),
        "Y.* class labels are whole numbers from 0 to 1",
    ),
    "negative label": (classifier, [0, 1, -1, 0], ValueError, r"Y\[2\] is -1; class labels go from 0 to 1"),
    "label too large": (classifier, [0, 2, 1, 0], ValueError, r"Y\[1\] is 2; class labels go from 0 to 1"),
    "large label as float": (
        classifier,
        [0.0, 2.0, 1.0, 0.0],
        ValueError,
        r"Y\[1\] is 2.0; class labels go from 0 to 1",
    ),
    "half a label": (
        classifier,
        [0, 1, 0.5, 0],
        TypeError,
        "Y is of dtype float64; class labels are whole numbers from 0",
    ),
    "labels as words": (
        classifier,
        ["a", "b", "a", "b"],
        TypeError,
        "Y is of dtype <U1; class labels are whole numbers",
    ),
    "labels as objects": (classifier, np.array([0, None, 1, 0]), TypeError, "Y is of dtype object; class labels"),
    "labels for no classifier": (
        regressor,
        GOOD_Y,
        ValueError,
        r"Y has shape \(4,\), but .* 2 identity outputs: .*softmax",
    ),
    "float16": (regressor, np.zeros((4, 2), np.float16), TypeError, "Y is of dtype float16; .*float32, float64"),
    "complex": (regressor, np.zeros((4, 2), complex), TypeError, "Y is of dtype complex128; .*float32, float64"),
    "objects": (regressor, np.full((4, 2), None), TypeError, "Y is of dtype object; .*float32, float64"),
    "strings": (regressor, np.zeros((4, 2), str), TypeError, "Y is of dtype <U1; .*float32, float64"),
    "ragged": (regressor, [[1, 2], [1], [1, 2], [1, 2]], ValueError, "Y cannot be read as an array: .*"),
    "None": (regressor, None, TypeError, "Y is of dtype object; .*float32, float64"),
    "above 1 for cross_entropy": (one_output, [0, 1, 2, 0], ValueError, r"Y\[2, 0\] is 2.0; .* targets in \[0, 1\]"),
    "below 0 for cross_entropy": (
        one_output,
        [0, 1, -0.1, 0],
        ValueError,
        r"Y\[2, 0\] is -0.1.*; .* targets in \[0, 1\]",
    ),
    "no distribution": (classifier, np.ones((4, 2)), ValueError, r"Y\[0\] sums to 2; .* sum to 1"),
}


@pytest.mark.parametrize("method", ["fit", "predict", "evaluate", "gradient", "validation"])
@pytest.mark.parametrize("case", WRONG_X)
def test_wrong_inputs(case, method):
    X, error, message = WRONG_X[case]
    net = classifier()
    before, kept = state_of(net), np.array(X, copy=True) if isinstance(X, np.ndarray) else None
    with pytest.raises(error, match=message) as caught:
        call(net, method, X, GOOD_Y)
    assert str(caught.value).startswith("validation X" if method == "validation" else "X")
    assert state_of(net) == before
    if kept is not None:
        assert X.tobytes() == kept.tobytes()


def call(net, method, X, Y):
    new = fastbp.SGD(0.1)
    if method == "predict":
        net.predict(X)
    elif method == "validation":
        good = np.zeros((4, net.sizes[-1])) + 1 / net.sizes[-1]
        net.fit(GOOD_X, good, validation_data=(X, Y), optimizer=new)
    elif method == "fit":
        net.fit(X, Y, optimizer=new)
    else:
        getattr(net, method)(X, Y)


@pytest.mark.parametrize("method", ["fit", "evaluate", "gradient", "validation"])
@pytest.mark.parametrize("case", WRONG_Y)
def test_wrong_targets(case, method):
    new, Y, error, message = WRONG_Y[case]
    net = new()
    before = state_of(net)
    with pytest.raises(error, match=message) as caught:
        call(net, method, GOOD_X, Y)
    assert str(caught.value).startswith("validation Y" if method == "validation" else "Y")
    assert state_of(net) == before


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"epochs": 0}, ValueError, "epochs is 0; it must be at least 1"),
        ({"epochs": -3}, ValueError, "epochs is -3; it must be at least 1"),
        ({"epochs": 2.0}, TypeError, "epochs is 2.0; it must be a whole number"),
        ({"epochs": INF}, TypeError, "epochs is inf; it must be a whole number"),
        ({"epochs": NAN}, TypeError, "epochs is nan; it must be a whole number"),
        ({"epochs": "10"}, TypeError, "epochs is '10'; it must be a whole number"),
        ({"epochs": True}, TypeError, "epochs is True; it must be a whole number"),
        ({"epochs": None}, TypeError, "epochs is None; it must be a whole number"),
        ({"batch_size": 0}, ValueError, "batch_size is 0; it must be at least 1"),
        ({"batch_size": -1}, ValueError, "batch_size is -1; it must be at least 1"),
        ({"batch_size": 1.5}, TypeError, "batch_size is 1.5; it must be a whole number"),
        ({"batch_size": INF}, TypeError, "batch_size is inf; it must be a whole number"),
        ({"batch_size": NAN}, TypeError, "batch_size is nan; it must be a whole number"),
        ({"batch_size": np.bool_(True)}, TypeError, "batch_size is .*True.*; it must be a whole number"),
        ({"optimizer": 0.1}, TypeError, "optimizer is 0.1; it must be an optimizer such as"),
        ({"optimizer": "adan"}, ValueError, "unknown optimizer 'adan'; did you mean 'adam'"),
        ({"optimizer": 0.1}, TypeError, "optimizer is 0.1; it must be an optimizer such as"),
        ({"progress": "yes"}, TypeError, "progress is 'yes'; it must be True or False"),
        ({"progress": 1}, TypeError, "progress is 1; it must be True or False"),
        ({"validation_data": GOOD_X}, ValueError, r"validation_data must be a pair \(X, Y\)"),
        ({"validation_data": (GOOD_X,)}, ValueError, r"validation_data must be a pair \(X, Y\)"),
        ({"validation_data": (GOOD_X, GOOD_Y, None, GOOD_Y)}, ValueError, r"validation_data must be a pair \(X, Y\)"),
        ({"validation_data": 0.1}, ValueError, r"validation_data must be a pair \(X, Y\)"),
        ({"validation_data": (GOOD_X, GOOD_Y[:3])}, ValueError, "validation Y has 3 rows, but .*X has 4"),
    ],
)
def test_wrong_options_of_fit(options, error, message):
    net = classifier()
    before = state_of(net)
    with pytest.raises(error, match=message):
        net.fit(GOOD_X, GOOD_Y, **{"optimizer": fastbp.SGD(0.1), **options})
    assert state_of(net) == before


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (([3],), {}, ValueError, r"sizes is \[3\]; a network needs at least an input and an output layer"),
        (([],), {}, ValueError, r"sizes is \[\]; a network needs at least an input and an output layer"),
        (([3, 0, 2],), {}, ValueError, r"sizes\[1\] is 0; it must be at least 1"),
        (([3, 2, -1],), {}, ValueError, r"sizes\[2\] is -1; it must be at least 1"),
        (([3, 2.0],), {}, TypeError, r"sizes\[1\] is 2.0; it must be a whole number"),
        (([3, "2"],), {}, TypeError, r"sizes\[1\] is '2'; it must be a whole number"),
        (([True, 2],), {}, TypeError, r"sizes\[0\] is True; it must be a whole number"),
        (("32",), {}, TypeError, "sizes is '32'; it must be a list of layer sizes"),
        ((3,), {}, TypeError, "sizes is 3; it must be a list of layer sizes"),
        ((None,), {}, TypeError, "sizes is None; it must be a list of layer sizes"),
        (([3, 4, 2],), {"activation": "rellu"}, ValueError, "unknown activation 'rellu'; did you mean 'relu'"),
        (([3, 4, 2],), {"activation": "sigmond"}, ValueError, "unknown activation 'sigmond'; did you mean 'sigmoid'"),
        (
            ([3, 4, 2],),
            {"activation": "xyzzy"},
            ValueError,
            "unknown activation 'xyzzy'.* Known: identity, sigmoid, tanh",
        ),
        (([3, 4, 2],), {"activation": 3}, TypeError, "activation is 3; it must be a name or a fastbp.Activation"),
        (([3, 4, 2],), {"activation": None}, TypeError, "activation is None; it must be a name or a fastbp.Activation"),
        (([3, 4, 2],), {"activation": ["relu", "relu"]}, ValueError, "activation has 2 entries, but there are 1"),
        (([3, 4, 2],), {"activation": []}, ValueError, "activation has 0 entries, but there are 1"),
        (([3, 4, 2],), {"activation": ["rellu"]}, ValueError, "unknown activation 'rellu'; did you mean 'relu'"),
        (([3, 4, 2],), {"activation": "softmax"}, ValueError, "'softmax', which is for the output layer only"),
        (([3, 4, 2],), {"output_activation": "softmx"}, ValueError, "unknown output_activation 'softmx'; .* 'softmax'"),
        (([3, 4, 2],), {"output_activation": 1.0}, TypeError, "output_activation is 1.0; it must be a name"),
        (([3, 4, 2],), {"cost": "cross_entrophy"}, ValueError, "unknown cost 'cross_entrophy'; .* 'cross_entropy'"),
        (([3, 4, 2],), {"cost": "quadratc"}, ValueError, "unknown cost 'quadratc'; did you mean 'quadratic'"),
        (([3, 4, 2],), {"cost": 0}, TypeError, "cost is 0; it must be a name or a fastbp.Cost"),
        (
            ([3, 4, 2],),
            {"cost": "cross_entropy", "output_activation": "tanh"},
            ValueError,
            r"the cost 'cross_entropy' needs outputs in \(0, 1\), but .* 'tanh' gives \(-1, 1\)",
        ),
        (
            ([3, 4, 2],),
            {"cost": "cross_entropy", "output_activation": "relu"},
            ValueError,
            r"the cost 'cross_entropy' needs outputs in \(0, 1\), but .* 'relu' gives \[0, inf\)",
        ),
        (
            ([3, 4, 2],),
            {"cost": "poisson", "output_activation": "identity"},
            ValueError,
            r"the cost 'poisson' needs outputs in \(0, inf\), but .* 'identity' gives \(-inf, inf\)",
        ),
        (([3, 4, 2],), {"initializer": "glorat"}, ValueError, "unknown initializer 'glorat'; did you mean 'glorot'"),
        (([3, 4, 2],), {"formulation": "loop"}, ValueError, "unknown formulation 'loop'; did you mean 'loops'"),
        (([3, 4, 2],), {"formulation": 1}, TypeError, "formulation is 1; it must be"),
        (([3, 4, 2],), {"dtype": "float16"}, ValueError, "dtype is float16; fastbp computes in float32 or float64"),
        (([3, 4, 2],), {"dtype": int}, ValueError, "dtype is int64; fastbp computes in float32 or float64"),
        (([3, 4, 2],), {"dtype": complex}, ValueError, "dtype is complex128; fastbp computes in float32 or float64"),
        (([3, 4, 2],), {"dtype": "float33"}, TypeError, "dtype is 'float33'; it must be 'float32' or 'float64'"),
        (([3, 4, 2],), {"seed": -1}, ValueError, "seed is -1; it must be at least 0"),
        (([3, 4, 2],), {"seed": 1.5}, TypeError, "seed is 1.5; it must be a whole number"),
        (([3, 4, 2],), {"seed": "1"}, TypeError, "seed is '1'; it must be a whole number"),
    ],
)
def test_wrong_networks(arguments, options, error, message):
    with pytest.raises(error, match=message):
        fastbp.Network(*arguments, **options)


def test_messages_about_formulations_name_no_private_attribute():
    with pytest.raises(TypeError) as error:
        fastbp.Network([3, 2], formulation=1)
    assert "_" not in str(error.value)


def test_a_wrong_formulation_leaves_the_old_one():
    net = classifier()
    before = state_of(net)
    with pytest.raises(ValueError, match="unknown formulation 'vectorised'; did you mean 'vectorized'"):
        net.formulation = "vectorised"
    assert state_of(net) == before
    net.predict(GOOD_X)


def test_a_generator_that_is_given_is_not_drawn_from_by_a_refused_network():
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    for options in (
        {"cost": "quadratc"},
        {"formulation": "loop"},
        {"initializer": "glorat"},
        {"activation": "softmax"},
    ):
        with pytest.raises(ValueError):
            fastbp.Network([3, 4, 2], seed=rng, **options)
        assert rng.bit_generator.state == before, options
