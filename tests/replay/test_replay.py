"""The replay of the book: its recipe, its series against those of the book's programs, table, pictures, command."""

import json
import os
import random
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import fastbp
from fastbp.cli.program import main
from fastbp.replay import KEYS, Book, Replay, read_book, recipe, replay, run
from fastbp.replay import training as training_module
from fastbp.replay.equality import compare_series
from fastbp.replay.experiments import EXPERIMENTS
from fastbp.replay.material import SERIES
from fastbp.replay.training import Outcome, Training, train

BY_KEY = {experiment.key: experiment for experiment in EXPERIMENTS}
EPOCHS = 20


@pytest.fixture(scope="module")
def book() -> Book:
    """MNIST and the book's results, from $FASTBP_DATA."""
    if "FASTBP_DATA" not in os.environ:
        pytest.skip("FASTBP_DATA does not say where MNIST and the book's results are")
    if not (Path(os.environ["FASTBP_DATA"]) / "nielsen" / "overfitting.json").is_file():
        pytest.skip("no nielsen/overfitting.json under FASTBP_DATA")
    try:
        return read_book()
    except FileNotFoundError as error:
        pytest.skip(f"no MNIST under FASTBP_DATA: {error}")


@pytest.fixture(scope="module")
def small_book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    """Random images in the right shapes, a hundredth of the number."""
    rng = np.random.default_rng(0)

    def images(n: int) -> tuple[np.ndarray, np.ndarray]:
        return rng.random((n, 784)), rng.integers(0, 10, n)

    folder = tmp_path_factory.mktemp("nielsen")
    (folder / "overfitting.json").write_text(json.dumps([[9.0] * 3, [1] * 3, [9.0] * 3, [2] * 3]))
    return Book(images(500), images(100), images(100), folder)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut every experiment to two epochs of at most 9 images."""
    short = [
        replace(each, trainings=tuple(replace(t, epochs=2, n=min(t.n // 100, 9)) for t in each.trainings))
        for each in EXPERIMENTS
    ]
    monkeypatch.setattr(run, "EXPERIMENTS", short)
    monkeypatch.setattr(run, "SPEED_EPOCHS", 2)


# the recipe


def test_shuffle_is_that_of_python_2() -> None:
    """Against the loop of Python 2.7 over ``reversed(xrange(1, n))``, with the book's seed."""
    generator, again = random.Random(recipe.SEED), random.Random(recipe.SEED)
    values, expected = list(range(1000)), list(range(1000))
    for _ in range(2):
        recipe.shuffle(values, generator)
        for i in reversed(range(1, len(expected))):
            j = int(again.random() * (i + 1))
            expected[i], expected[j] = expected[j], expected[i]
        assert values == expected
    assert values != list(range(1000)) and sorted(values) == list(range(1000))


def test_orders_go_on_from_epoch_to_epoch() -> None:
    orders, generator, values = recipe.orders(50, random.Random(3)), random.Random(3), list(range(50))
    for _ in range(3):
        recipe.shuffle(values, generator)
        np.testing.assert_array_equal(next(orders), values)


def test_starting_parameters_are_those_of_the_global_generator() -> None:
    """The biases of all layers, then their weights, from ``numpy.random.seed`` and ``randn``."""
    sizes, generator = (7, 5, 3), np.random.RandomState(recipe.SEED)
    state = np.random.get_state()
    try:
        np.random.seed(recipe.SEED)
        for large in (False, True):
            b = [np.random.randn(n, 1) for n in sizes[1:]]
            w = [np.random.randn(y, x) / (1 if large else np.sqrt(x)) for x, y in pairwise(sizes)]
            net = fastbp.Network(sizes, dtype="float64")
            net.parameters = recipe.starting_parameters(sizes, generator, large)
            for l in range(2):
                np.testing.assert_array_equal(net.weights[l], w[l])
                np.testing.assert_array_equal(net.biases[l], b[l][:, 0])
    finally:
        np.random.set_state(state)


def test_trainings_share_a_list_of_samples_or_have_their_own() -> None:
    shared, alone = recipe.Generators(1), recipe.Generators(1)
    first, second = next(shared.orders(9, False)), next(shared.orders(9, False))
    np.testing.assert_array_equal(first, next(alone.orders(9, True)))
    assert not np.array_equal(second, next(alone.orders(9, True)))  # it shuffles the numbers in order once


def test_skipped_epochs_are_drawn() -> None:
    whole, cut = recipe.Generators(1), recipe.Generators(1)
    expected = [next(whole.orders(9, False)) for _ in range(4)][-1]
    next(cut.orders(9, False))
    cut.skip(9, 2)
    np.testing.assert_array_equal(next(cut.orders(9, False)), expected)


# the exact replay


@pytest.mark.parametrize("key", ["overfitting", "regularized"])
def test_the_books_series_replay_exactly(book: Book, key: str, compiled: fastbp.network.FormulationName) -> None:
    training = replace(BY_KEY[key].trainings[0], epochs=EPOCHS)
    outcome = train(training, recipe.Generators(recipe.SEED), recipe.SEED, book, compiled)
    equality = compare_series(outcome.series, book.published(key)["0"])
    assert sorted(outcome.series) == sorted(SERIES)
    assert equality.exact and (equality.n_counts, equality.n_costs, equality.until) == (2 * EPOCHS, 2 * EPOCHS, EPOCHS)
    assert equality.cost_difference is not None and equality.cost_difference < 1e-11


def test_another_seed_is_another_series(book: Book) -> None:
    training = replace(BY_KEY["overfitting"].trainings[0], epochs=3)
    outcome = train(training, recipe.Generators(1), 1, book, "tiles")
    equality = compare_series(outcome.series, book.published("overfitting")["0"])
    assert equality.equal_costs == equality.until == 0 and equality.n_costs == 6


# the comparison, and its table


def test_compare_series() -> None:
    """Counts and costs are compared apart: all counts are equal, and one of three costs differs."""
    published = {"evaluation_cost": [1.0, 2.0, 3.0], "evaluation_right": [5.0, 6.0, 7.0], "training_right": [1.0] * 3}
    ours = {"evaluation_cost": [1.0, 2.0 * (1 + 1e-8), 3.0], "evaluation_right": [5.0, 6.0, 7.0, 8.0]}
    equality = compare_series(ours, published)
    assert (equality.n_epochs, equality.until, equality.exact) == (3, 1, False)
    assert (equality.n_counts, equality.equal_counts, equality.n_costs, equality.equal_costs) == (3, 3, 3, 2)
    assert (equality.first_difference, equality.cost_difference) == (0.0, pytest.approx(1e-8))
    other = compare_series({"evaluation_right": [5.0, 6.0, 7.0], "training_right": [1.0, 2.0, 1.0]}, published)
    assert (other.n_counts, other.equal_counts, other.until, other.cost_difference) == (6, 5, 1, None)
    assert compare_series({"evaluation_right": [5.0]}, published).exact
    assert not compare_series({}, published).exact


def test_files_of_the_books_programs(tmp_path: Path) -> None:
    def read(content: object) -> dict[str, dict[str, list[float]]]:
        (tmp_path / "x.json").write_text(json.dumps(content))
        nothing = (np.empty(0), np.empty(0))
        return Book(nothing, nothing, nothing, tmp_path).published("x")

    assert read([[1.5], [2], [], [4]]) == {
        "0": {"evaluation_cost": [1.5], "evaluation_right": [2], "training_right": [4]}
    }
    assert read([[[], [], [0.5], []], [[], [], [0.25], []]])["1"] == {"training_cost": [0.25]}
    assert read({"default": [[], [9], [], []]}) == {"default": {"evaluation_right": [9]}}
    assert read([69.09, 76.37])["0"] == {"evaluation_right": [6909]}
    for wrong in ([], [[1]], "text", [[1], [2], [3]]):
        with pytest.raises(ValueError, match="was not written by the book's programs"):
            read(wrong)
    assert Book(*[(np.empty(0), np.empty(0))] * 3).published("x") == {}


def test_the_table_fits_and_says_both_figures(few: None, small_book: Book) -> None:
    text = str(replay(small_book, seeds=2, progress=False))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    for row in ("N1", "N2", "N3", "N4", "N5", "N6"):
        assert any(line.startswith(f"{row}  ") for line in lines)
    published = [t.published for each in EXPERIMENTS for t in each.trainings if t.published]
    assert all(f"{value:.2%}" in text for value in published)
    assert "0 of 1 published series replay exactly. Of all of these, 0 of 4 counts are equal, and" in text
    assert "0 of 4, costs ±" in text and ", 2 seeds" in text
    assert "the folder nielsen lacks" in text and "regularized," in text
    w2 = next(line for line in lines if "quadratic, η 0.15, w 2, b 2" in line)
    assert w2.split()[-4:] == ["0.20", "0.20", "from", "0.98"]


def test_the_table_separates_the_seeds_with_a_silent_output() -> None:
    """An output is silent if it is below ½ for all images of its digit. Learning rates meant to fail are left out."""
    net = training_module.sigmoid_network((784, 2, 10), "quadratic", "tiles")
    net.biases[-1][3] = -1e-3
    assert training_module._silent(net, (np.zeros((5, 784)), np.array([2, 3, 3, 4, 4]))) == [0, 1, 3, 5, 6, 7, 8, 9]
    outcomes = {}
    for key in ("network", "learning_rate"):
        one = BY_KEY[key].trainings[0]
        series = [([9500.0], []), ([8600.0], [1]), ([9600.0], [])]
        made = [Outcome(one, i, {"evaluation_right": right}, [], silent) for i, (right, silent) in enumerate(series)]
        outcomes[BY_KEY[key]] = made
    lines = str(Replay(outcomes=outcomes)).splitlines()
    assert lines[2].split() == [*"[784,30,10], η 3, 30 epochs 95.42% 95.00% 86.00…96.00, 3 seeds".split()]
    assert lines[3].split() == [*"seeds without a silent output: 2 of 3 95.50% 95.00…96.00, 2 seeds".split()]
    assert sum("silent" in line for line in lines) == 1 and any(line.startswith("Silent outputs") for line in lines)


def test_the_table_says_how_a_training_diverges_from_that_of_the_book() -> None:
    experiment = BY_KEY["regularized_full"]
    book = {"evaluation_right": [9000.0] * 3, "training_cost": [1.0] * 3}
    ours = {"evaluation_right": [9000.0, 9000.0, 9001.0], "training_cost": [1 + 1e-13, 1 + 1e-8, 1 + 1e-5]}
    outcome = Outcome(experiment.trainings[0], 1, ours)
    replayed = Replay(outcomes={experiment: [outcome]}, published={experiment.key: {"0": book}})
    text = " ".join(str(replayed).split())
    assert "2 of 3, costs ±1e-05" in text
    assert "0 of 1 published series replay exactly. Of all of these, 2 of 3 counts are equal, and 1 of 3 costs" in text
    assert "all images, regularised, where 1 of 3 counts differ and the costs by 1e-13 after the first" in text
    ours["training_cost"][0] = 1.1
    assert "rounding grows" not in str(replayed)


def test_quick_keeps_the_orders_of_the_epochs_left_out() -> None:
    quick = BY_KEY["weight_initialization_30"].quick()
    assert [training.epochs + training.left_out for training in quick.trainings] == [30, 30]
    assert all(training.left_out == 0 for training in BY_KEY["more_data"].quick().trainings)


def test_ctrl_c_keeps_what_was_done(few: None, small_book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    done = []

    def interrupted(training: Training, *rest: object) -> object:
        done.append(training)
        if len(done) == 2:
            raise KeyboardInterrupt
        return train(training, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(run, "train", interrupted)
    with pytest.warns(RuntimeWarning, match="the replay was interrupted"):
        result = replay(small_book, ["network", "overfitting"], seeds=1, progress=False)
    assert result.interrupted and [len(outcomes) for outcomes in result.outcomes.values()] == [1]
    assert "Interrupted: this is what was done by then." in str(result)


def test_wrong_parameters(small_book: Book) -> None:
    with pytest.raises(ValueError, match="unknown experiment 'overfiting'; did you mean 'overfitting'"):
        replay(small_book, ["overfiting"])
    with pytest.raises(ValueError, match="unknown formulation"):
        replay(small_book, formulation="tile")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="seeds"):
        replay(small_book, seeds=0)
    with pytest.raises(FileNotFoundError, match="MNIST is not complete"):
        read_book("no/such/folder")


def test_every_experiment_has_a_key() -> None:
    assert set(KEYS) == {experiment.key for experiment in EXPERIMENTS} | {"one_neuron", "speed_of_learning"}


# the command


def test_the_command(
    few: None, small_book: Book, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("fastbp.replay.read_book", lambda folder: small_book)
    monkeypatch.chdir(tmp_path)
    assert main(["replay", "--seeds", "1", "--json", "r.json", "--figures", "figures"]) == 0
    out, err = capsys.readouterr()
    assert err == "" and "N1  network.py" in out and "wrote r.json\nwrote figures" in out
    content = json.loads(Path("r.json").read_text())
    assert len(content["experiments"]["network"][0]["series"]["evaluation_right"]) == 2
    assert sorted(path.stem for path in Path("figures").iterdir()) == sorted(KEYS)
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in Path("figures").iterdir())
    assert main(["replay", "--only", "one_neuron", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "") and sorted(os.listdir()) == ["figures", "r.json"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--only network,x", "unknown experiment 'x'"),
        ("--json no/r.json", "there is no folder"),
        ("--figures no/figures", "there is no folder"),
        ("--figures file", "is a file"),
        ("--seeds 0", "not a whole number of 1 or more"),
        ("--data no", "MNIST is not complete"),
    ],
)
def test_mistakes_get_one_line(
    arguments: str, says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    if "--data" not in arguments:
        nothing = (np.zeros((1, 784)), np.zeros(1, int))
        monkeypatch.setattr("fastbp.replay.read_book", lambda folder: Book(nothing, nothing, nothing))
    assert main(["replay", *arguments.split()]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("fastbp: error: ") and err.count("\n") == 1 and says in err
    assert os.listdir() == ["file"]


def test_the_list_of_experiments(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "--list"]) == 0
    assert capsys.readouterr().out.split() == list(KEYS)


def test_an_empty_replay_is_a_table_without_rows() -> None:
    assert "the book" in str(Replay())
