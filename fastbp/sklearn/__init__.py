"""scikit-learn's `MLPClassifier` and `MLPRegressor`, trained by fastbp: change one import, and they are faster.

Parameters, attributes, warnings and errors are scikit-learn's. So are the weights after `fit`, up to rounding: the same
`random_state` gives the same first weights and mini-batches. Parameters that scikit-learn lacks are keyword-only, and
come last. One difference is on purpose: with several outputs the squared error is their sum, not scikit-learn's mean.
Both libraries follow the gradient of the sum, so the mean misleads scikit-learn's L-BFGS (its issue 8349).

**skl2onnx** converts fitted estimators, and pipelines and searches that contain them, with all its options::

    from skl2onnx import to_onnx
    to_onnx(make_pipeline(StandardScaler(), MLPClassifier()).fit(X, y), X[:1], options={"zipmap": False})

Its converters for scikit-learn's MLP are registered for fastbp's, without a word from you, if skl2onnx is imported
before the estimator is fitted, or before `fastbp.sklearn`; else call
``fastbp.sklearn.onnx_converters.register(MLPClassifier)``. They know scikit-learn's activations, and one output of a
regressor; ``model.network_.to_onnx(path)`` converts every network.

**mlflow**'s autolog replaces methods of the classes that `sklearn.utils.all_estimators` lists, which are scikit-learn's
own, and has no list for others. So it logs fastbp's estimators inside a pipeline or a search, not alone; a pipeline may
have one step::

    mlflow.sklearn.autolog()
    make_pipeline(MLPClassifier()).fit(X, y)        # parameters, scores on the training data, the model

A `fastbp.Callback` whose `on_epoch_end` calls ``mlflow.log_metric("loss", run.history.cost[-1], step=run.epoch)`` logs
every epoch.
"""

try:
    import sklearn
except ImportError:
    raise ImportError("fastbp.sklearn needs scikit-learn: install it with `pip install 'fastbp[sklearn]'`") from None

if tuple(int(part) for part in sklearn.__version__.split(".")[:2]) < (1, 6):
    raise ImportError(
        f"fastbp.sklearn needs scikit-learn 1.6 or newer, and {sklearn.__version__} is installed: update it with "
        "`pip install --upgrade 'fastbp[sklearn]'`"
    )

from fastbp.sklearn import onnx_converters
from fastbp.sklearn.classifier import MLPClassifier
from fastbp.sklearn.conversion import from_sklearn, to_sklearn
from fastbp.sklearn.ensembles import MLPEnsembleClassifier, MLPEnsembleRegressor
from fastbp.sklearn.regressor import MLPRegressor
from fastbp.sklearn.search import MLPSearchCV

for _estimator in (MLPClassifier, MLPRegressor):
    onnx_converters.register(_estimator)

__all__ = [
    "MLPClassifier", "MLPEnsembleClassifier", "MLPEnsembleRegressor", "MLPRegressor", "MLPSearchCV", "from_sklearn",
    "to_sklearn",
]  # fmt: skip
