"""Normalizations, a user's own modules of PyTorch, functional models of Keras: the same outputs, or refused by name."""

import numpy as np
import pytest

import fastbp

LIMITS = {"float32": {"rtol": 1e-5, "atol": 1e-5}, "float64": {"rtol": 1e-13, "atol": 1e-13}}


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.fixture
def keras(torch):
    return pytest.importorskip("keras", reason="Keras is not installed")


def far_from_one(module, torch):
    """Set all numbers of all normalizations at random, and evaluate the module."""
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm1d):
            for tensor in (part.running_mean, part.running_var, *part.parameters()):
                torch.nn.init.uniform_(tensor.detach(), 0.2, 2)
    return module.eval()


def own(nn, forward, **parts):
    """A module of a user's own."""
    module = type("Net", (nn.Module,), {"forward": forward})()
    for name, part in parts.items():
        module.add_module(name, part)
    return module


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_batch_normalizations_of_torch(torch, dtype):
    """Before the first layer, before and after activations, two in a row, without γ and β, after a layer without b."""
    nn, torch_dtype = torch.nn, getattr(torch, dtype)
    torch.manual_seed(0)
    for parts in (
        [nn.BatchNorm1d(3), nn.Linear(3, 4), nn.Tanh(), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2)],
        [nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4), nn.Dropout(), nn.ReLU(), nn.Linear(4, 2), nn.BatchNorm1d(2)],
        [nn.BatchNorm1d(3), nn.BatchNorm1d(3, eps=0.5), nn.Linear(3, 4), nn.Identity(), nn.BatchNorm1d(4, affine=False),
         nn.BatchNorm1d(4), nn.SiLU(), nn.BatchNorm1d(4), nn.BatchNorm1d(4), nn.Linear(4, 1), nn.Sigmoid()],
    ):  # fmt: skip
        module = far_from_one(nn.Sequential(*parts), torch).to(torch_dtype)
        before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
        net = fastbp.from_torch(module.train())  # read as after eval()
        X = np.random.default_rng(0).normal(size=(6, 3)).astype(dtype)
        with torch.no_grad():
            theirs = module.eval()(torch.from_numpy(X)).numpy()
        assert net.dtype == dtype
        np.testing.assert_allclose(net.predict(X), theirs, **LIMITS[dtype])
        assert all((tensor == before[name]).all() for name, tensor in module.state_dict().items())


def test_modules_of_torch_that_call_others(torch):
    """One Sequential, several modules one after the other, modules in modules, a list of modules."""
    nn = torch.nn

    def through_all(self, x):
        for layer in self.layers:
            x = layer(x)
        return x

    net = own(nn, lambda self, x: self.net(x), net=nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh()))
    two = own(nn, lambda self, x: self.b(self.a(self.flat(x))), flat=nn.Flatten(), a=net, b=nn.Linear(4, 2))
    listed = own(nn, through_all, layers=nn.ModuleList([nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU()]))
    X = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
    for module in (net, two, listed, nn.Sequential(two, nn.Identity(), nn.Sigmoid())):
        far_from_one(module, torch)
        theirs = module(torch.from_numpy(X)).detach()
        np.testing.assert_allclose(fastbp.from_torch(module).predict(X), theirs, **LIMITS["float32"])


def test_modules_of_torch_that_do_more_are_refused(torch):
    nn = torch.nn
    parts = {"net": nn.Sequential(nn.Linear(2, 2), nn.Tanh()), "wrong": nn.Sequential(nn.Linear(2, 2), nn.ReLU6())}
    for forward, message in [
        (lambda self, x: torch.relu(self.net(x)), "module is a Net with its own forward, .* because of 'relu'"),
        (lambda self, x: x + self.net(x), "because of 'add'"),
        (lambda self, x: self.net(x / 255), "because of 'truediv'"),
        (lambda self, x: self.net(x) if x.sum() > 0 else x, "which torch.fx cannot follow: write it"),
        (lambda self, x, y: self.net(y), "because of 'y'"),
        (lambda self, x: (self.net(x), self.net(x)), "because of 'net_1'"),
        (lambda self, x: [self.net(x)], "because of 'output'"),
        (lambda self, x: self.net[0].weight, "because of"),
        (lambda self, x: nn.Linear(2, 2)(x), "cannot follow"),
        (lambda self, x: self.wrong(self.net(x)), r"module.wrong\[1\] is ReLU6"),
        (lambda self, x: self(x), "module contains itself"),
    ]:
        with pytest.raises(ValueError, match=message):
            fastbp.from_torch(own(nn, forward, **parts))
    with pytest.raises(TypeError, match=r"module is a BatchNorm1d; it must be a torch.nn.Sequential"):
        fastbp.from_torch(nn.BatchNorm1d(2))


@pytest.fixture(params=["float32", "float64"])
def dtype_of_keras(request, keras):
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(request.param)
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[1])


def test_normalizations_of_keras(keras, dtype_of_keras):
    """Before the first layer, before and after activations, adapted, inverted, with one number for all features."""
    layers, rng = keras.layers, np.random.default_rng(0)
    X = (3 + 2 * rng.normal(size=(50, 3))).astype(dtype_of_keras)
    adapted = layers.Normalization()
    adapted.adapt(X)
    for parts in (
        [adapted, layers.Dense(4, "tanh"), layers.BatchNormalization(), layers.Dense(2)],
        [layers.Rescaling([0.5, 1, 2], 0.25), layers.Normalization(None, 1.5, 4.0), layers.Dense(4),
         layers.BatchNormalization(scale=False), layers.Identity(), layers.ReLU(),
         layers.BatchNormalization(center=False, epsilon=0.5), layers.Dense(2, use_bias=False),
         layers.Normalization(-1, [1.0, 2.0], [4.0, 0.0], invert=True)],
    ):  # fmt: skip
        model = keras.Sequential([keras.Input((3,)), *parts])
        for layer in model.layers:
            if isinstance(layer, layers.BatchNormalization):
                layer.set_weights([rng.uniform(0.2, 2, 4) for _ in layer.weights])
        net = fastbp.from_keras(model)
        assert net.dtype == dtype_of_keras
        # Keras 3.15 multiplies matrices of float64 in float32 if PyTorch does it.
        np.testing.assert_allclose(net.predict(X), model(X).detach(), **LIMITS["float32"])


def test_functional_models_of_keras(keras):
    layers = keras.layers
    x = keras.Input((2, 2))
    flat = layers.Flatten()(layers.Rescaling(1 / 255)(x))
    hidden = layers.Dropout(0.5)(layers.Dense(4, "relu")(flat))
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.BatchNormalization(), layers.ELU()])
    twice = layers.Dense(4, "silu")
    models = [keras.Model(x, layers.Dense(2, "softmax")(twice(twice(inner(hidden)))))]
    models.append(keras.Model(x, hidden))  # a part of it
    y = keras.Input((2, 2))
    models.append(keras.Model(y, layers.Dense(1)(models[1](y))))  # one model in another
    models.append(keras.Sequential([models[1], layers.Dense(2)]))
    X = 255 * np.random.default_rng(0).uniform(size=(6, 2, 2)).astype("float32")
    for model in models:
        np.testing.assert_allclose(
            fastbp.from_keras(model).predict(X.reshape(6, 4)), model(X).detach(), **LIMITS["float32"]
        )
    models[0].compile(loss="categorical_crossentropy")
    assert fastbp.from_keras(models[0]).cost.name == "cross_entropy"


def test_other_functional_models_of_keras_are_refused(keras):
    layers, x = keras.layers, keras.Input((2,))
    a = layers.Dense(2, name="a")(x)
    own = type("Own", (keras.Model,), {"call": lambda self, x: x})
    for outputs, message in [
        ([a, x], "model has 2 outputs; fastbp has layers one after the other only"),
        (layers.Add(name="plus")([a, x]), "model, layer 'plus', has 2 inputs"),
        (layers.BatchNormalization(name="b")(a, training=True), "model, layer 'b', is called with training=True"),
        (keras.ops.relu(a), r"model.layers\[2\] is a Relu; fastbp has Dense"),
        (layers.LayerNormalization()(a), r"model.layers\[2\] is a LayerNormalization"),
        (layers.BatchNormalization()(layers.ReLU()(a)), r"model.layers\[3\] normalizes after the last activation"),
    ]:
        with pytest.raises(ValueError, match=message):
            fastbp.from_keras(keras.Model(x, outputs))
    with pytest.raises(TypeError, match=r"model is a Own; it must be a keras.Sequential or a keras.Model\(inputs, out"):
        fastbp.from_keras(own())
