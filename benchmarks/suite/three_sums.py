"""Each of the three sums over one layer alone, as each formulation computes it.

`forward`, `propagate_error` and `accumulate_gradient` of a layer with n_in inputs and n_out neurons, for m samples, on
one thread. σ is the identity. All formulations get the same numbers; `results` returns their results in one layout. A
call computes its sum `turns` times, for compiled formulations in compiled code, as in an epoch: the 1 to 5 µs of a call
from Python occur once in an epoch and not in every sum.

`loops` and `tiles` have a function for each sum; that of the gradient of `tiles` is called for every patch of the
layer's weights, as in `gradient.py`. In `textbook` and `vectorized` a sum is a line of a longer function; the lines are
repeated here. This is the only module of the suite that depends on the inside of a formulation.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

LAYERS = {"784 to 30, 10 samples": (784, 30, 10), "384 to 96, 96 samples": (384, 96, 96)}
SUM_NAMES = "forward", "propagate_error", "accumulate_gradient"
FLOPS = 20_000_000  # per call: half a millisecond at 40 GFLOP/s


def aligned(array: Array) -> Array:
    """Return a copy that begins at a cache line: the address of NumPy's own arrays varies, and the speed with it.

    >>> aligned(np.ones(3)).ctypes.data % 64
    0
    """
    memory = np.empty(array.nbytes + 64, np.uint8)
    start = -memory.ctypes.data % 64
    copy = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[:] = array
    return copy


class Sums:
    """The arrays that all formulations get.

    Attributes
    ----------
    w, b : (n_out, n_in) and (n_out,) arrays
    A : (m, n_in) array, the outputs of the layer before
    Delta : (m, n_out) array, the errors of this one
    turns : int, how often a call computes its sum, for 20 million floating-point operations
    """

    def __init__(self, n_in: int, n_out: int, m: int, dtype: str):
        rng = np.random.default_rng(0)
        self.shape, self.turns = (n_in, n_out, m), -(-FLOPS // (2 * n_in * n_out * m))
        self.w, self.b, self.A, self.Delta = (
            aligned(rng.standard_normal(shape).astype(dtype)) for shape in ((n_out, n_in), n_out, (m, n_in), (m, n_out))
        )

    def forward(self) -> None:
        """z_sj = Σ_k a_sk w_jk + b_j."""
        raise NotImplementedError

    def propagate_error(self) -> None:
        """δ_sk = Σ_j δ_sj w_jk."""
        raise NotImplementedError

    def accumulate_gradient(self) -> None:
        """∂C/∂w_jk = Σ_s a_sk δ_sj and ∂C/∂b_j = Σ_s δ_sj, times 1/m where the formulation divides here."""
        raise NotImplementedError

    def results(self) -> dict[str, Array]:
        """Return z, the errors of the layer before, and the sums of the gradient over samples."""
        raise NotImplementedError


class Textbook(Sums):
    """One sample at a time in NumPy: the lines of `feedforward`, `backprop` and `Textbook.gradient`."""

    def forward(self) -> None:
        for _ in range(self.turns):
            self.Z = [np.dot(self.w, activation) + self.b for activation in self.A]

    def propagate_error(self) -> None:
        for _ in range(self.turns):
            self.errors = [np.dot(self.w.transpose(), delta) for delta in self.Delta]

    def accumulate_gradient(self) -> None:
        for _ in range(self.turns):
            self.nabla_w, self.nabla_b = np.zeros(self.w.shape, self.w.dtype), np.zeros(self.b.shape, self.w.dtype)
            for activation, delta in zip(self.A, self.Delta, strict=True):
                self.nabla_w = self.nabla_w + np.outer(delta, activation)
                self.nabla_b = self.nabla_b + delta

    def results(self) -> dict[str, Array]:
        return {"z": np.array(self.Z), "error": np.array(self.errors), "dw": self.nabla_w, "db": self.nabla_b}


class Vectorized(Sums):
    """One mini-batch at a time in NumPy: the lines of `Pass`."""

    def __init__(self, n_in: int, n_out: int, m: int, dtype: str):
        super().__init__(n_in, n_out, m, dtype)
        self.dw, self.db = aligned(self.w), aligned(self.b)

    def forward(self) -> None:
        for _ in range(self.turns):
            self.Z = self.A @ self.w.T
            self.Z += self.b

    def propagate_error(self) -> None:
        for _ in range(self.turns):
            self.errors = self.Delta @ self.w

    def accumulate_gradient(self) -> None:
        for _ in range(self.turns):
            np.matmul(self.Delta.T, self.A, out=self.dw)
            self.Delta.sum(axis=0, out=self.db)

    def results(self) -> dict[str, Array]:
        return {"z": self.Z, "error": self.errors, "dw": self.dw, "db": self.db}


class Compiled(Sums):
    """What `loops` and `tiles` share: each sum is a compiled function of `turns` and its own arguments."""

    calls: dict[str, tuple[Any, tuple[Any, ...]]]

    def forward(self) -> None:
        self._call("forward")

    def propagate_error(self) -> None:
        self._call("propagate_error")

    def accumulate_gradient(self) -> None:
        self._call("accumulate_gradient")

    def _call(self, name: str) -> None:
        function, arguments = self.calls[name]
        function(self.turns, *arguments)


class Loops(Compiled):
    """The functions of `loops.py`, called for every sample; that of the gradient, for every neuron."""

    def __init__(self, n_in: int, n_out: int, m: int, dtype: str):
        super().__init__(n_in, n_out, m, dtype)
        from fastbp.formulations.compiled import network_data

        layers = network_data(_model(self)).layers
        activation, derivative = layers["activation"][1], layers["derivative"][1]
        given = self.Delta, self.Delta, self.A, self.w, self.b
        self.Z, outputs, self.errors, self.dw, self.db = (aligned(array) for array in given)
        arguments = (
            (self.Z, outputs, self.w, self.b, self.A, activation),
            (self.errors, self.A, self.w, self.Delta, derivative),
            (self.dw, self.db, self.Delta, self.A),
        )
        self.calls = dict(zip(SUM_NAMES, zip(_loops_functions(), arguments, strict=True), strict=True))

    def results(self) -> dict[str, Array]:
        m = self.shape[2]
        return {"z": self.Z, "error": self.errors, "dw": self.dw * m, "db": self.db * m}


def _loops_functions() -> tuple[Any, ...]:
    from fastbp.compiler.options import njit
    from fastbp.formulations import loops

    @njit(on_disk=False)
    def forward(turns, Z, outputs, w, b, A, activation):
        for _ in range(turns):
            for s in range(A.shape[0]):
                loops.forward(Z[s], outputs[s], w, b, A[s], activation)

    @njit(on_disk=False)
    def propagate_error(turns, errors, A, w, Delta, derivative):
        for _ in range(turns):
            for s in range(A.shape[0]):
                loops.propagate_error(errors[s], A[s], A[s], w, Delta[s], derivative)

    @njit(on_disk=False)
    def accumulate_gradient(turns, dw, db, Delta, A):
        for _ in range(turns):
            for j in range(db.size):
                loops.accumulate_gradient(dw, db, j, Delta, A, A.shape[0])

    return forward, propagate_error, accumulate_gradient


class Tiles(Compiled):
    """The functions of `tiles/` for layer 2 of a net whose layer 1 has n_in neurons."""

    def __init__(self, n_in: int, n_out: int, m: int, dtype: str):
        super().__init__(n_in, n_out, m, dtype)
        from fastbp.formulations.tiles import tiled
        from fastbp.formulations.tiles.panels import pack

        self.model = _model(self)
        net, work = tiled.tiled_network(self.model), tiled.tiled_workspace(self.model, m, gradient=True)
        tiled.add_gradient_functions(self.model, ["put_rows", "take_rows"])
        pack(work.theta, self.model.parameters.vector, net)
        self.calls = dict(zip(SUM_NAMES, zip(_tiles_functions(), [(work, m, net)] * 3, strict=True), strict=True))
        self._work, self._net, (put, self._take) = work, net, _tiles_copies()
        put(self.A.reshape(-1), self.Delta.reshape(-1), work, net, m)

    def results(self) -> dict[str, Array]:
        from fastbp.formulations.tiles.panels import unpack

        Z, errors, vector = (np.empty_like(array) for array in (self.Delta, self.A, self.model.parameters.vector))
        self._take(Z.reshape(-1), errors.reshape(-1), self._work, self._net, len(Z))
        unpack(vector, self._work.gradient, self._net)
        gradient = type(self.model.parameters)(self.model.sizes, vector)
        return {"z": Z, "error": errors, "dw": gradient.weights[1], "db": gradient.biases[1]}


def _tiles_functions() -> tuple[Any, ...]:
    from fastbp.compiler.options import LEAN, njit
    from fastbp.compiler.views import stretch
    from fastbp.formulations.tiles import sums as tiles
    from fastbp.formulations.tiles.gradient import PATCH, patch_of, share_of
    from fastbp.formulations.tiles.panels import layer, weights
    from fastbp.formulations.tiles.products import Into
    from fastbp.formulations.tiles.steps import rows_of_thread
    from fastbp.formulations.tiles.tile import wide

    @njit(on_disk=False, **LEAN)
    def forward(turns, work, m, net):
        block, w = rows_of_thread(work, 0, 0, m), weights(work.theta, net, 2)
        z, a, a_previous = layer(work.z, net, 2), layer(work.a, net, 2), layer(work.a, net, 1)
        for _ in range(turns):
            tiles.forward(z, a, a_previous, w, block, net.layers[2], False, net)

    @njit(on_disk=False, **LEAN)
    def propagate_error(turns, work, m, net):
        block, w = rows_of_thread(work, 0, 0, m), weights(work.theta, net, 2)
        z_previous, a_previous = layer(work.z, net, 1), layer(work.a, net, 1)
        delta_previous, delta = layer(work.delta, net, 1), layer(work.delta, net, 2)
        for _ in range(turns):
            tiles.propagate_error(delta_previous, z_previous, a_previous, w, delta, block, net.layers[1], net)

    @njit(on_disk=False, **LEAN)
    def accumulate_gradient(turns, work, m, net):
        block, one, none = rows_of_thread(work, 0, 0, m), work.theta.dtype.type(1), stretch(work.coming, 0, 0)
        delta, a, inputs = layer(work.delta, net, 2), layer(work.a, net, 1), PATCH * wide(work.theta)
        for _ in range(turns):
            for j in range(0, delta.n, wide(work.theta)):
                for k in range(0, a.n, inputs):
                    patch = patch_of(work.theta, net, 2, j, k, inputs, share_of(0, 1, 1, net))
                    to = Into(stretch(work.gradient, patch.start, patch.size), one, True)
                    tiles.accumulate_gradient(to, delta, a, patch, block, none, net)

    return forward, propagate_error, accumulate_gradient


def _tiles_copies() -> tuple[Any, Any]:
    from fastbp.compiler.call import call
    from fastbp.compiler.options import LEAN, njit
    from fastbp.formulations.tiles.panels import layer
    from fastbp.formulations.tiles.rows import take_layer

    @njit(on_disk=False, **LEAN)
    def put(A, Delta, work, net, m):
        a, delta = layer(work.a, net, 1), layer(work.delta, net, 2)
        call(net.functions[0].put_rows, a.numbers, A, a.rows, a.n, 0, m)
        call(net.functions[0].put_rows, delta.numbers, Delta, delta.rows, delta.n, 0, m)

    @njit(on_disk=False, **LEAN)
    def take(Z, errors, work, net, m):
        take_layer(Z, layer(work.z, net, 2), 0, m, net)
        take_layer(errors, layer(work.delta, net, 1), 0, m, net)

    return put, take


SUMS: dict[str, type[Sums]] = {"textbook": Textbook, "loops": Loops, "tiles": Tiles, "vectorized": Vectorized}


def _model(sums: Sums) -> Any:
    """Return a net [1, n_in, n_out] with σ(z) = z, whose second layer has these weights and biases."""
    from fastbp.functions.activations import ACTIVATIONS
    from fastbp.functions.costs import COSTS
    from fastbp.model import Model, ParameterVector

    sizes = 1, *sums.shape[:2]
    vector = aligned(np.zeros(ParameterVector.count(sizes), sums.w.dtype))
    model = Model(sizes, (ACTIVATIONS["identity"],) * 2, COSTS["quadratic"], ParameterVector(sizes, vector))
    model.parameters.weights[1][:], model.parameters.biases[1][:] = sums.w, sums.b
    return model
