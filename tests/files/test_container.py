"""The container of a model file: ours and the safetensors package write the same bytes."""

import json

import numpy as np
import pytest
from model_files import assert_equal, load_or_refuse, small_file

import fastbp
from fastbp.files import container, serialization


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


def nets():
    """Networks of each dtype, with and without training state; more than ten layers test the order of their names."""
    for dtype in ("float32", "float64"):
        net = fastbp.Network([3, *range(2, 12), 2], activation="tanh", dtype=dtype, cost=fastbp.Huber(0.3), seed=0)
        net.metadata = {"note": 'é "quoted" \\ \n \x7f'}
        yield net, False
        net.fit([[1, 2, 3]], [[1, 2]], epochs=1, optimizer=fastbp.SGD(0.1))
        yield net, True  # with empty moments
        net.fit([[1, 2, 3]], [[1, 2]], epochs=1)
        yield net, True


def test_fastbp_and_safetensors_write_the_same_bytes_and_read_each_others(path, monkeypatch):
    package = pytest.importorskip("safetensors.numpy", reason="the safetensors package is not installed")
    for net, state in nets():
        files = {}
        for writer in (None, package):
            monkeypatch.setattr(container, "_package", lambda writer=writer: writer)
            net.save(path, training_state=state)
            files[writer] = path.read_bytes()
            for reader in (None, package):
                monkeypatch.setattr(container, "_package", lambda reader=reader: reader)
                loaded = fastbp.load(path)
                assert_equal(loaded, net)
                assert not state or vars(loaded._training.state).keys() == vars(net._training.state).keys()
                for name in vars(net._training.state) if state else ():
                    mine, theirs = (vars(each._training.state)[name] for each in (net, loaded))
                    assert mine.tobytes() == theirs.tobytes() and mine.dtype == theirs.dtype
        assert files[None] == files[package]
    written = []
    for writer in (None, package):
        monkeypatch.setattr(container, "_package", lambda writer=writer: writer)
        written.append(
            container.encode({"b": np.zeros(1), "a": np.zeros((2, 0), np.int64)}, 'é "\\" \n \x01 \x7f \u2028')
        )
    assert written[0] == written[1]


def test_the_package_finds_arrays_and_architecture(path):
    safetensors = pytest.importorskip("safetensors", reason="the safetensors package is not installed")
    net = fastbp.Network([3, 4, 2], seed=0)
    net.save(path)
    with safetensors.safe_open(path, "np") as file:
        content = json.loads(file.metadata()["fastbp"])
        assert sorted(file.keys()) == ["biases.1", "biases.2", "weights.1", "weights.2"]
        assert file.get_tensor("weights.2").tobytes() == net.weights[1].tobytes()
    assert content["architecture"]["sizes"] == [3, 4, 2] and content["version"] == serialization.FORMAT_VERSION


def test_damage_is_refused_with_and_without_safetensors(path, monkeypatch):
    """Whether safetensors is installed or not, a damaged file is refused."""
    package = pytest.importorskip("safetensors.numpy", reason="the safetensors package is not installed")
    _, content = small_file(path)
    for reader in (None, package):
        monkeypatch.setattr(container, "_package", lambda reader=reader: reader)
        for damaged in (*(content[:length] for length in range(0, len(content), 7)), content + b"x", content + content):
            assert load_or_refuse(path, damaged) is None


def test_an_array_of_another_dtype_is_refused_by_both_readers(path, monkeypatch):
    package = pytest.importorskip("safetensors.numpy", reason="the safetensors package is not installed")
    _, content = small_file(path)
    arrays, words = container.decode(content)
    path.write_bytes(package.save({**arrays, "more": np.zeros(3, np.float16)}, words))
    for reader in (None, package):
        monkeypatch.setattr(container, "_package", lambda reader=reader: reader)
        with pytest.raises(fastbp.ModelFileError, match="array 'more' is of dtype 'F16', which fastbp does not write"):
            fastbp.load(path)


def test_headers_are_a_multiple_of_eight_bytes(path):
    """As safetensors aligns them, so that the arrays can be mapped into memory."""
    for n in range(1, 12):
        net = fastbp.Network([1, n], seed=0)
        net.metadata["padding"] = "x" * n
        net.save(path)
        assert int.from_bytes(path.read_bytes()[:8], "little") % 8 == 0
