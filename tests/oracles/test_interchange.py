"""ONNX, PyTorch, Keras and C compute what `predict` computes; parts that fastbp lacks are refused by name."""

import ctypes
import pickle
import subprocess
import sys

import numpy as np
import pytest
from stress.round_trips import GCC, WAYS, c_compiler, difference, network

import fastbp
from fastbp.functions.activations import ACTIVATIONS

MINE = fastbp.Activation("mine", lambda z: z / 2, lambda z: 0.5)
OTHERS = ["ONNX", "PyTorch", "C"]


def way(name):
    """The function that computes outputs with this library; skip the test if it is not installed."""
    if not WAYS[name][2]():
        pytest.skip(f"{name} is not installed")
    return WAYS[name][0]


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.fixture
def keras(torch):
    return pytest.importorskip("keras", reason="Keras is not installed")


# The same outputs


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_activation(name, dtype):
    way(name)
    found = {activation: difference(name, network(activation, dtype)) for activation in ACTIVATIONS}
    assert {activation: d for activation, d in found.items() if not d <= WAYS[name][1][dtype]} == {}


@pytest.mark.parametrize("name", OTHERS)
def test_numbers_near_zero_and_at_the_ends(name):
    """At 0, subnormal and saturated inputs, NaN and infinity are where fastbp has them."""
    ends = np.array([0, 1e-40, 1e-6, 1, 12, 21, 40, 88, 90, 1000, 1e4])
    X = np.concatenate([-ends, ends])[:, None].repeat(2, axis=1)
    for dtype in ("float32", "float64"):
        for activation in ACTIVATIONS:
            net = fastbp.Network([2, 2], output_activation=activation, dtype=dtype)
            net.weights[0][:] = [[1, 0], [0, -1]]
            with np.errstate(all="ignore"):
                theirs, ours = way(name)(net, X.astype(dtype)), net.predict(X)
            limits = {"rtol": 1e-12, "atol": 1e-12} if dtype == "float64" else {"rtol": 1e-5, "atol": 1e-6}
            np.testing.assert_allclose(theirs, ours, **limits, err_msg=f"{activation} {dtype}")


@pytest.mark.parametrize("name", OTHERS)
def test_any_shape(name):
    for sizes in ([1, 1], [3, 2], [2, 1, 17, 1, 3], [33, 65, 2]):
        net = fastbp.Network(sizes, activation="tanh", dtype="float64", seed=1)
        X = np.random.default_rng(0).normal(size=(5, sizes[0]))
        np.testing.assert_allclose(way(name)(net, X), net.predict(X), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", ["to_onnx", "to_torch", "to_c"])
def test_a_users_own_activation_is_refused_by_name(method, tmp_path):
    net = fastbp.Network([2, 3, 1], activation=MINE, cost="quadratic", output_activation="identity")
    arguments = [] if method == "to_torch" else [tmp_path / "file"]
    with pytest.raises(ValueError, match="the activation of layer 1, 'mine', cannot go there"):
        getattr(net, method)(*arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("package", "call"),
    [
        ("onnx", lambda net, path: net.to_onnx(path)),
        ("torch", lambda net, path: net.to_torch()),
        ("torch", lambda net, path: fastbp.from_torch(net)),
        ("keras", lambda net, path: fastbp.from_keras(net)),
    ],
)
def test_a_missing_package_is_named(package, call, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match="install it with `pip install"):
        call(fastbp.Network([2, 1]), tmp_path / "net.onnx")


# ONNX


def test_an_onnx_file_is_well_formed_and_has_any_number_of_samples(tmp_path):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    path = tmp_path / "net.onnx"
    for dtype in ("float32", "float64"):
        for activation in ACTIVATIONS:
            network(activation, dtype).to_onnx(path)
            model = onnx.load(path)
            onnx.checker.check_model(model, full_check=True)
            (x,), (a,) = model.graph.input, model.graph.output
            shapes = [[d.dim_param or d.dim_value for d in end.type.tensor_type.shape.dim] for end in (x, a)]
            assert (x.name, a.name, shapes) == ("X", "A", [["n_samples", 20], ["n_samples", 7]])
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError):
        network("relu", "float32").to_onnx(tmp_path / "nowhere" / "net.onnx")


# PyTorch


def test_a_network_comes_back_from_torch_as_it_went(torch):
    for dtype in ("float32", "float64"):
        for activation in ACTIVATIONS:
            net = network(activation, dtype)
            back = fastbp.from_torch(net.to_torch(), cost=net.cost, seed=3)
            assert repr(back) == repr(net) and back.parameters.tobytes() == net.parameters.tobytes()


def test_parameters_are_copies(torch):
    net = fastbp.Network([2, 3, 1], seed=0)
    module = net.to_torch()
    back = fastbp.from_torch(module)
    before = net.parameters.copy()
    with torch.no_grad():
        module[0].weight.fill_(7)
    assert (net.parameters == before).all() and (back.parameters == before).all()
    back.parameters[:] = 5
    assert module[0].weight[0, 0] == 7


def test_supported_modules_of_torch(torch):
    nn = torch.nn
    module = nn.Sequential(
        nn.Flatten(), nn.Linear(3, 4, bias=False), nn.Dropout(0.5), nn.Sequential(nn.GELU(), nn.Linear(4, 5)),
        nn.Linear(5, 2), nn.Identity(),
    ).double().eval()  # fmt: skip
    net = fastbp.from_torch(module, output_activation="softmax")
    assert [a.name for a in net.activations] == ["gelu", "identity", "softmax"] and net.cost.name == "cross_entropy"
    assert not net.biases[0].any() and net.dtype == "float64"
    X = np.random.default_rng(0).normal(size=(6, 3))
    with torch.no_grad():
        theirs = torch.softmax(module(torch.from_numpy(X)), dim=-1).numpy()
    np.testing.assert_allclose(net.predict(X), theirs, atol=1e-12)
    net.fit(X, [0, 1, 0, 1, 0, 1], epochs=1)


def test_unsupported_modules_of_torch_are_refused_by_name(torch):
    nn = torch.nn
    first = nn.Linear(2, 2)
    for modules, message in [
        ([first, nn.Conv1d(1, 1, 1)], r"module\[1\] is Conv1d"),
        ([nn.Sequential(nn.ReLU6())], r"module\[0\]\[0\] is ReLU6"),
        ([first, nn.LeakyReLU(0.2)], r"module\[1\] has negative_slope=0.2; fastbp's leaky_relu has 0.01"),
        ([first, nn.ELU(0.5)], "has alpha=0.5"),
        ([first, nn.GELU("tanh")], "has approximate='tanh'"),
        ([first, nn.Softplus(2.0)], "has beta=2.0"),
        ([first, nn.Softplus(threshold=5)], "has threshold=5"),
        ([first, nn.Softmax(dim=0)], "has dim=0"),
        ([nn.Tanh(), first], r"module\[0\] comes before the first layer"),
        ([first, nn.Tanh(), nn.Tanh()], r"module\[2\] follows another activation"),
        ([first, nn.Tanh(), nn.BatchNorm1d(2)], r"module\[2\] normalizes after the last activation"),
        ([first, nn.BatchNorm1d(3)], r"module\[1\] has 3 features; the layer that it normalizes has 2"),
        ([nn.BatchNorm1d(3), first], r"module\[0\] has 3 features; the layer that it normalizes has 2"),
        ([first, nn.BatchNorm1d(2, track_running_stats=False)], r"module\[1\] has no running statistics"),
        ([first, nn.BatchNorm2d(2)], r"module\[1\] is BatchNorm2d"),
        ([first, nn.LayerNorm(2)], "is LayerNorm"),
        ([first, nn.Linear(3, 2)], r"module\[1\] has 3 inputs; the layer before it 2 outputs"),
        ([first, nn.Linear(2, 2).double()], r"module\[1\] is float64, the layers before it float32"),
        ([nn.Linear(2, 2).half()], r"module\[0\] is of torch.float16; call module.float\(\)"),
        ([first, nn.Softmax(-1), nn.Linear(2, 2)], "'softmax', which is for the output layer only"),
        ([nn.Dropout()], "has no layers with weights"),
    ]:
        with pytest.raises(ValueError, match=message):
            fastbp.from_torch(nn.Sequential(*modules))
    with pytest.raises(ValueError, match="output_activation is 'softmax', but the module ends with 'tanh'"):
        fastbp.from_torch(nn.Sequential(first, nn.Tanh()), output_activation="softmax")
    with pytest.raises(TypeError, match=r"module is a Linear; it must be a torch.nn.Sequential"):
        fastbp.from_torch(first)


def test_the_exponential_of_torch_can_be_pickled(torch):
    module = fastbp.Network([2, 1], cost="poisson", seed=0).to_torch()
    x = torch.ones(1, 2)
    assert pickle.loads(pickle.dumps(module))(x).item() == module(x).item()


# Keras


def test_supported_layers_of_keras(keras):
    layers = keras.layers
    X = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
    names = ["linear", "sigmoid", "tanh", "relu", "elu", "selu", "softplus", "silu", "mish", "gelu", "exponential"]
    for name in names:
        model = keras.Sequential([
            keras.Input((3,)), layers.Dense(4, name), layers.Dropout(0.5), layers.Dense(5, use_bias=False),
            layers.Activation(name), keras.Sequential([layers.Flatten(), layers.Dense(2), layers.Softmax()]),
        ])  # fmt: skip
        net = fastbp.from_keras(model)
        ours = "identity" if name == "linear" else name
        assert [a.name for a in net.activations] == [ours, ours, "softmax"]
        np.testing.assert_allclose(net.predict(X), model(X).detach().numpy(), atol=1e-6)
    model = keras.Sequential([
        keras.Input((3,)), layers.Dense(4), layers.LeakyReLU(0.01), layers.Dense(4), layers.ReLU(), layers.Dense(4),
        layers.ELU(), layers.Dense(1, dtype="float32"),
    ])  # fmt: skip
    net = fastbp.from_keras(model, output_activation="sigmoid")
    assert [a.name for a in net.activations] == ["leaky_relu", "relu", "elu", "sigmoid"]
    assert net.cost.name == "cross_entropy"
    np.testing.assert_allclose(net.predict(X), 1 / (1 + np.exp(-model(X).detach().numpy())), atol=1e-6)


def compiled(keras, loss, activation=None, n_out=2):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(n_out, activation)])
    model.compile(loss=loss)
    return model


def test_supported_losses_of_keras(keras):
    """The cost is n_out times the loss where Keras takes the mean over the outputs."""
    rng, losses = np.random.default_rng(0), keras.losses
    X, Y = rng.normal(size=(7, 3)).astype("float32"), rng.uniform(0.1, 0.9, (7, 2)).astype("float32")
    one_hot = np.eye(2, dtype="float32")[[0, 1, 1, 0, 1, 0, 0]]
    for loss, activation, name, y, factor in [
        ("mse", None, "squared_error", Y, 2), (losses.MeanSquaredError(), "tanh", "squared_error", Y, 2),
        (losses.mean_squared_error, None, "squared_error", Y, 2), (["MAE"], None, "absolute", Y, 2),
        (losses.Huber(0.25), None, "huber", Y, 2), ("huber", None, "huber", 5 * Y, 2),
        ("binary_crossentropy", "sigmoid", "cross_entropy", Y, 2), ("poisson", "exponential", "poisson", Y, 2),
        (losses.CategoricalCrossentropy(), "softmax", "cross_entropy", one_hot, 1),
        ("sparse_categorical_crossentropy", "softmax", "cross_entropy", one_hot.argmax(axis=1), 1),
    ]:  # fmt: skip
        model = compiled(keras, loss, activation)
        net = fastbp.from_keras(model)
        assert net.cost.name == name
        theirs = float(model.evaluate(X, y, verbose=0))
        assert net.evaluate(X, y).cost == pytest.approx(factor * theirs, rel=1e-4)
    assert fastbp.from_keras(compiled(keras, losses.Huber(2.5))).cost == fastbp.Huber(2.5)
    logits = compiled(keras, losses.SparseCategoricalCrossentropy(from_logits=True))
    net = fastbp.from_keras(logits, output_activation="Softmax")
    theirs = float(logits.evaluate(X, one_hot.argmax(axis=1), verbose=0))
    assert net.evaluate(X, one_hot).cost == pytest.approx(theirs, rel=1e-4)


def test_unsupported_losses_of_keras_are_a_warning(keras):
    losses = keras.losses
    for loss, activation, message, cost in [
        (losses.Hinge(), None, "the loss 'hinge' has no equal", "quadratic"),
        (lambda y, a: (a - y) ** 2, None, "the loss '<lambda>' has no equal", "quadratic"),
        (losses.BinaryCrossentropy(from_logits=True), None, "output_activation='sigmoid' is given", "quadratic"),
        (losses.CategoricalCrossentropy(label_smoothing=0.1), "softmax", "label_smoothing=0.1", "cross_entropy"),
        (losses.SparseCategoricalCrossentropy(ignore_class=1), "softmax", "ignore_class=1", "cross_entropy"),
        ("binary_crossentropy", "softmax", "BinaryCrossentropy on softmax outputs has no equal", "cross_entropy"),
        ("categorical_crossentropy", "sigmoid", "CategoricalCrossentropy on sigmoid", "cross_entropy"),
        ("poisson", "relu", "Poisson on relu outputs", "quadratic"),
    ]:
        model = compiled(keras, loss, activation)
        with pytest.warns(UserWarning, match=message) as caught:
            net = fastbp.from_keras(model)
        assert net.cost.name == cost and caught[0].filename == __file__
        assert fastbp.from_keras(model, cost="absolute").cost.name == "absolute"  # without a warning
    for model in (compiled(keras, None), keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])):
        assert fastbp.from_keras(model).cost.name == "quadratic"


def test_unsupported_layers_of_keras_are_refused_by_name(keras):
    layers = keras.layers
    for parts, message in [
        ([layers.Dense(2), layers.LayerNormalization()], r"model.layers\[1\] is a LayerNormalization"),
        ([layers.Dense(2, "tanh"), layers.BatchNormalization()], r"model.layers\[1\] normalizes after the last"),
        ([layers.Dense(2, "leaky_relu")], "has the activation 'leaky_relu'; of Keras' functions fastbp has linear"),
        ([layers.Dense(2, lambda z: z)], "has the activation '<lambda>'"),
        ([layers.Dense(2), layers.LeakyReLU(0.3)], r"model.layers\[1\] has negative_slope=0.3"),
        ([layers.Dense(2), layers.ReLU(max_value=6)], "has max_value=6"),
        ([layers.Dense(2), layers.Softmax(axis=0)], "has axis=0"),
        ([layers.Dense(2, "tanh"), layers.ELU()], "follows another activation"),
    ]:
        with pytest.raises(ValueError, match=message):
            fastbp.from_keras(keras.Sequential([keras.Input((3,)), *parts]))
    for layer, message in (
        (layers.Dense(2), "has 0 arrays of weights"),
        (layers.Normalization(), "has no numbers yet"),
    ):
        with pytest.raises(ValueError, match=f"{message}.*; build the model first"):
            fastbp.from_keras(keras.Sequential([layer]))
    with pytest.raises(TypeError, match=r"model is a Dense; it must be a keras.Sequential"):
        fastbp.from_keras(layers.Dense(2))


# C


def test_two_networks_of_any_name_in_one_program(tmp_path):
    compiler = c_compiler() or pytest.skip("there is no C compiler")
    nets = {"net_For_REAL": network("tanh", "float32"), "second": network("softmax", "float64")}
    for name, net in nets.items():
        net.to_c(tmp_path / f"{name}.c", name=name)
    sources = [str(tmp_path / f"{name}.c") for name in nets]
    strict = ["-Wmissing-prototypes", "-Wconversion", "-Wdouble-promotion", "-Wshadow"]
    subprocess.run([compiler, *GCC, *strict, *sources, "-o", str(tmp_path / "nets.so"), "-lm"], check=True)
    library = ctypes.CDLL(str(tmp_path / "nets.so"))
    for name, net in nets.items():
        x, a = np.ones(20, net.dtype), np.empty(7, net.dtype)
        library[name](ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(a.ctypes.data))
        np.testing.assert_allclose(a, net.predict([x])[0], atol=1e-6)


def test_numbers_in_c_keep_their_bits(tmp_path):
    """The input is 1 and the activation the identity, so the outputs are the weights."""
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        info = np.finfo(dtype)
        odd = [info.max, info.smallest_normal, info.smallest_subnormal, -0.0, 1.0, 1e16, -1e-5, 0.1]
        net = fastbp.Network([1, 40], dtype=dtype.__name__)
        net.weights[0][:, 0] = np.concatenate([odd, rng.normal(size=32) * 10.0 ** rng.integers(-30, 30, 32)])
        A = way("C")(net, np.ones((1, 1), dtype))
        assert (A == net.weights[0].T).all()


def test_wrong_names_and_infinite_parameters_are_refused_for_c(tmp_path):
    path, net = tmp_path / "net.c", fastbp.Network([2, 1], seed=0)
    for name in ("", "2nd", "a-b", "int", "main", "f(x)", "é"):
        with pytest.raises(ValueError, match="it must be a name that a function in C can have"):
            net.to_c(path, name=name)
    with pytest.raises(TypeError, match="name is None"):
        net.to_c(path, name=None)
    for value in (np.nan, np.inf):
        net.biases[0][0] = value
        with pytest.raises(ValueError, match="the parameters are not all finite"):
            net.to_c(path)
    assert not path.exists()
