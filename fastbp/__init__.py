"""fastbp: feed-forward networks trained by backpropagation, in compiled loops that read like the textbook."""

from typing import TYPE_CHECKING, Any

from fastbp.memory import no_collection

with no_collection(stays=True):  # in the middle of an import it takes a tenth of the time, and finds nothing
    from fastbp.compiler.threads import get_num_threads, set_num_threads, threads
    from fastbp.compiler.threads import imported as _imported
    from fastbp.files.serialization import ModelFileError
    from fastbp.functions.activations import Activation
    from fastbp.functions.costs import Cost, Huber, Quantile
    from fastbp.functions.initializers import Initializer
    from fastbp.functions.sample_costs import GaussianNLL, Quantiles
    from fastbp.model import ParameterVector
    from fastbp.network.network import Network, load
    from fastbp.optimizers import (
        LBFGS,
        SGD,
        Adagrad,
        Adam,
        AdamW,
        ConjugateGradient,
        LevenbergMarquardt,
        Momentum,
        Nesterov,
        RMSProp,
        Rprop,
    )

if TYPE_CHECKING:
    from fastbp.comparison import Comparison, MeasuringError, compare
    from fastbp.data import load_digits, load_mnist
    from fastbp.derivatives.derivative_check import check_derivative
    from fastbp.derivatives.explain.nudge import Nudge
    from fastbp.derivatives.explain.trace import Trace
    from fastbp.network.foreign import from_keras, from_torch
    from fastbp.network.gradient_check import GradientCheck, check_gradient
    from fastbp.network.posterior import Posterior
    from fastbp.optimizers.schedules import (
        ByStep,
        ConstantRate,
        CosineDecay,
        ExponentialDecay,
        InverseScaling,
        LogCosine,
        OneCycle,
        ReduceOnPlateau,
        StepDecay,
    )
    from fastbp.population import Halving, Population
    from fastbp.training.callbacks import Callback, Checkpoint, CSVLogger
    from fastbp.training.divergence import DivergenceError
    from fastbp.training.early_stopping import EarlyStopping
    from fastbp.training.history import History
    from fastbp.training.metrics import Evaluation
    from fastbp.training.recording import Recorder, error_norms

__version__ = "0.1.0"

__all__ = [
    "LBFGS", "SGD", "Activation", "Adagrad", "Adam", "AdamW", "ByStep", "CSVLogger", "Callback", "Checkpoint",
    "Comparison", "ConjugateGradient", "ConstantRate", "CosineDecay", "Cost", "DivergenceError", "EarlyStopping",
    "Evaluation", "ExponentialDecay", "GaussianNLL", "GradientCheck", "Halving", "History", "Huber", "Initializer",
    "InverseScaling", "LevenbergMarquardt", "LogCosine", "MeasuringError", "ModelFileError", "Momentum", "Nesterov",
    "Network", "Nudge", "OneCycle", "ParameterVector", "Population", "Posterior", "Quantile", "Quantiles", "RMSProp",
    "Recorder", "ReduceOnPlateau", "Rprop", "StepDecay", "Trace", "check_derivative", "check_gradient", "compare",
    "error_norms", "from_keras", "from_torch", "get_num_threads", "load", "load_digits", "load_mnist",
    "set_num_threads", "threads",
]  # fmt: skip

_LATER = {
    name: f"fastbp.{module}" for module, names in {
        "data": "load_digits load_mnist",
        "comparison": "compare Comparison MeasuringError",
        "network.foreign": "from_keras from_torch",
        "network.gradient_check": "GradientCheck check_gradient",
        "network.posterior": "Posterior",
        "derivatives.derivative_check": "check_derivative",
        "derivatives.explain.nudge": "Nudge",
        "derivatives.explain.trace": "Trace",
        "optimizers.schedules": "ByStep ConstantRate CosineDecay ExponentialDecay InverseScaling LogCosine OneCycle "
                                "ReduceOnPlateau StepDecay",
        "population": "Halving Population",
        "training.callbacks": "CSVLogger Callback Checkpoint",
        "training.divergence": "DivergenceError",
        "training.early_stopping": "EarlyStopping",
        "training.history": "History",
        "training.metrics": "Evaluation",
        "training.recording": "Recorder error_norms",
    }.items() for name in names.split()
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import on first use what many programs do not need, so that the import of fastbp takes less time."""
    if name in ("sklearn", "tabular"):
        return _imported(f"fastbp.{name}")
    if name in _LATER:
        return getattr(_imported(_LATER[name]), name)
    raise AttributeError(f"module 'fastbp' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return these names too, for completion."""
    return sorted({*globals(), *__all__})
