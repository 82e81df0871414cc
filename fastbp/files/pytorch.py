"""To and from PyTorch: ``nn.Sequential`` of ``nn.Linear`` and activations. Parameters are copied."""

from typing import Any

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
    "softplus": ("Softplus", {"beta": 1.0, "threshold": THRESHOLD}),
    "silu": ("SiLU", {}),
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
    """Return the layers of a ``torch.nn.Sequential``. Raises TypeError or ValueError for what fastbp does not have."""
    torch = _torch()
    if not isinstance(module, torch.nn.Sequential):
        raise TypeError(f"module is a {type(module).__name__}; it must be a torch.nn.Sequential")
    reader = Reader()
    try:
        _read(torch, module, "module", reader)
    except RecursionError:
        raise ValueError("the module contains itself, or is nested too deeply: give a Sequential of layers") from None
    return reader.layers("the module", output_activation)


def _read(torch: Any, sequential: Any, where: str, reader: Reader) -> None:
    if type(sequential).forward is not torch.nn.Sequential.forward:
        raise ValueError(
            f"{where} is a {type(sequential).__name__} with its own forward, which fastbp cannot translate"
        )
    _check_has_no_hooks(sequential, where)
    for i, module in enumerate(sequential):
        place, name = f"{where}[{i}]", type(module).__name__
        if isinstance(module, torch.nn.Sequential):
            _read(torch, module, place, reader)
        elif type(module) is torch.nn.Linear:
            bias = None if module.bias is None else _numbers(torch, module.bias, place)
            reader.layer(place, _numbers(torch, module.weight, place), bias)
        elif name == "Exponential":
            reader.activation(place, "exponential")
        elif type(module) is getattr(torch.nn, name, None) and name in PASSED_OVER:
            if getattr(module, "start_dim", 1) != 1:
                raise ValueError(f"{place} is {module}, which joins several samples; fastbp has a row for each sample")
        else:
            _read_activation(torch, module, place, reader)
        _check_has_no_hooks(module, place)


def _check_has_no_hooks(module: Any, place: str) -> None:
    if module._forward_hooks or module._forward_pre_hooks:
        raise ValueError(f"{place} has hooks, which may change what it computes: remove them first")


def _numbers(torch: Any, tensor: Any, place: str) -> Any:
    """Return a parameter as an array. Raises ValueError unless it is a dense float32 or float64 tensor in memory."""
    if tensor is None or tensor.layout != torch.strided or tensor.device.type == "meta":
        kind = "no parameters" if tensor is None else f"parameters on {tensor.device}, {tensor.layout}"
        raise ValueError(f"{place} has {kind}; needed are dense tensors with numbers in them")
    if tensor.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"{place} is of {tensor.dtype}; call module.float() first")
    return tensor.detach().cpu().resolve_neg().numpy()


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
