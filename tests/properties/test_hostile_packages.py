"""Odd arguments of the packages besides `fastbp` itself; and no public name is forgotten."""

import importlib
import inspect
import pkgutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hostile import ODD, arrays, kept, plain, said, wrongs
from hypothesis import given, settings
from hypothesis import strategies as st
from right_arguments import ELSEWHERE, FUNCTIONS, HISTORY, TRACE, X, Y, net

import fastbp
from fastbp.training.history import History

OF_4 = np.full((2, 4), 0.5)


def history():
    return History(
        cost=[3.0, 1.0], validation_cost=[2.0, 1.0], seconds=[1.0, 1.0], learning_rate=[1.0, 1.0],
        samples_per_second=[1.0, 1.0], data_sets={"validation": ("cost",)},
    )  # fmt: skip


def axes():
    return fastbp_plots().new_figure(2, 2).subplots()


def fastbp_plots():
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    return importlib.import_module("fastbp.plots")


def plane():
    return fastbp_plots().random_directions(net())


def surface():
    return fastbp_plots().cost_surface(net(), X, Y, plane(), points=3)


WALK = np.random.default_rng(0).normal(size=(5, 26))
PLOTS = {
    "CostSurface": lambda: {"directions": plane(), "alphas": [0, 1], "betas": [0, 1], "costs": np.eye(2)},
    "Directions": lambda: {"origin": WALK[0], "u": WALK[1], "v": WALK[2], "names": ("u", "v")},
    "check": dict,
    "computation_tree": lambda: {"net": net, "x": X[0], "y": Y[0]},
    "confusion_matrix": lambda: {"matrix": [[3, 1], [0, 2]], "classes": ["a", "b"]},
    "cost_surface": lambda: {"net": net, "X": X, "Y": Y, "directions": plane(), "points": 2},
    "draw_surface": lambda: {"surface": surface(), "descents": [WALK]},
    "error_norms": lambda: {"norms": [[1, 2], [3, 4]]},
    "history": lambda: {"history": history},
    "images": lambda: {"pictures": OF_4},
    "network": lambda: {"net": net, "x": X[0], "y": Y[0]},
    "new_figure": lambda: {"width": 2, "height": 2},
    "parameter_directions": lambda: {"net": net, "first": 0, "second": (1, 0)},
    "plain": lambda: {"axes": axes},
    "principal_directions": lambda: {"descent": WALK},
    "random_directions": lambda: {"net": net},
    "regression": lambda: {"data": {"training": (WALK[:, :2], WALK[:, 2:4])}},
    "small_letters": lambda: {"axes": axes},
    "weight_images": lambda: {"net": lambda: fastbp.Network([4, 2], seed=0)},
}
CONSTANTS = {
    "fastbp.plots": {"CHARACTER", "COLUMN", "FEW_EPOCHS", "GREY", "HELD_OUT", "LOGARITHMIC_FROM", "MOST_NAMES",
                     "MOST_NUMBERS", "NEGATIVE", "PANELS_A_ROW", "POSITIVE", "STYLES", "TRAINING"},
    "fastbp.comparison": {"CROSSOVER"},
    "fastbp.replay": {"KEYS", "Book", "Replay"},  # besides records
    "fastbp.tables": {"Column"},
}  # fmt: skip
TESTED = {
    "fastbp": set(fastbp.__all__),  # `test_odd_arguments.py` tests all but `ELSEWHERE`
    "fastbp.comparison": {"compare"},
    "fastbp.data": {"load_digits", "load_mnist", "read_table"},
    "fastbp.plots": {*PLOTS, "signed_colours"},
    "fastbp.replay": {"read_book", "replay"},
    "fastbp.tables": {"Preprocessor", "Table", "Target"},
    "fastbp.sklearn": {
        "MLPClassifier",
        "MLPEnsembleClassifier",
        "MLPEnsembleRegressor",
        "MLPRegressor",
        "MLPSearchCV",
        "from_sklearn",
        "to_sklearn",
    },
    "fastbp.tabular": {"TabularClassifier", "TabularRegressor"},  # in `test_hostile_tabular.py`
}
INTERNAL = {"fastbp.data.mnist", "fastbp.formulations", "fastbp.functions", "fastbp.network", "fastbp.optimizers",
            "fastbp.population", "fastbp.derivatives", "fastbp.training"}  # fmt: skip


def test_nothing_public_is_forgotten():
    """Every name of every package with an `__all__` is tested here or in `test_odd_arguments.py`."""
    found = {"fastbp"}
    for module in pkgutil.walk_packages(fastbp.__path__, "fastbp."):
        path = Path(module.module_finder.path, *module.name.split(".")[-1:])
        source = path / "__init__.py" if module.ispkg else path.with_suffix(".py")
        if "\n__all__ =" in source.read_text(encoding="utf-8"):
            found.add(module.name)
    assert {name for name in found if not any(name.startswith(internal) for internal in INTERNAL)} == set(TESTED)
    assert set(FUNCTIONS) | (ELSEWHERE - {"DataFileError", "Table", "Split", "Row"}) <= TESTED["fastbp"]
    for name, tested in TESTED.items():
        if name in ("fastbp.sklearn", "fastbp.tabular"):
            pytest.importorskip("sklearn", reason="scikit-learn is not installed")
        package = importlib.import_module(name)
        assert set(package.__all__) - CONSTANTS.get(name, set()) - ELSEWHERE == tested - ELSEWHERE
    methods = {name for name in vars(History) if not name.startswith("_") and name not in vars(History())}
    assert methods == {*HISTORY, "as_dict", "items", "keys", "names", "rows", "values"}


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text("a,b,c\n1,2,x\n3,4,y\n")
    np.savez("table.npz", X=X, y=Y)


@pytest.mark.parametrize("name", sorted(PLOTS))
def test_pictures_of_odd_arguments(name):
    wrong, times = wrongs(name, getattr(fastbp_plots(), name), PLOTS[name]())
    assert wrong == []
    assert times > 0


def content(figure):
    """The numbers and texts that a figure shows."""
    shown = []
    for axes in figure.axes:
        shown += [np.ma.filled(image.get_array(), -1).tolist() for image in axes.images]
        shown += [line.get_xydata().tolist() for line in axes.lines] + [text.get_text() for text in axes.texts]
        shown += [len(axes.patches), axes.get_title(), axes.get_ylabel()]
    return repr(shown)


DRAWN = {  # the number of columns, and a picture of such an array
    "computation_tree": (None, lambda plots, x: plots.computation_tree(net(), x, Y[0])),
    "confusion_matrix": (2, lambda plots, a: plots.confusion_matrix(a, "ab")),
    "draw_surface": (26, lambda plots, way: plots.draw_surface(surface(), [way])),
    "error_norms": (3, lambda plots, norms: plots.error_norms(norms)),
    "images": (4, lambda plots, a: plots.images(a)),
    "network": (None, lambda plots, x: plots.network(net(), x, Y[0])),
    "regression": (2, lambda plots, Y: plots.regression((Y, Y))),
    "weight_images": (4, lambda plots, w: plots.weight_images(SimpleNamespace(weights=[w]))),
}


@settings(deadline=None, max_examples=100, derandomize=True)
@given(data=st.data(), name=st.sampled_from(sorted(DRAWN)))
def test_pictures_of_odd_arrays(data, name):
    """A clear error, or the picture of an ordinary array; the array stays unchanged."""
    plots, (columns, draw) = fastbp_plots(), DRAWN[name]
    array = data.draw(arrays(None, columns) if columns else arrays(3))
    before = kept(array)
    try:
        shown = content(draw(plots, array))
    except (TypeError, ValueError) as error:
        assert said(error), repr(error)
    else:
        assert shown == content(draw(plots, plain(array, array.dtype)))
        assert array.dtype.kind in "buifO" and np.isfinite(plain(array, "f8")).all()
    assert kept(array) == before


def test_a_refused_picture_leaves_axes_alone():
    plots = fastbp_plots()
    for name in ("error_norms", "network", "weight_images", "draw_surface", "computation_tree", "confusion_matrix"):
        ax = axes()
        arguments = {n: v() if callable(v) else v for n, v in PLOTS[name]().items()}
        with pytest.raises(ValueError, match="needs a name that ends in"):
            getattr(plots, name)(**arguments, path="picture.such", ax=ax)
        assert not ax.has_data() and not ax.texts


def test_tables_of_odd_arguments(monkeypatch, tmp_path):
    from fastbp import data

    def load_mnist(path="no such folder", progress=True, dtype="float32", divisor=255):
        return data.load_mnist(path, progress=progress, dtype=dtype, divisor=divisor)

    monkeypatch.delenv("FASTBP_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    read = data.read_table
    for label, function, right in (
        ("read_table", read, {"path": "table.csv", "target": "c"}), ("read_table", read, {"path": "table.npz"}),
        ("load_digits", data.load_digits, {}), ("load_mnist", load_mnist, {}),
    ):  # fmt: skip
        wrong, times = wrongs(label, function, right)
        assert [
            each for each in wrong if "MNIST is not complete" not in each
        ] == []  # right arguments end here, as there is no MNIST
        assert times > 0
    for odd in ODD:
        if odd is not True:
            with pytest.raises(TypeError, match=r"download is .*; it must be True or False"):
                data.load_mnist("no such folder", download=odd)


def test_preprocessing_of_odd_arguments():
    from fastbp import tables

    columns = {"a": [1.0, 2.0, 3.0], "b": ["x", "y", "x"]}

    def fit(path, target=None, numbers="both", n_bins=4, smooth_clip=True, missing_indicators=True,
            max_categories=2, min_count=1, drop=(), categorical=(), dtype="f4"):  # fmt: skip
        return tables.Preprocessor(
            numbers=numbers, n_bins=n_bins, smooth_clip=smooth_clip, missing_indicators=missing_indicators,
            max_categories=max_categories, min_count=min_count, drop=drop, categorical=categorical, dtype=dtype,
        ).fit_transform(path, target)  # fmt: skip

    fitted = tables.Preprocessor().fit(columns)
    for label, function, right in (
        ("Table", tables.Table, {"columns": columns}),
        ("Table.of", lambda path, names=None: tables.Table.of(path, names), {"path": [[1, 2]]}),
        ("fit", fit, {"path": columns}), ("transform", lambda path: fitted.transform(path), {"path": columns}),
        ("enters", fitted.enters, {"column": "a"}), ("features_of", fitted.features_of, {"column": "a"}),
        ("Target.of", tables.Target.of, {"values": ["a", "b"]}),
        ("from_dict", tables.Preprocessor.from_dict, {"given": fitted.to_dict()}),
    ):  # fmt: skip
        wrong, times = wrongs(label, function, right)
        assert "\n".join(wrong) == "" and times > 0


def test_replays_of_odd_arguments(monkeypatch, tmp_path):
    replays, run = importlib.import_module("fastbp.replay"), importlib.import_module("fastbp.replay.run")
    for name in ("_run", "_run_slow_learning"):
        monkeypatch.setattr(run, name, lambda *given: None)
    pair = (np.zeros((2, 784)), np.zeros(2))
    wrong, times = wrongs("replay", replays.replay, {"book": replays.Book(pair, pair, pair)})
    assert wrong == [] and times > 80
    monkeypatch.setenv("FASTBP_DATA", str(tmp_path))
    for odd in ODD:
        with pytest.raises((TypeError, ValueError, FileNotFoundError), match=r"folder is|MNIST is not complete"):
            replays.read_book(odd)


def test_explanations_of_odd_arguments():
    trace = net().trace(X[0], Y[0])
    assert {name for name in dir(fastbp.Trace) if inspect.isfunction(getattr(fastbp.Trace, name))} >= TRACE.keys()
    for name, right in TRACE.items():
        wrong, times = wrongs(name, getattr(trace, name), right)
        assert wrong == [] and times > 0


def test_histories_of_odd_arguments():
    fastbp_plots()
    for name, right in HISTORY.items():
        wrong, times = wrongs(name, getattr(history(), name), right)
        assert wrong == [] and times > 0
    for odd in ODD:
        with pytest.raises(KeyError, match="there are cost"):
            history()[odd]


class Measured(Exception):
    """Raised in place of measuring: the arguments were accepted."""


def test_comparisons_of_odd_arguments(monkeypatch):
    """Wrong arguments are refused before anything is measured."""
    run = importlib.import_module("fastbp.comparison.run")
    monkeypatch.setattr(run.Run, "everything", lambda *given: (_ for _ in ()).throw(Measured))

    def compare(**given):
        try:
            fastbp.compare(**given)
        except (Measured, MemoryError) as error:  # a MemoryError must say that the grid is too large
            assert isinstance(error, Measured) or "choose smaller" in str(error)

    compare.__signature__ = inspect.signature(fastbp.compare)
    wrong, times = wrongs("compare", compare, {"sizes": [4, 3, 2]})
    assert wrong == [] and times > 200
    for empty in ({"formulations": []}, {"dtypes": []}, {"threads": ()}, {"batch_sizes": {}}):
        with pytest.raises(ValueError, match="empty"):
            fastbp.compare(**empty)


def test_odd_files_of_comparisons():
    machine = {"numpy": "2", "blas": "none", "processor": "none"}
    settings = {"activation": "tanh", "cost": "quadratic", "optimizer": "sgd"}
    comparison = fastbp.Comparison(machine, settings)
    comparison.to_json("comparison.json")
    for name, right in (("losses", {}), ("to_json", {"path": "c"}), ("to_csv", {"path": "c"}),
                        ("from_json", {"path": "comparison.json"})):  # fmt: skip
        wrong, times = wrongs(name, getattr(comparison, name), right)
        assert wrong == [] and times > 0
    for text in ("[" * 100_000, "null", '{"format": 1}', '{"format": 1, "rows": [], "limits": [], "machine": {}, '
                 '"settings": {}}'):  # fmt: skip
        Path("other.json").write_text(text)
        with pytest.raises(ValueError, match="not a comparison that fastbp wrote"):
            fastbp.Comparison.from_json("other.json")
