"""Right arguments of every public function and method that needs some; `test_odd_arguments.py` makes one odd at a time.

A function in neither table is called with the odd argument alone.
"""

from typing import Any

import numpy as np

import fastbp

X, Y, V = np.full((4, 3), 0.5), np.full((4, 2), 0.25), np.full(26, 0.1)


def net() -> fastbp.Network:
    """A new network of 26 parameters, in the dtype whose derivatives `test_hostile.py` compiles."""
    return fastbp.Network([3, 4, 2], cost="cross_entropy", output_activation="sigmoid", dtype="float64", seed=0)


FUNCTIONS: dict[str, dict[str, Any]] = {
    "Activation": {"name": "a", "function": lambda z: z, "derivative": lambda z: 1},
    "CSVLogger": {"path": "log.csv"},
    "Checkpoint": {"path": "net.safetensors"},
    "CosineDecay": {"epochs": 9},
    "Cost": {"name": "c", "function": lambda a, y: a - y, "derivative": lambda a, y: 1},
    "GaussianNLL": {"beta": 0.5},
    "Initializer": {"name": "i", "draw": lambda rng, n_out, n_in: np.zeros((n_out, n_in))},
    "Momentum": {"learning_rate": 0.1},
    "Nesterov": {"learning_rate": 0.1},
    "Network": {"sizes": [3, 4, 2], "seed": 0},
    "LogCosine": {"epochs": 9},
    "OneCycle": {"epochs": 9},
    "ByStep": {"schedule": fastbp.ConstantRate()},
    "ParameterVector": {"sizes": [3, 4, 2], "vector": V},
    "Population": {"networks": [net()]},
    "Quantiles": {"q": [0.1, 0.9]},
    "SGD": {"learning_rate": 0.1},
    "StepDecay": {"every": 3},
    "check_derivative": {"function": "tanh"},
    "check_gradient": {"net": net, "X": X, "Y": Y},
    "error_norms": {"net": net, "X": X, "Y": Y},
    "load": {"path": "net.safetensors"},
    "set_num_threads": {"n": None},
    "threads": {"n": None},
}  # fmt: skip
METHODS: dict[str, dict[str, Any]] = {
    "apply_gradient": {"gradient": V},
    "clipped_gradient": {"X": X, "Y": Y, "max_norm": 1.0},
    "empirical_fisher_vector_product": {"X": X, "Y": Y, "v": V},
    "evaluate": {"X": X, "Y": Y},
    "fisher_vector_product": {"X": X, "v": V},
    "fit": {"X": X, "Y": Y, "epochs": 1},
    "gauss_newton_diagonal": {"X": X, "Y": Y},
    "gauss_newton_vector_product": {"X": X, "Y": Y, "v": V},
    "gradient": {"X": X, "Y": Y},
    "hessian": {"X": X, "Y": Y},
    "hessian_vector_product": {"X": X, "Y": Y, "v": V},
    "input_gradient": {"X": X, "Y": Y},
    "jacobian": {"X": X},
    "jvp": {"X": X, "V": np.ones((4, 3))},
    "laplace": {"X": X, "Y": Y},
    "layers_of": {"X": X},
    "nudge": {"x": X[0], "y": Y[0], "weight": (1, 0, 0), "by": 0.1},
    "parameter_vjp": {"X": X, "U": np.ones((4, 2))},
    "per_sample_gradient_norms": {"X": X, "Y": Y},
    "per_sample_gradients": {"X": X, "Y": Y},
    "predict": {"X": X},
    "save": {"path": "net.safetensors"},
    "to_c": {"path": "net.c"},
    "top_eigenvalues": {"X": X, "Y": Y, "k": 1},
    "trace": {"x": X[0], "y": Y[0]},
    "train_on_batch": {"X": X, "Y": Y},
    "vjp": {"X": X, "U": np.ones((4, 2))},
}  # fmt: skip
PROPERTIES = {"activations", "biases", "cost", "dtype", "formulation", "optimizer", "parameters", "sizes", "weights"}
OF_EXTRAS = {"to_onnx", "to_torch"}  # test_hostile_packages.py
POPULATION: dict[str, dict[str, Any]] = {
    "best": {"k": 1}, "evaluate": {"X": X, "Y": Y}, "fit": {"X": X, "Y": Y, "epochs": 1}, "mean": {"X": X},
    "predict": {"X": X}, "save": {"path": "nets.safetensors"}, "load": {"path": "nets.safetensors"},
}  # fmt: skip
HISTORY: dict[str, dict[str, Any]] = {
    "series": {"name": "cost"}, "keep": {"epochs": 1}, "table": {"most_rows": 3}, "plot": {"path": "history.png"},
}  # fmt: skip

TRACE: dict[str, dict[str, Any]] = {
    "factors": {"layer": 1, "j": 0, "k": 0}, "path": {"neurons": [0, 1, 1]}, "terms": {"layer": 1, "k": 0},
    "error_terms": {"j": 0}, "most_sensitive": {"n": 2}, "to_html": {"path": "page.html"},
}  # fmt: skip

RESULTS = {
    "Evaluation",
    "GradientCheck",
    "Nudge",
    "Posterior",
    "Trace",
    "Table",
    "Split",
    "Row",
    "Comparison",
    "History",
    "Callback",
}
"""Records that functions return, and the callback; the methods of three of them are tested."""
ERRORS = {"DataFileError", "DivergenceError", "MeasuringError", "ModelFileError"}
ELSEWHERE = RESULTS | ERRORS | {"compare", "from_keras", "from_torch", "load_digits", "load_mnist"}  # ..._packages.py
