"""To and from PyTorch: ``nn.Sequential`` of ``nn.Linear`` and activations. Parameters are copied."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from fastbp.files.layers import Layers, Reader, check_ours, imported
from fastbp.functions.activations import ALPHA, SLOPE
from fastbp.model import Model

THRESHOLD = 40.0  # nn.Softplus returns z above it, where ln(1 + e^z) is z in float64

# The class in ``torch.nn`` of each activation but exponential, and the parameters with which both are the same.
MODULES: dict[str, tuple[str, dict[str, Any]]] = {
    "identity": ("Identity", {}),
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "relu": ("ReLU", {}),
    "leaky_relu": ("LeakyReLU", {"negative_slope": SLOPE}),
    "elu": ("ELU", {"alpha": ALPHA}),
    "selu": ("SELU", {}),
    "softplus": ("Softplus", {"beta": 1.0, "threshold": THRESHOLD}),
    "silu": ("SiLU", {}),
    "mish": ("Mish", {}),
    "gelu": ("GELU", {"approximate": "none"}),
    "softmax": ("Softmax", {"dim": -1}),
}

PASSED_OVER = {"Dropout", "Flatten"}  # the identity on rows of samples, outside training


def to_torch(model: Model) -> Any:
    """Return a ``torch.nn.Sequential``. Raises ImportError without PyTorch, ValueError for a user's own activation."""
    check_ours(model, "a PyTorch module")
    torch = _torch()
    dtype = getattr(torch, model.dtype.name)
    modules = []
    for w, b, activation in zip(model.parameters.weights, model.parameters.biases, model.activations, strict=True):
        linear = torch.nn.utils.skip_init(torch.nn.Linear, w.shape[1], len(w), dtype=dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(w))
            linear.bias.copy_(torch.from_numpy(b))
        modules.append(linear)
        if activation.name == "exponential":
            from fastbp.files.torch_modules import Exponential

            modules.append(Exponential())
        elif activation.name != "identity":
            name, arguments = MODULES[activation.name]
            modules.append(getattr(torch.nn, name)(**arguments))
    return torch.nn.Sequential(*modules)


def from_torch(module: Any, output_activation: str | None) -> Layers:
    """Return the layers of a module. Raises TypeError or ValueError for what fastbp does not have."""
    torch = _torch()
    name = type(module).__name__
    if not isinstance(module, torch.nn.Module) or (_is_of(torch, module) and name != "Sequential"):
        own = "a Module of your own that calls layers one after the other"
        raise TypeError(f"module is a {name}; it must be a torch.nn.Sequential, or {own}")
    reader = Reader()
    try:
        _read(torch, module, "module", reader)
    except RecursionError:
        raise ValueError("the module contains itself, or is nested too deeply: give a Sequential of layers") from None
    return reader.layers("the module", output_activation)


def _read(torch: Any, module: Any, place: str, reader: Reader) -> None:
    name = type(module).__name__
    if type(module) is torch.nn.Linear:
        bias = None if module.bias is None else _numbers(torch, module.bias, place)
        reader.layer(place, _numbers(torch, module.weight, place), bias)
    elif type(module) is torch.nn.BatchNorm1d:
        _read_batch_norm(torch, module, place, reader)
    elif name == "Exponential":
        reader.activation(place, "exponential")
    elif not _is_of(torch, module) or name == "Sequential":
        for part, where in _parts(torch, module, place):
            _read(torch, part, where, reader)
    elif name in PASSED_OVER:
        if getattr(module, "start_dim", 1) != 1:
            raise ValueError(f"{place} is {module}, which joins several samples; fastbp has a row for each sample")
    else:
        _read_activation(module, place, reader)
    if module._forward_hooks or module._forward_pre_hooks:
        raise ValueError(f"{place} has hooks, which may change what it computes: remove them first")


def _is_of(torch: Any, module: Any) -> bool:
    """Whether a module is of a class in ``torch.nn``, not of a user's."""
    return type(module) is getattr(torch.nn, type(module).__name__, None)


def _parts(torch: Any, module: Any, place: str) -> Iterator[tuple[Any, str]]:
    """Yield the modules that a module calls one after the other, and their places.

    A Sequential calls all of its modules. The ``forward`` of another module is run with a symbol for x by ``torch.fx``.
    """
    if getattr(type(module), "forward", None) is torch.nn.Sequential.forward:
        yield from ((part, f"{place}[{i}]") for i, part in enumerate(module))
        return
    own = f"{place} is a {type(module).__name__} with its own forward"
    advice = "write it as calls of layers, such as self.layers(x), or give a Sequential of the layers"
    tracer = torch.fx.Tracer()
    tracer.is_leaf_module = lambda part, name: True
    try:
        nodes = list(tracer.trace(module).nodes)
    except RecursionError:
        raise
    except Exception as error:
        raise ValueError(f"{own}, which torch.fx cannot follow: {advice} ({error})") from None
    for before, node in pairwise([None, *nodes]):
        if node.op == "call_module" and node.args == (before,) and not node.kwargs:
            where = "".join(f"[{name}]" if name.isdigit() else f".{name}" for name in node.target.split("."))
            yield module.get_submodule(node.target), place + where
        elif node.op != ("output" if before else "placeholder") or (before and node.args != (before,)):
            raise ValueError(f"{own}, which fastbp cannot translate, because of {node.name!r}: {advice}")


def _read_batch_norm(torch: Any, module: Any, place: str, reader: Reader) -> None:
    if module.running_mean is None or module.running_var is None:
        raise ValueError(
            f"{place} has no running statistics, but normalizes each mini-batch by its own: train it with "
            "track_running_stats=True"
        )
    mean, variance = (_numbers(torch, tensor, place) for tensor in (module.running_mean, module.running_var))
    gamma = 1.0 if module.weight is None else _numbers(torch, module.weight, place)
    beta = 0.0 if module.bias is None else _numbers(torch, module.bias, place)
    with np.errstate(invalid="ignore"):
        deviation = np.sqrt(variance.astype(np.float64) + module.eps)
    reader.normalization(place, mean, deviation, gamma, beta)


def _numbers(torch: Any, tensor: Any, place: str) -> Any:
    """Return a parameter as an array. Raises ValueError unless it is a dense float32 or float64 tensor in memory."""
    if tensor is None or tensor.layout != torch.strided or tensor.device.type == "meta":
        kind = "no parameters" if tensor is None else f"parameters on {tensor.device}, {tensor.layout}"
        raise ValueError(f"{place} has {kind}; needed are dense tensors with numbers in them")
    if tensor.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"{place} is of {tensor.dtype}; call module.float() first")
    return tensor.detach().cpu().resolve_neg().numpy()


def _read_activation(module: Any, place: str, reader: Reader) -> None:
    name = type(module).__name__
    known = {of_torch: (ours, needed) for ours, (of_torch, needed) in MODULES.items()}
    if name not in known:
        names = ", ".join(("Linear", "Sequential", "BatchNorm1d", *sorted(PASSED_OVER), *known))
        raise ValueError(f"{place} is {module}; fastbp has {names} only")
    ours, needed = known[name]
    for parameter, value in needed.items():
        given = getattr(module, parameter)
        if parameter == "threshold":
            same = isinstance(given, int | float) and given >= 20
        else:
            same = isinstance(given, int | float | str) and given in ((value, 1) if parameter == "dim" else (value,))
        if not same:
            raise ValueError(f"{place} has {parameter}={given!r}; fastbp's {ours} has {value!r}")
    if ours != "identity":
        reader.activation(place, ours)


def _torch() -> Any:
    return imported("torch", "from_torch and to_torch need", "`pip install torch`, or as pytorch.org says")
