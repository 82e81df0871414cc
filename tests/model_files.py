"""A small model file, changes of its JSON, the check of a damaged file, and the equality of two networks."""

import json

import fastbp


def assert_equal(loaded, net):
    assert loaded.parameters.tobytes() == net.parameters.tobytes()
    assert loaded.sizes == net.sizes and loaded.dtype == net.dtype and loaded.formulation == net.formulation
    assert [a.name for a in loaded.activations] == [a.name for a in net.activations]
    assert loaded.activations == net.activations
    assert (loaded.cost.name, loaded.cost.parameter) == (net.cost.name, net.cost.parameter)
    assert loaded.metadata == net.metadata
    assert repr(loaded) == repr(net)


def small_file(path):
    net = fastbp.Network([2, 2, 1], activation="tanh", cost=fastbp.Huber(0.5), seed=0)
    net.metadata = {"note": "small"}
    net.save(path)
    return net, path.read_bytes()


def load_or_refuse(path, content):
    """Write `content`, and return the network in it, or None if `load` raises ModelFileError with the file's name."""
    path.write_bytes(content)
    try:
        loaded = fastbp.load(path)
    except fastbp.ModelFileError as error:
        assert str(path) in str(error)
        return None
    assert isinstance(loaded, fastbp.Network)
    assert loaded.parameters.size == fastbp.ParameterVector.count(loaded.sizes)
    repr(loaded)
    return loaded


def replaced(value, at, new):
    """A copy of nested dictionaries and lists with `new` at the path `at`."""
    if not at:
        return new
    changed = value.copy()
    changed[at[0]] = replaced(value[at[0]], at[1:], new)
    return changed


def rebuilt(header, data):
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data
