"""mlflow's autolog sees the estimators in pipelines and searches."""

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 or newer is not installed")
pytest.importorskip("mlflow", reason="mlflow is not installed: pip install 'fastbp[mlflow]'")

import mlflow
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import fastbp
from fastbp.sklearn import MLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore")  # mlflow's own, and those of what it imports
X, y = load_iris(return_X_y=True)
SMALL = {"hidden_layer_sizes": (8,), "max_iter": 20, "learning_rate_init": 0.02, "random_state": 0}


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A function that returns the runs so far, the last first."""
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/runs.db")
    mlflow.set_experiment("test")
    mlflow.sklearn.autolog(silent=True)
    yield lambda: mlflow.search_runs(output_format="list")
    mlflow.sklearn.autolog(disable=True, silent=True)


def test_a_pipeline_is_logged_with_parameters_scores_and_the_model(runs):
    model = make_pipeline(MLPClassifier(**SMALL, dropout=0.1)).fit(X, y)
    (run,) = runs()
    assert run.data.params["mlpclassifier__dropout"] == "0.1"
    assert run.data.metrics["training_score"] == pytest.approx(model.score(X, y))
    assert run.data.metrics["training_log_loss"] > 0
    (logged,) = mlflow.search_logged_models(output_format="list")
    again = mlflow.sklearn.load_model(logged.model_uri)
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))


def test_an_estimator_alone_is_not_logged(runs):
    """If this fails, mlflow has a list for other classes now: say so in the docstring of `fastbp.sklearn`."""
    MLPClassifier(**SMALL).fit(X, y)
    assert runs() == []


def test_a_search_is_logged_with_a_run_for_each_candidate(runs):
    search = GridSearchCV(MLPClassifier(**SMALL), {"alpha": [0.1, 1.0]}, cv=2).fit(X, y)
    found = runs()
    parents = [run for run in found if "best_alpha" in run.data.params]
    assert len(found) == 3 and len(parents) == 1
    assert float(parents[0].data.params["best_alpha"]) == search.best_params_["alpha"]
    assert parents[0].data.metrics["best_cv_score"] == pytest.approx(search.best_score_)


def test_a_callback_logs_every_epoch(runs):
    class Logger(fastbp.Callback):
        def on_epoch_end(self, run):
            mlflow.log_metric("loss", run.history.cost[-1], step=run.epoch)

    with mlflow.start_run() as run:
        model = MLPClassifier(**SMALL, callbacks=[Logger()]).fit(X, y)
    logged = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
    assert [metric.value for metric in logged] == model.loss_curve_
