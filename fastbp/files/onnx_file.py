"""ONNX files: the network as a graph of operators, which onnxruntime and others run.

A layer is Gemm, z = a Wᵀ + b, and an activation. onnxruntime lacks some operators in float64; they are composed of
others.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from fastbp.files.layers import check_ours, imported
from fastbp.functions.activations import SELU_ALPHA, SELU_SCALE, SLOPE
from fastbp.functions.elementary_constants import FLOAT64
from fastbp.model import Array, Model

OPSET = 17  # of 2022; newer versions have the same operators
IR_VERSION = 8  # the one of OPSET 17

LARGEST = 2**31 - 2**20  # bytes: protobuf ends at 2 GiB

# Activations that are one operator each.
OPERATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "relu": ("Relu", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": SLOPE}),
    "elu": ("Elu", {"alpha": 1.0}),
    "selu": ("Selu", {"alpha": SELU_ALPHA, "gamma": SELU_SCALE}),
    "softplus": ("Softplus", {}),
    "exponential": ("Exp", {}),
    "softmax": ("Softmax", {"axis": -1}),
}

MISSING_IN_FLOAT64 = {"leaky_relu", "elu", "selu", "softplus"}


def model_proto(model: Model) -> Any:
    """Return the ONNX model of a network. Raises ValueError for activations that are a user's own, or if too large."""
    check_ours(model, "an ONNX file")
    if model.parameters.vector.nbytes > LARGEST:
        raise ValueError(
            f"the parameters are {model.parameters.vector.nbytes:,} bytes; a single ONNX file holds at most "
            f"{LARGEST:,}: use net.save"
        )
    onnx = imported("onnx", "to_onnx needs", "`pip install 'fastbp[onnx]'`")
    graph = Graph(onnx, model.dtype)
    graph.add("Identity", graph.network(model, "X"), output="A")
    kind = onnx.helper.np_dtype_to_tensor_dtype(model.dtype)
    ends = [
        onnx.helper.make_tensor_value_info(name, kind, ["n_samples", n])
        for name, n in (("X", model.sizes[0]), ("A", model.sizes[-1]))
    ]
    return onnx.helper.make_model(
        onnx.helper.make_graph(graph.nodes, "fastbp", ends[:1], ends[1:], graph.constants),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="fastbp",
    )


class Graph:
    """Collects nodes and constants; the methods return the name of what they add."""

    def __init__(self, onnx: Any, dtype: np.dtype[Any]):
        self._onnx, self._dtype = onnx, dtype
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.layer = 0

    def constant(self, name: str, value: Array | np.floating | float) -> str:
        """Add numbers of the network's dtype, once for each layer and name."""
        full = f"{name}.{self.layer}"
        if all(constant.name != full for constant in self.constants):
            self.constants.append(self._onnx.numpy_helper.from_array(np.asarray(value, self._dtype), full))
        return full

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add an operator."""
        output = output or f"{operator}.{len(self.nodes)}"
        self.nodes.append(self._onnx.helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def network(self, model: Model, a: str) -> str:
        """Add all layers of a network to the inputs `a`, as the next ones."""
        parameters = zip(model.parameters.weights, model.parameters.biases, model.activations, strict=True)
        for w, b, activation in parameters:
            self.layer += 1
            z = self.add("Gemm", a, self.constant("weights", w), self.constant("biases", b), transB=1)
            a = self.activation(activation.name, z)
        return a

    def activation(self, name: str, z: str) -> str:
        """Add σ(z)."""
        if name == "identity":
            return z
        if name == "silu":
            return self.add("Mul", z, self.add("Sigmoid", z))
        if name == "mish":
            return self.add("Mul", z, self.add("Tanh", self.activation("softplus", z)))
        if name == "gelu":
            return self._gelu(z)
        if self._dtype == np.float64 and name in MISSING_IN_FLOAT64:
            return self._in_float64(name, z)
        operator, attributes = OPERATORS[name]
        return self.add(operator, z, **attributes)

    def _gelu(self, z: str) -> str:
        """σ(z) = z (½ + ½ erf(z / √2))."""
        half = self.constant("half", 0.5)
        scaled = self.add("Mul", z, self.constant("root", np.sqrt(0.5)))
        erf = self._erf_in_float64(scaled) if self._dtype == np.float64 else self.add("Erf", scaled)
        return self.add("Mul", z, self.add("Add", half, self.add("Mul", half, erf)))

    def _erf_in_float64(self, x: str) -> str:
        """Add erf x = x p(x²) near 0, else ±(1 − exp(−x²) p(t) / (1 + 2 |x|)); see `functions/elementary.py`."""
        one, center = self.constant("one", 1.0), self.constant("center", FLOAT64.erfc_center)
        near = self.add("Mul", x, self._polynomial("near", FLOAT64.erfc_near, self.add("Mul", x, x)))
        far = self.add("Min", self.add("Abs", x), self.constant("high", FLOAT64.erfc_high))
        t = self.add("Div", self.add("Sub", far, center), self.add("Add", far, center))
        p, below = self._polynomial("far", FLOAT64.erfc_far, t), self.add("Add", one, self.add("Add", far, far))
        tail = self.add("Div", self.add("Mul", self.add("Exp", self.add("Neg", self.add("Mul", far, far))), p), below)
        rest = self.add("Mul", self.add("Sign", x), self.add("Sub", one, tail))
        return self.add("Where", self.add("Less", far, self.constant("seam", FLOAT64.erfc_seam)), near, rest)

    def _polynomial(self, name: str, coefficients: Iterable[np.floating], x: str) -> str:
        """Add a polynomial in x, its constant first."""
        *others, total = (self.constant(f"{name}_{i}", c) for i, c in enumerate(coefficients))
        for constant in reversed(others):
            total = self.add("Add", self.add("Mul", total, x), constant)
        return total

    def _in_float64(self, name: str, z: str) -> str:
        if name == "leaky_relu":  # max(z, 0.01 z)
            return self.add("Max", z, self.add("Mul", z, self.constant("slope", SLOPE)))
        zero, one = self.constant("zero", 0.0), self.constant("one", 1.0)
        positive = self.add("Max", z, zero)
        if name == "elu":  # max(z, 0) + exp(min(z, 0)) − 1
            exp = self.add("Exp", self.add("Min", z, zero))
            return self.add("Add", positive, self.add("Sub", exp, one))
        if name == "selu":
            below = self.add("Sub", self.add("Exp", self.add("Min", z, zero)), one)
            low = self.add("Mul", below, self.constant("low", SELU_SCALE * SELU_ALPHA))
            return self.add("Add", self.add("Mul", positive, self.constant("scale", SELU_SCALE)), low)
        e = self.add("Exp", self.add("Neg", self.add("Abs", z)))  # softplus: max(z, 0) + log(1 + exp(−|z|))
        return self.add("Add", positive, self.add("Log", self.add("Add", one, e)))
