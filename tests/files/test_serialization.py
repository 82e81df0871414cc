"""A saved network is loaded with the same bits; a save that fails leaves the old file."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import PACKAGE, TESTS
from hypothesis import given, settings
from hypothesis import strategies as st
from model_files import assert_equal

import fastbp
from fastbp.files import serialization
from fastbp.formulations import FORMULATIONS
from fastbp.functions.activations import ACTIVATIONS
from fastbp.functions.costs import COSTS

MINE = fastbp.Activation("mine", lambda z: z / (1 + abs(z)), lambda z: 1 / (1 + abs(z)) ** 2, output_range="(-1, 1)")
MY_COST = fastbp.Cost("my cost", lambda a, y: (a - y) ** 4, lambda a, y: 4 * (a - y) ** 3)
ELEMENTWISE = [name for name, activation in ACTIVATIONS.items() if not activation.whole_layer]


def round_trip(net, path, **options):
    net.save(path)
    return fastbp.load(path, **options)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ELEMENTWISE)
def test_every_activation(activation, dtype, path):
    net = fastbp.Network(
        [3, 4, 2], activation=activation, output_activation=activation, cost="quadratic", dtype=dtype, seed=0
    )
    assert_equal(round_trip(net, path), net)


@pytest.mark.parametrize("formulation_", FORMULATIONS)
@pytest.mark.parametrize(
    "cost", [*COSTS, fastbp.Huber(0.1), fastbp.Huber(7), fastbp.Quantile(0.9), fastbp.Quantile(1 / 3)]
)
def test_every_cost_and_formulation(cost, formulation_, path):
    net = fastbp.Network([3, 2], cost=cost, seed=0, formulation=formulation_)
    loaded = round_trip(net, path)
    assert_equal(loaded, net)
    X, Y = [[1, 2, 3], [0, 0.5, 1]], [[0.25, 0.75], [1, 0]]
    assert loaded.evaluate(X, Y) == net.evaluate(X, Y)
    assert loaded.gradient(X, Y).vector.tobytes() == net.gradient(X, Y).vector.tobytes()


@pytest.mark.parametrize("sizes", [[1, 1], [3, 2], [2, 3, 4, 5, 1], [100, 1, 100]])
def test_every_shape(sizes, path):
    net = fastbp.Network(sizes, activation=[ELEMENTWISE[l] for l in range(len(sizes) - 2)], seed=0)
    assert_equal(round_trip(net, path), net)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=80, derandomize=True)
@given(metadata=st.dictionaries(st.text(max_size=8), JSON, max_size=4))
def test_any_metadata(metadata, tmp_path_factory):
    net = fastbp.Network([1, 1], seed=0)
    net.metadata = metadata
    assert_equal(round_trip(net, tmp_path_factory.mktemp("metadata") / "net"), net)


@pytest.mark.parametrize("values", [np.nan, np.inf, -np.inf, -0.0, 1e-310, 1.7e308])
def test_any_parameter(values, path):
    net = fastbp.Network([2, 1], dtype="float64")
    net.parameters[:] = values
    assert round_trip(net, path).parameters.tobytes() == net.parameters.tobytes()


def test_metadata_that_json_cannot_hold_are_refused_and_the_old_file_stays(path):
    net = fastbp.Network([2, 1], seed=0)
    net.save(path)
    before = path.read_bytes()
    net.metadata["array"] = np.zeros(2)
    with pytest.raises(TypeError):
        net.save(path)
    assert path.read_bytes() == before and os.listdir(path.parent) == [path.name]


def test_metadata_without_the_network(path):
    """Of a population they are those of its first member."""
    net = fastbp.Network([2, 1])
    net.metadata = {"a": [1, "é"]}
    net.save(path)
    assert serialization.metadata_of(path) == {"a": [1, "é"]}
    fastbp.Population([net, fastbp.Network([2, 1])]).save(path)
    assert serialization.metadata_of(path) == {"a": [1, "é"]}
    assert serialization.metadata_of(TESTS / "data" / "format-1.safetensors")["note"] == "written by format version 1"


def test_a_path_may_be_a_string(path):
    net = fastbp.Network([2, 1], seed=0)
    net.save(str(path))
    assert_equal(fastbp.load(str(path)), net)


def test_a_loaded_network_goes_on_learning(path):
    net = fastbp.Network([2, 3, 1], seed=0)
    loaded = round_trip(net, path)
    X, Y = [[0, 1], [1, 0], [1, 1]], [1, 2, 3]
    for each in (net, loaded):  # one mini-batch, so that no order is drawn
        each.fit(X, Y, epochs=3, batch_size=3, optimizer=fastbp.Adam())
    assert_equal(loaded, net)
    assert np.shares_memory(loaded.weights[0], loaded.parameters) and loaded.parameters.flags.writeable


# A user's own functions


def own():
    return fastbp.Network([2, 3, 1], activation=MINE, output_activation=MINE, cost=MY_COST, seed=0)


def test_users_functions_are_given_to_load(path):
    net = own()
    loaded = round_trip(net, path, custom=[MY_COST, MINE])
    assert_equal(loaded, net)
    assert loaded.predict([[1, 2]]).tobytes() == net.predict([[1, 2]]).tobytes()


@pytest.mark.parametrize(
    ("custom", "message"),
    [
        ([], "the activation 'mine', which is not one of fastbp's: give yours with custom="),
        ([MY_COST], "the activation 'mine', which is not one of fastbp's"),
        ([MINE], "the cost 'my cost', which is not one of fastbp's"),
    ],
)
def test_users_functions_that_are_not_given_are_an_error(custom, message, path):
    own().save(path)
    with pytest.raises(fastbp.ModelFileError, match=message) as error:
        fastbp.load(path, custom=custom)
    assert str(path) in str(error.value)


def test_a_network_with_a_users_function_named_like_one_of_fastbp_is_not_saved(path):
    """The file would mean fastbp's function, and the loaded network would compute something else."""
    fake = fastbp.Activation("sigmoid", MINE.function, MINE.derivative, output_range="(-1, 1)")
    net = fastbp.Network([2, 3, 1], activation=fake, cost="quadratic", output_activation="identity", seed=0)
    with pytest.raises(ValueError, match="'sigmoid' is your own Activation"):
        net.save(path)
    assert not path.exists()


def test_a_file_holds_no_code(path):
    own().save(path)
    content = path.read_bytes()
    assert b"lambda" not in content and b"pickle" not in content


def test_a_missing_file_is_an_oserror(path):
    with pytest.raises(FileNotFoundError):
        fastbp.load(path)
    with pytest.raises(OSError):
        fastbp.load(path.parent)


# Writing


@pytest.mark.parametrize("step", ["os.replace", "os.fsync", "Path.open", "file.write"])
@pytest.mark.parametrize("exists", [True, False])
def test_a_failed_save_leaves_the_old_file_and_nothing_else(step, exists, path, monkeypatch):
    old = fastbp.Network([2, 1], seed=0)
    if exists:
        old.save(path)

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    opened = Path.open

    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            self.file.__enter__()
            return self

        def __exit__(self, *error):
            return self.file.__exit__(*error)

        def write(self, content):
            self.file.write(content[: len(content) // 2])
            fail()

        def __getattr__(self, name):
            return getattr(self.file, name)

    with monkeypatch.context() as patch:
        if step == "Path.open":
            patch.setattr(Path, "open", fail)
        elif step == "file.write":
            patch.setattr(Path, "open", lambda *arguments, **options: Full(opened(*arguments, **options)))
        else:
            patch.setattr(os, step.split(".")[1], fail)
        with pytest.raises(OSError, match="No space left"):
            fastbp.Network([2, 1], seed=1).save(path)
    assert os.listdir(path.parent) == ([path.name] if exists else [])
    if exists:
        assert_equal(fastbp.load(path), old)


def test_a_save_that_is_interrupted_leaves_the_old_file(path, monkeypatch):
    old = fastbp.Network([2, 1], seed=0)
    old.save(path)

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "fsync", interrupt)
        fastbp.Network([2, 1], seed=1).save(path)
    assert os.listdir(path.parent) == [path.name]
    assert_equal(fastbp.load(path), old)


def test_a_folder_that_does_not_exist_is_an_oserror(tmp_path):
    with pytest.raises(OSError):
        fastbp.Network([2, 1]).save(tmp_path / "nowhere" / "net")


def test_a_save_replaces_the_old_file(path):
    for seed in range(3):
        net = fastbp.Network([2, 1], seed=seed)
        assert_equal(round_trip(net, path), net)
    assert os.listdir(path.parent) == [path.name]


def test_processes_ended_by_force_while_they_save():
    """A few kills; ``python tests/stress/kill_during_save.py`` does 300 of them."""
    if not hasattr(os, "fork"):
        pytest.skip("takes long where a process cannot be forked")
    script = TESTS / "stress" / "kill_during_save.py"
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, "-W", "ignore", str(script), "--kills", "5"]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stdout + process.stderr
    assert "5 kills" in process.stdout and "0 unreadable or lost models" in process.stdout


def test_a_link_stays_and_its_target_is_replaced(path):
    link = path.with_name("latest")
    try:
        link.symlink_to(path)
    except OSError:
        pytest.skip("no symbolic links here")
    for seed in range(2):
        net = fastbp.Network([2, 1], seed=seed)
        net.save(link)
        assert link.is_symlink() and not path.is_symlink()
        assert_equal(fastbp.load(path), net)


def test_the_folder_is_flushed_after_the_new_name(path, monkeypatch):
    """Otherwise a power cut can bring the old file back after `save` has returned."""
    if os.name == "nt":
        pytest.skip("Windows cannot flush a folder")
    done, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda f: done.append("folder" if stat.S_ISDIR(os.fstat(f).st_mode) else "file"))
    monkeypatch.setattr(os, "replace", lambda *names: done.append("name") or replace(*names))
    fastbp.Network([2, 1], seed=0).save(path)
    assert done == ["file", "name", "folder"]

    def refuse(file):
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise OSError(code, "no")
        fsync(file)

    monkeypatch.setattr(os, "fsync", refuse)
    code = errno.EINVAL  # file systems that cannot
    fastbp.Network([2, 1], seed=0).save(path)
    code = errno.EIO  # a disk that fails
    with pytest.raises(OSError, match="no"):
        fastbp.Network([2, 1], seed=0).save(path)
