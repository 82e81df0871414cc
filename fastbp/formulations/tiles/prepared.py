"""A call of a loop of `tiles` that needs only its samples: the rest is made once and kept with the model."""

from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp.compiler.variants import entry, variant
from fastbp.formulations.network_data import NetworkData
from fastbp.formulations.tiles import panels
from fastbp.formulations.tiles.panel_functions import add_functions
from fastbp.formulations.tiles.panels import Data, TiledWorkspace
from fastbp.model import Array, Model


class Call:
    """A workspace and samples as structs, and a loop compiled for their types: what is left is to fill in the samples.

    Every call packs θ again, because it may have been changed in place.
    """

    def __init__(self, model: Model, net: NetworkData, work: TiledWorkspace):
        self._no_samples, self._no_weights = np.empty((0, 0), model.dtype), np.empty(0, model.dtype)
        self._theta, self.net, self.work = model.parameters.vector, net, work
        self._entries: list[Any] = [None, None]
        self._copy = entry(panels.copy, work.theta, self._theta, net, True)
        self.data = samples_of(self._no_samples, self._no_samples)

    @property
    def nbytes(self) -> int:
        """How much memory it holds."""
        return self.work.nbytes + self.data.nbytes

    def take(self, X: Array, Y: Array | None = None, sample_weight: Array | None = None) -> None:
        """Fill in the samples, in the order of their rows."""
        data = self.data
        if len(data.order) != len(X):
            data._put(order=np.arange(len(X), dtype=np.int64))
        data._put(X=X)
        if Y is not None:
            data._put(Y=Y)
        if sample_weight is not None:
            self.weigh(sample_weight)

    def weigh(self, sample_weight: Array) -> None:
        """Fill in the weights of the samples or of their outputs, or none."""
        self.data._put(sample_weight=np.ascontiguousarray(sample_weight, self._theta.dtype).reshape(-1))
        if sample_weight.size > 0:
            add_functions(self.net, ["weigh_samples"], self._theta.dtype, A=self.data, N=self.net)

    def let_go(self) -> None:
        """Release the samples: they are the caller's, and may be large."""
        data = self.data
        data._put(X=self._no_samples)
        if data.Y is not self._no_samples:
            data._put(Y=self._no_samples, sample_weight=self._no_weights)

    def pack(self) -> None:
        """Copy θ into panels."""
        self._copy(self.work.theta, self._theta, self.net, True)

    def copy(self, values: Array, vector: Array, *, pack: bool) -> None:
        """Copy a vector of the layout of θ to `values` in panels, or, unless `pack`, these to the vector."""
        self._copy(values, vector, self.net, pack)

    def run(self, loop: Any, n_threads: int, *arguments: Any) -> Any:
        """Call the loop's variant for so many threads: always the same loop, with arguments of the same types."""
        compiled = self._entries[n_threads > 1]
        if compiled is None:
            compiled = self._entries[n_threads > 1] = entry(variant(loop, n_threads), n_threads, *arguments)
        return compiled(n_threads, *arguments)


def samples_of(
    X: Array, Y: Array, sample_weight: Array | None = None, order: npt.NDArray[np.int64] | None = None
) -> Data:
    """Return the samples as loops get them, in the order of their rows unless told otherwise."""
    given = np.empty(0) if sample_weight is None else sample_weight
    weight = np.ascontiguousarray(given, X.dtype).reshape(-1)
    return Data(X, Y, np.arange(len(X)) if order is None else order, weight)
