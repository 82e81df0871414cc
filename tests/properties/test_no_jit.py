"""The loops as plain Python, and compiled with index checks: the same numbers, and no index out of bounds."""

import sys

import numpy as np
import pytest
from conftest import run_python

PROGRAM = """
import sys
from numba.core import event
passes = event.install_recorder("numba:run_pass")
recorder = passes.__enter__()
import numpy as np
import fastbp
rng = np.random.default_rng(0)
X, labels = rng.uniform(-1, 1, (7, 3)), rng.integers(0, 2, 7)
results = []
for hidden, output, cost, optimizer in [
    (["tanh", "relu"], "softmax", "cross_entropy", fastbp.Adam(0.01, epsilon=1e-3)),
    (["gelu", "sigmoid"], "sigmoid", "quadratic", fastbp.Momentum(0.1)),
    (["softplus", "elu"], "identity", fastbp.Huber(0.3), fastbp.SGD(0.1)),
    (["silu", "leaky_relu"], "exponential", "poisson", fastbp.Nesterov(0.01)),
][: int(sys.argv[2])]:
    net = fastbp.Network([3, 5, 4, 2], activation=hidden, output_activation=output, cost=cost, dtype="float64", seed=1,
                         formulation=sys.argv[1])
    Y = np.eye(2)[labels]
    net.fit(X, Y, epochs=2, batch_size=3, optimizer=optimizer, validation_data=(X, Y))  # 3, 3 and 1
    net.train_on_batch(X[:3], Y[:3], optimizer=optimizer)
    net.apply_gradient(net.parameter_vjp(X, Y - 0.5), optimizer=optimizer)
    results += [net.parameters, net.gradient(X, Y).vector, net.predict(X).ravel(), [net.evaluate(X, Y).cost]]
passes.__exit__(None, None, None)
print(len(recorder.buffer), *(float(number).hex() for number in np.concatenate(results)))
"""


def numbers(words):
    return np.array([float.fromhex(word) for word in words])


def passes_and_numbers(formulation, networks, **environment):
    passes, *words = run_python(PROGRAM, formulation, networks, **environment).split()
    return int(passes), numbers(words)


@pytest.fixture
def expected(compiled, monkeypatch, capsys):
    """The numbers of all networks, those of the first one at the beginning."""
    monkeypatch.setattr(sys, "argv", ["", compiled, "4"])
    exec(PROGRAM, {})
    return numbers(capsys.readouterr().out.split()[1:])


def test_without_compilation(compiled, expected):
    """Nothing is compiled. NumPy raises IndexError where an index is beyond the end of an array."""
    passes, given = passes_and_numbers(compiled, "4", NUMBA_DISABLE_JIT="1")
    assert passes == 0 and given.size > 200 and np.isfinite(given).all()
    assert given == pytest.approx(expected, rel=1e-12, abs=1e-13)


@pytest.mark.slow
def test_with_checked_indices(compiled, expected, tmp_path):
    """It compiles every loop anew, and finds no index that `test_without_compilation` would not."""
    _, given = passes_and_numbers(compiled, "1", NUMBA_BOUNDSCHECK="1", FASTBP_CACHE=str(tmp_path))
    assert given == pytest.approx(expected[: given.size], rel=1e-12, abs=1e-13)
    assert any(tmp_path.iterdir())


def test_an_index_out_of_bounds_is_found(tmp_path):
    """The faulty function is compiled with fastbp's own options."""
    script = """
import numpy as np
from fastbp.compiler.options import njit
from fastbp.compiler.views import stretch, matrix
from fastbp.formulations.tiles.rows import fitting  # min, max and a quotient, of our own

@njit(on_disk=False)
def beyond(vector):
    return stretch(vector, 0, fitting(3, 1, 1))[3] + matrix(vector, 0, 2, 2)[0, 2]

try:
    beyond(np.arange(9.0))
except IndexError:
    print("checked")
"""
    assert run_python(script, NUMBA_BOUNDSCHECK="1", FASTBP_CACHE=str(tmp_path)) == "checked"
