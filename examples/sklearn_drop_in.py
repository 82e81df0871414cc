"""fastbp's MLP in place of scikit-learn's: a pipeline, a grid search, and options that scikit-learn does not have.

Needs scikit-learn: ``pip install "fastbp[sklearn]"``, then ``python examples/sklearn_drop_in.py``. The data come with
scikit-learn: 569 tumours with 30 measurements each, malignant or benign.
"""

import argparse
import time
import warnings
from typing import Any

import numpy as np
from sklearn import neural_network
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import recall_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import fastbp.sklearn

GRID = {"net__hidden_layer_sizes": [(20,), (50,), (20, 20)], "net__alpha": [1e-4, 1e-2, 1.0]}


def search(module: Any, epochs: int, data: Any) -> dict[str, Any]:
    """Find the best net of the grid by cross-validation, with the MLPClassifier of `module`."""
    X_train, X_test, y_train, y_test = data
    net = module.MLPClassifier(max_iter=epochs, learning_rate_init=0.005, random_state=0)
    pipeline = Pipeline([("scale", StandardScaler()), ("net", net)])
    start = time.perf_counter()
    found = GridSearchCV(pipeline, GRID, cv=5).fit(X_train, y_train)
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds, "found": found, "validation": found.best_score_, "test": found.score(X_test, y_test),
        "scores": found.cv_results_["mean_test_score"],
    }  # fmt: skip


def compare(epochs: int, data: Any) -> Any:
    """Search with both libraries and print the results. Return the best pipeline of fastbp."""
    short = min(epochs, 2)  # the first fit compiles or loads machine code, which is not part of the comparison
    fastbp.sklearn.MLPClassifier((20, 20), max_iter=short).fit(data[0], data[2])
    print(f"\nA grid of 9 nets, 5 folds, {epochs} epochs: 46 fits in a pipeline with StandardScaler\n")
    print(f"{'':26}{'seconds':>8}{'cross-validated':>17}{'test':>8}   best net")
    results = {}
    for name, module in (("sklearn.neural_network", neural_network), ("fastbp.sklearn", fastbp.sklearn)):
        results[name] = r = search(module, epochs, data)
        best = ", ".join(f"{key[5:]}={value}" for key, value in r["found"].best_params_.items())
        print(f"  {name:24}{r['seconds']:8.2f}{r['validation']:17.2%}{r['test']:8.2%}   {best}")
    theirs, ours = results.values()
    same = np.allclose(theirs["scores"], ours["scores"])
    print(f"\nfastbp took {ours['seconds'] / theirs['seconds']:.2f} of scikit-learn's time. All 9 scores are", end=" ")
    print("the same." if same else "not the same: rounding decided a sample.")
    return ours["found"].best_estimator_


def beyond(best: Any, epochs: int, data: Any) -> None:
    """Train again with options that only fastbp has: class weights, other activations, dropout, validation data."""
    X_train, X_test, y_train, y_test = data
    print("\nThe same net with options that scikit-learn does not have\n")
    print(f"  {'':58}{'test':>8}{'malignant found':>17}")
    for words, parameters in (
        ("without them", {}),
        ("class_weight: malignant tumours count five times", {"class_weight": {0: 5.0, 1: 1.0}}),
        ('activation="gelu", dropout=0.2', {"activation": "gelu", "dropout": 0.2}),
        ("optimizer=fastbp.RMSProp(0.002)", {"optimizer": fastbp.RMSProp(0.002)}),
    ):
        net = best.set_params(**{f"net__{name}": value for name, value in parameters.items()}).fit(X_train, y_train)
        recall = recall_score(y_test, net.predict(X_test), pos_label=0)
        print(f"  {words:58}{net.score(X_test, y_test):8.2%}{recall:17.2%}")
        best.set_params(**{f"net__{name}": best["net"].__class__().get_params()[name] for name in parameters})
    watched = fastbp.sklearn.MLPClassifier((20,), max_iter=epochs, learning_rate_init=0.005, random_state=0)
    scale = StandardScaler().fit(X_train)
    watched.fit(scale.transform(X_train), y_train, X_val=scale.transform(X_test), y_val=y_test)
    curve = np.array(watched.validation_loss_curve_)
    lowest = f"lowest, {curve.min():.4f}, after {curve.argmin() + 1} of {len(curve)} epochs"
    print(f"\nfit(..., X_val=, y_val=): the loss on the validation data is\n{lowest}.")


def main() -> None:
    """Run the comparison, then the options of fastbp."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="only a few epochs")
    epochs = 3 if parser.parse_args().quick else 150
    warnings.simplefilter("ignore", ConvergenceWarning)
    X, y = load_breast_cancer(return_X_y=True)
    data = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)
    best = compare(epochs, data)
    beyond(best, epochs, data)


if __name__ == "__main__":
    main()
