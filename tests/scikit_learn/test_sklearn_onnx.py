"""skl2onnx converts the estimators as it converts scikit-learn's."""

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 or newer is not installed")
pytest.importorskip("skl2onnx", reason="skl2onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

import onnxruntime
import skl2onnx
from sklearn.datasets import load_diabetes, load_iris, make_multilabel_classification
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastbp.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)
Xr, yr = load_diabetes(return_X_y=True)
SMALL = {"hidden_layer_sizes": (8, 5), "max_iter": 30, "learning_rate_init": 0.02, "random_state": 0}


def run(model, X, **options):
    """The outputs of the converted model, computed by onnxruntime."""
    session = onnxruntime.InferenceSession(skl2onnx.to_onnx(model, X[:1], **options).SerializeToString())
    return session.run(None, {session.get_inputs()[0].name: X})


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu", ["silu", "silu"], ["tanh", "tansig"]])
def test_a_classifier(activation):
    model = MLPClassifier(activation=activation, **SMALL).fit(X, np.array(["a", "b", "c"])[y])
    if activation == ["silu", "silu"]:
        with pytest.raises(ValueError, match=r"silu, silu, softmax; skl2onnx knows .*: use model.network_.to_onnx"):
            run(model, X)
        return
    labels, probabilities = run(model, X, options={"zipmap": False})
    np.testing.assert_allclose(probabilities, model.predict_proba(X), atol=1e-5)
    assert (labels == model.predict(X)).all() and model.activation == activation
    _, named = run(model, X[:2])
    assert [*named[0]] == ["a", "b", "c"]  # as of scikit-learn's, by default


def test_pipelines_searches_two_classes_and_several_labels():
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(**SMALL))
    for model in (pipeline, GridSearchCV(pipeline, {"mlpclassifier__alpha": [0.1, 1]}, cv=2)):
        for labels in (y, y > 0):
            model.fit(X, labels)
            predicted, probabilities = run(model, X, options={"zipmap": False})
            np.testing.assert_allclose(probabilities, model.predict_proba(X), atol=1e-5)
            assert (predicted == model.predict(X)).all()
    Xm, Ym = make_multilabel_classification(100, 5, n_classes=3, random_state=0)
    model = MLPClassifier(**SMALL).fit(Xm, Ym)
    assert (run(model, Xm.astype(np.float32), options={"zipmap": False})[0] == model.predict(Xm)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_regressor(dtype):
    model = MLPRegressor(**SMALL).fit(Xr.astype(dtype), yr)
    tolerance = 1e-4 if dtype == np.float32 else 1e-10
    np.testing.assert_allclose(run(model, Xr.astype(dtype))[0].ravel(), model.predict(Xr.astype(dtype)), tolerance)
    with pytest.raises(ValueError, match=r"there are 2 outputs, .*: use model.network_.to_onnx"):
        run(MLPRegressor(**SMALL).fit(Xr, np.c_[yr, yr]), Xr)


class Own(MLPRegressor):
    """A class of a user."""


def test_a_converter_that_somebody_else_registered_stays():
    from skl2onnx.common.shape_calculator import calculate_linear_regressor_output_shapes as shapes

    asked = []

    def convert(scope, operator, container):
        from skl2onnx.operator_converters.multilayer_perceptron import convert_sklearn_mlp_regressor

        asked.append(operator)
        convert_sklearn_mlp_regressor(scope, operator, container)

    skl2onnx.update_registered_converter(Own, "OwnMLP", shapes, convert)
    run(Own(**SMALL).fit(Xr, yr), Xr)
    assert len(asked) == 1


ORDERS = {
    "after fastbp": "from fastbp.sklearn import MLPRegressor; import skl2onnx; fit(MLPRegressor())",
    "before fastbp": "import skl2onnx; from fastbp.sklearn import MLPRegressor; fit(MLPRegressor())",
    "after fit": "from fastbp.sklearn import MLPRegressor; model = fit(MLPRegressor());"
    " assert 'skl2onnx' not in sys.modules; import skl2onnx; fastbp.sklearn.onnx_converters.register(MLPRegressor)",
    "after fit, in a pipeline": "from fastbp.sklearn import MLPRegressor; model = make_pipeline(fit(MLPRegressor()));"
    " assert 'skl2onnx' not in sys.modules; import skl2onnx",
}


@pytest.mark.parametrize("order", ORDERS)
def test_in_whatever_order_it_is_imported(order):
    code = f"""
import sys, numpy as np, fastbp
from sklearn.pipeline import make_pipeline
X, model = np.eye(3), None
def fit(estimator):
    global model
    model = estimator.set_params(hidden_layer_sizes=(2,), solver="lbfgs", tol=1).fit(X, [1.0, 2, 3])
    return model
{ORDERS[order].replace("; ", chr(10)).replace(";", chr(10))}
skl2onnx.to_onnx(model, X)
"""
    code = "\n".join(line.strip() if not line.startswith("    ") else line for line in code.splitlines())
    subprocess.run([sys.executable, "-W", "error::RuntimeWarning", "-c", code], check=True)
