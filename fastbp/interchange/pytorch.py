"""PyTorch: ``nn.Sequential`` of ``nn.Linear`` and activations, both ways. Parameters are copied."""

from typing import Any

from fastbp.interchange.layers import Layers, Reader, check_ours
from fastbp.kernels.activations import ALPHA, SLOPE
from fastbp.parameters import Model

THRESHOLD = 40.0  # of nn.Softplus, which beyond it returns z: less than float64 can tell from ln(1 + e^z)

MODULES: dict[str, tuple[str, dict[str, Any]]] = {
    "identity": ("Identity", {}),
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "relu": ("ReLU", {}),
    "leaky_relu": ("LeakyReLU", {"negative_slope": SLOPE}),
    "elu": ("ELU", {"alpha": ALPHA}),
    "softplus": ("Softplus", {"beta": 1.0, "threshold": THRESHOLD}),
    "silu": ("SiLU", {}),
    "gelu": ("GELU", {"approximate": "none"}),
    "softmax": ("Softmax", {"dim": -1}),
}
"""The class of ``torch.nn`` for each activation but exponential, and what makes it the same function."""

PASSED_OVER = {"Dropout", "Flatten"}  # of rows of samples, when nothing is trained: the identity


def to_torch(model: Model) -> Any:
    """Return a ``torch.nn.Sequential``. Raises ImportError without PyTorch, ValueError for a user's own activation."""
    check_ours(model, "PyTorch's")
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
            from fastbp.interchange.torch_modules import Exponential

            modules.append(Exponential())
        elif activation.name != "identity":
            name, arguments = MODULES[activation.name]
            modules.append(getattr(torch.nn, name)(**arguments))
    return torch.nn.Sequential(*modules)


def from_torch(module: Any, output_activation: str | None) -> Layers:
    """Return the layers of a ``torch.nn.Sequential``. Raises TypeError or ValueError for what fastbp has not."""
    torch = _torch()
    if not isinstance(module, torch.nn.Sequential):
        raise TypeError(f"module is a {type(module).__name__}; it must be a torch.nn.Sequential")
    reader = Reader()
    _read(torch, module, "module", reader)
    return reader.layers("the module", output_activation)


def _read(torch: Any, sequential: Any, where: str, reader: Reader) -> None:
    for i, module in enumerate(sequential):
        place, name = f"{where}[{i}]", type(module).__name__
        if isinstance(module, torch.nn.Sequential):
            _read(torch, module, place, reader)
        elif type(module) is torch.nn.Linear:
            bias = None if module.bias is None else module.bias.detach().cpu().numpy()
            if str(module.weight.dtype) not in ("torch.float32", "torch.float64"):
                raise ValueError(f"{place} is of {module.weight.dtype}; call module.float() before")
            reader.layer(place, module.weight.detach().cpu().numpy(), bias)
        elif name == "Exponential":
            reader.activation(place, "exponential")
        elif type(module) is getattr(torch.nn, name, None) and name in PASSED_OVER:
            continue
        else:
            _read_activation(torch, module, place, reader)


def _read_activation(torch: Any, module: Any, place: str, reader: Reader) -> None:
    name = type(module).__name__
    known = {of_torch: (ours, needed) for ours, (of_torch, needed) in MODULES.items()}
    if type(module) is not getattr(torch.nn, name, None) or name not in known:
        raise ValueError(
            f"{place} is {module}; fastbp has Linear, Sequential, Dropout, Flatten and {', '.join(known)} only"
        )
    ours, needed = known[name]
    for parameter, value in needed.items():
        given = getattr(module, parameter)
        same = (
            given >= 20 if parameter == "threshold" else given in (value, 1) if parameter == "dim" else given == value
        )
        if not same:
            raise ValueError(f"{place} has {parameter}={given!r}; fastbp's {ours} has {value!r}")
    if ours != "identity":
        reader.activation(place, ours)


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise ImportError(
            "from_torch and to_torch need PyTorch: install it with `pip install torch`, or as pytorch.org says"
        ) from None
    return torch
