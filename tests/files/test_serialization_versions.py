"""Files of older format versions are read; those of newer ones are refused."""

import hashlib
import json

import numpy as np
import pytest
from conftest import TESTS

import fastbp
from fastbp.files import container

DATA = TESTS / "data"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


def test_a_file_of_version_1_is_read():
    """The fastbp that wrote version 1 wrote this file. Later versions must read it; never write it anew."""
    path = DATA / "format-1.safetensors"
    loaded = fastbp.load(path)
    assert loaded.sizes == (3, 4, 2) and loaded.dtype == "float32" and loaded.formulation == "loops"
    assert [a.name for a in loaded.activations] == ["tanh", "identity"] and loaded.cost.parameter == 0.5
    assert loaded.metadata == {"note": "written by format version 1", "élan": [1, 2.5, None]}
    expected = [[float.fromhex("0x1.10b692p-1"), float.fromhex("0x1.259bdcp-5")]]  # what it predicted then
    np.testing.assert_allclose(loaded.predict([[0.5, -1, 2]]), expected, rtol=1e-6)
    assert hashlib.sha256(loaded.parameters.tobytes()).hexdigest()[:16] == "6d67823a4bf6a2f6"
    assert loaded.optimizer is None and loaded.history is None


def test_a_file_of_version_2_is_read_and_its_training_goes_on():
    """Written when version 2 was new; never write it anew."""
    path = DATA / "format-2.safetensors"
    loaded = fastbp.load(path)
    assert loaded.sizes == (3, 4, 2) and loaded.dtype == "float64" and loaded.cost.name == "cross_entropy"
    assert hashlib.sha256(loaded.parameters.tobytes()).hexdigest()[:16] == "859b3f27326659b8"
    state = loaded._training.state
    assert hashlib.sha256(state.second.tobytes()).hexdigest()[:16] == "52e5926226d1404d" and state.t[0] == 4
    assert repr(loaded.optimizer) == repr(fastbp.AdamW(0.01)) and loaded._own_seed == 2580212684014218954
    assert loaded._rng.bit_generator.state["state"]["state"] == 184429380595326293708719383396114954637
    assert loaded.history.cost == [0.506186805618886, 0.4664712089060825]
    loaded.fit([[0, 1, 2], [1, 0, 3], [2, 2, 2]], [0, 1, 0], batch_size=2, epochs=1)
    assert state.t[0] == loaded._training.steps[0] == 6  # steps were the optimizer's then


def test_a_file_of_version_3_is_read_and_its_training_goes_on():
    """Written when version 3 was new, after six steps of SGD and two of L-BFGS; never write it anew."""
    loaded = fastbp.load(DATA / "format-3.safetensors")
    training, optimizer = loaded._training, fastbp.LBFGS(memory=2)
    digests = [
        hashlib.sha256(array.tobytes()).hexdigest()[:16]
        for array in (loaded.parameters, training.state.first, training.state.second)
    ]
    assert digests == ["5bc83cd218afb33f", "6c3eab7d0261f56b", "bedf60af17fd2c38"]
    assert training.steps[0] == 6 and training.state.t[0] == 2 and repr(loaded.optimizer) == repr(optimizer)
    assert loaded.metadata == {"note": "written by format version 3"}
    history = loaded.fit([[0, 1, 2], [1, 0, 3], [2, 2, 2]], [0, 1, 0], epochs=1)
    assert history.cost == pytest.approx([0.14480617357874606], rel=1e-5)


@pytest.mark.parametrize("optimizer", [fastbp.LBFGS(), fastbp.ConjugateGradient()])
def test_line_searches_of_version_2_begin_without_memory(optimizer, path):
    """Files of version 2 hold no state of L-BFGS and conjugate gradient."""
    X, Y = [[0, 1, 2], [1, 0, 3], [2, 2, 2]], [0, 1, 0]
    net = fastbp.Network([3, 4, 2], cost="cross_entropy", seed=0)
    net.fit(X, Y, epochs=3, optimizer=optimizer)
    net.save(path, training_state=True)
    arrays, words = container.decode(path.read_bytes())
    content = json.loads(words["fastbp"]) | {"version": 2}
    del content["training"]["steps"]
    arrays["optimizer.first"] = arrays["optimizer.second"] = np.empty(0, np.float32)
    path.write_bytes(container.encode(arrays, json.dumps(content)))
    loaded = fastbp.load(path)
    assert loaded._training.state.t[0] == loaded._training.steps[0] == 3 and not loaded._training.state.first.any()
    loaded.fit(X, Y, epochs=2)
    content["training"]["optimizer"]["hyperparameters"]["memory"] = 10**9
    path.write_bytes(container.encode(arrays, json.dumps(content)))
    if isinstance(optimizer, fastbp.LBFGS):
        with pytest.raises(fastbp.ModelFileError, match=f"its LBFGS remembers {10**9} steps"):
            fastbp.load(path)


@pytest.mark.parametrize("version", [4, 10**9, "2", None, [1]])
def test_a_file_of_a_newer_version_is_refused_and_says_so(version, path):
    fastbp.Network([2, 1], seed=0).save(path)
    arrays, words = container.decode(path.read_bytes())
    content = {**json.loads(words["fastbp"]), "version": version}
    path.write_bytes(container.encode(arrays, json.dumps(content)))
    with pytest.raises(
        fastbp.ModelFileError, match=r"format version .*; this fastbp reads 1 to 3: install a newer one"
    ):
        fastbp.load(path)
