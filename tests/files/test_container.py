"""The container of a model file: ours and the safetensors package write the same bytes."""

import json

import numpy as np
import pytest
from model_files import assert_equal, rebuilt, small_file

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


def test_the_package_reads_our_bytes_and_writes_the_same(path):
    package = pytest.importorskip("safetensors.numpy", reason="the safetensors package is not installed")
    for net, state in nets():
        net.save(path, training_state=state)
        content = path.read_bytes()
        arrays, words = container.decode(content)
        assert package.save(package.load(content), words) == content == container.encode(arrays, words["fastbp"])
        loaded = fastbp.load(path)
        assert_equal(loaded, net)
        assert not state or vars(loaded._training.state).keys() == vars(net._training.state).keys()
        for name in vars(net._training.state) if state else ():
            mine, theirs = (vars(each._training.state)[name] for each in (net, loaded))
            assert mine.tobytes() == theirs.tobytes() and mine.dtype == theirs.dtype
    arrays, word = {"b": np.zeros(1), "a": np.zeros((2, 0), np.int64)}, 'é "\\" \n \x01 \x7f \u2028'
    assert container.encode(arrays, word) == package.save(arrays, {"fastbp": word})


def test_the_package_finds_arrays_and_architecture(path):
    safetensors = pytest.importorskip("safetensors", reason="the safetensors package is not installed")
    net = fastbp.Network([3, 4, 2], seed=0)
    net.save(path)
    with safetensors.safe_open(path, "np") as file:
        content = json.loads(file.metadata()["fastbp"])
        assert sorted(file.keys()) == ["biases.1", "biases.2", "weights.1", "weights.2"]
        assert file.get_tensor("weights.2").tobytes() == net.weights[1].tobytes()
    assert content["architecture"]["sizes"] == [3, 4, 2] and content["version"] == serialization.FORMAT_VERSION


def test_a_header_may_list_the_arrays_in_any_order(path):
    """The format leaves it open, and other writers sort by name."""
    net, content = small_file(path)
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    path.write_bytes(rebuilt(dict(reversed(header.items())), content[8 + length :]))
    assert_equal(fastbp.load(path), net)


def test_an_array_of_another_dtype_is_refused(path):
    _, content = small_file(path)
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    header["more"] = {"dtype": "F16", "shape": [3], "data_offsets": [len(data), len(data) + 6]}
    path.write_bytes(rebuilt(header, data + bytes(6)))
    with pytest.raises(fastbp.ModelFileError, match="array 'more' is of dtype 'F16', which fastbp does not write"):
        fastbp.load(path)


def test_headers_are_a_multiple_of_eight_bytes(path):
    """As safetensors aligns them, so that the arrays can be mapped into memory."""
    for n in range(1, 12):
        net = fastbp.Network([1, n], seed=0)
        net.metadata["padding"] = "x" * n
        net.save(path)
        assert int.from_bytes(path.read_bytes()[:8], "little") % 8 == 0
