"""A table, by activation, of how far the outputs of other libraries are from those of `predict`.

    python tests/stress/round_trips.py

The difference is the largest |theirs − ours| / max(1, |ours|) over samples and outputs. A model file, and PyTorch there
and back, must give the same bits. Libraries that are not installed have empty columns. Exits with 1 if a difference is
above its limit.
"""

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import fastbp
from fastbp.functions.activations import ACTIVATIONS
from fastbp.model import Array

LIMITS = {"float32": 1e-6, "float64": 1e-14}
EXACT = dict.fromkeys(LIMITS, 0.0)
GCC = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O2", "-shared", "-fPIC"]


def network(activation: str, dtype: str) -> fastbp.Network:
    """Return a network with this activation in all layers; softmax and exponential are in the last layer only.

    The exponential of an exponential would multiply float32's rounding errors by its size.
    """
    last_only = activation in ("softmax", "exponential")
    hidden, cost = ("tanh", None) if last_only else (activation, "quadratic")
    net = fastbp.Network([20, 40, 7], activation=hidden, output_activation=activation, cost=cost, dtype=dtype, seed=0)
    rng = np.random.default_rng(1)
    for b in net.biases:
        b[:] = rng.normal(size=b.shape)
    return net


def inputs(net: fastbp.Network) -> Array:
    """Return samples with large numbers, zeros and small ones."""
    X = np.random.default_rng(2).normal(size=(50, net.sizes[0])) * np.logspace(-3, 0, 50)[:, None]
    X[0] = 0
    return X.astype(net.dtype)


def by_file(net: fastbp.Network, X: Array) -> Array:
    """Return the outputs of a network that was saved and loaded."""
    with tempfile.TemporaryDirectory() as folder:
        net.save(Path(folder) / "net.safetensors")
        return fastbp.load(Path(folder) / "net.safetensors").predict(X)


def by_onnx(net: fastbp.Network, X: Array) -> Array:
    """Return the outputs of onnxruntime."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "net.onnx")
        net.to_onnx(path)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        parts = [session.run(["A"], {"X": X[:n]})[0] for n in (1, len(X))]  # the batch may have any size
    limit = LIMITS[net.dtype.name]
    assert np.allclose(parts[0], parts[1][:1], rtol=limit, atol=limit)
    return np.asarray(parts[1])


def by_torch(net: fastbp.Network, X: Array) -> Array:
    """Return the outputs of PyTorch."""
    import torch

    with torch.no_grad():
        return np.asarray(net.to_torch()(torch.from_numpy(X)).numpy())


def back_from_torch(net: fastbp.Network, X: Array) -> Array:
    """Return the outputs of a network that went to PyTorch and came back."""
    return fastbp.from_torch(net.to_torch()).predict(X)


def by_c(net: fastbp.Network, X: Array) -> Array:
    """Return the outputs of the C file, compiled with every warning an error."""
    compiler = c_compiler()
    assert compiler is not None
    with tempfile.TemporaryDirectory() as folder:
        source, library = os.path.join(folder, "net.c"), os.path.join(folder, "net.so")
        net.to_c(source)
        subprocess.run([compiler, *GCC, source, "-o", library, "-lm"], check=True, capture_output=True, text=True)
        predict = ctypes.CDLL(library).predict
    predict.restype, X = None, np.ascontiguousarray(X)
    A = np.empty((len(X), net.sizes[-1]), net.dtype)
    for x, a in zip(X, A, strict=True):
        predict(ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(a.ctypes.data))
    return A


def c_compiler() -> str | None:
    """Return the C compiler, if there is one that understands gcc's options."""
    return shutil.which("gcc") or shutil.which("clang") or (shutil.which("cc") if os.name != "nt" else None)


WAYS: dict[str, tuple[Callable[[fastbp.Network, Array], Array], dict[str, float], Callable[[], Any]]] = {
    "file": (by_file, EXACT, lambda: True),
    "ONNX": (by_onnx, LIMITS, lambda: find_spec("onnx") and find_spec("onnxruntime")),
    "PyTorch": (by_torch, LIMITS, lambda: find_spec("torch")),
    "and back": (back_from_torch, EXACT, lambda: find_spec("torch")),
    "C": (by_c, LIMITS, c_compiler),
}
"""Who computes the outputs, how far they may be from ours, and whether it is there."""


def difference(way: str, net: fastbp.Network) -> float:
    """Return how far the outputs are from those of `predict`."""
    X = inputs(net)
    ours = net.predict(X).astype(np.float64)
    return float((np.abs(WAYS[way][0](net, X) - ours) / np.maximum(1, np.abs(ours))).max())


def main() -> int:
    """Print the table."""
    print("dtype    activation  ", *(f"{way:>9}" for way in WAYS))
    wrong = 0
    for dtype in ("float32", "float64"):
        for activation in ACTIVATIONS:
            cells = []
            for way, (_, limits, is_there) in WAYS.items():
                found = difference(way, network(activation, dtype)) if is_there() else None
                wrong += found is not None and not found <= limits[dtype]
                cells.append("" if found is None else f"{found:.1e}" if found else "0")
            print(f"{dtype:<8} {activation:<12} ", *(f"{cell:>9}" for cell in cells))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
