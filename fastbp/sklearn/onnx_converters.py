"""skl2onnx converts fitted estimators, and pipelines of them, by its converters for scikit-learn's MLP.

They are registered for a class as soon as skl2onnx is imported, too: when `fastbp.sklearn` is, or when an estimator is
next asked for its tags, as `fit`, pipelines and searches do. Nothing here imports skl2onnx before somebody else has.
"""

import copy
import sys
from collections.abc import Callable
from typing import Any

from sklearn.base import ClassifierMixin

from fastbp.sklearn.parameters import THEIR_NAMES

ACTIVATIONS = ("identity", "logistic", "tanh", "relu", "softmax")  # those of skl2onnx's converters
OPTIONS = {"zipmap": [True, False, "columns"], "output_class_labels": [False, True], "nocl": [True, False]}

Converter = Callable[[Any, Any, Any], None]


def register(kind: type) -> None:
    """Register the converters for a class of estimators, if skl2onnx is imported and has none for it."""
    skl2onnx = sys.modules.get("skl2onnx")
    if not hasattr(skl2onnx, "get_model_alias"):  # it is not imported, or not completely
        return
    try:
        sys.modules["skl2onnx"].get_model_alias(kind)
    except RuntimeError:
        _register(kind)


def _register(kind: type) -> None:
    from skl2onnx import update_registered_converter
    from skl2onnx.common import shape_calculator as shapes
    from skl2onnx.operator_converters import multilayer_perceptron as theirs

    alias = f"Fastbp{kind.__name__}"
    if issubclass(kind, ClassifierMixin):
        shape, convert = shapes.calculate_linear_classifier_output_shapes, theirs.convert_sklearn_mlp_classifier
        update_registered_converter(kind, alias, shape, _checking(convert), options=OPTIONS)
    else:
        shape, convert = shapes.calculate_linear_regressor_output_shapes, theirs.convert_sklearn_mlp_regressor
        update_registered_converter(kind, alias, shape, _checking(convert))


def _checking(convert: Converter) -> Converter:
    """Return a converter for what it converts rightly, and ValueError for all else."""

    def checking(scope: Any, operator: Any, container: Any) -> None:
        fitted = operator.raw_operator
        operator.raw_operator = _with_one_activation(fitted)
        try:
            convert(scope, operator, container)
        finally:
            operator.raw_operator = fitted

    return checking


def _with_one_activation(fitted: Any) -> Any:
    """Return a copy whose `activation` is scikit-learn's name of that of all hidden layers. Raises ValueError."""
    *hidden, output = (THEIR_NAMES.get(sigma.name, sigma.name) for sigma in fitted.network_.activations)
    instead = "use model.network_.to_onnx(path), which converts every network"
    if len(set(hidden)) > 1 or not {*hidden, output} <= set(ACTIVATIONS):
        raise ValueError(
            f"the layers have the activations {', '.join((*hidden, output))}; skl2onnx knows one of "
            f"{', '.join(ACTIVATIONS)} for all hidden layers: {instead}"
        )
    if fitted.n_outputs_ > 1 and not isinstance(fitted, ClassifierMixin):
        raise ValueError(f"there are {fitted.n_outputs_} outputs, which skl2onnx would put in one column: {instead}")
    copied = copy.copy(fitted)
    copied.activation = hidden[0] if hidden else "identity"
    return copied
