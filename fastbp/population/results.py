"""What members have learned: their outputs, costs and order."""

from __future__ import annotations

import math
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

from fastbp import validation
from fastbp.memory import require_memory
from fastbp.model import Array
from fastbp.network import Network
from fastbp.population import options
from fastbp.population.halving import judge
from fastbp.population.plans import naming
from fastbp.population.shared import Shared
from fastbp.training.metrics import Evaluation, evaluate


class Results:
    """The methods of `Population` that use trained members."""

    _members: tuple[Network, ...]

    def best(self, k: int = 1, monitor: str | None = None, mode: Literal["min", "max"] | None = None) -> list[int]:
        """Return the numbers of the k best members by their last `fit`, the best first; ``pop[pop.best(5)]`` has them.

        A member counts with the value of its best epoch, if `EarlyStopping` looked for it, otherwise of its last one;
        with NaN, or no whole epoch, it is last. Of equal members the first is better. Raises TypeError or ValueError
        for a parameter of the wrong kind or out of range, and if a member has not been trained.

        Parameters
        ----------
        k : int, default 1
            At least 1, at most the number of members.
        monitor, mode
            As in `Halving`.
        """
        k = validation.whole_number("k", k, 1, most=len(self._members))
        histories = []
        for i, history in enumerate(net.history for net in self._members):
            if history is None:
                raise ValueError(f"member {i} has no history: train it first")
            histories.append(history)
        by = judge(monitor, mode, histories, [[]] * len(self._members))
        everybody = range(len(self._members))
        return by.ranked(everybody, [by.value(i, histories[i]) for i in everybody])[:k]

    def predict(self, X: npt.ArrayLike) -> Array:
        """Return the outputs of all members, (n_members, n_samples, n_out).

        X and the errors are as in `Network.predict`. Raises MemoryError if that is more than this machine
        has: `mean` needs no such array.
        """
        checked = self._inputs(X)
        first = self._members[0]
        shape, dtype = (len(self._members), len(checked), first.sizes[-1]), first.dtype
        what = f"the outputs of {len(self._members):,} members for {len(checked):,} samples"
        require_memory(what, math.prod(shape) * dtype.itemsize, "take fewer samples at a time, or use `mean`")
        outputs = np.empty(shape, dtype)
        for net, out in zip(self._members, outputs, strict=True):
            net._formulation.outputs(net._model, checked, out)
        return outputs

    @overload
    def mean(self, X: npt.ArrayLike) -> Array: ...
    @overload
    def mean(self, X: npt.ArrayLike, *, return_std: Literal[False]) -> Array: ...
    @overload
    def mean(self, X: npt.ArrayLike, *, return_std: Literal[True]) -> tuple[Array, Array]: ...
    def mean(self, X: npt.ArrayLike, *, return_std: bool = False) -> Array | tuple[Array, Array]:
        """Return the mean of the members' outputs, (n_samples, n_out), of their dtype: the prediction of an ensemble.

        With `return_std`, return (mean, std): how much members differ, √((1/N) Σ (a_i − mean)²) of N members. Sums are
        in float64, a member at a time. X and the errors are as in `Network.predict`.

        References
        ----------
        Welford, *Note on a method for calculating corrected sums of squares and products*, 1962.
        """
        checked, wants_std = self._inputs(X), validation.truth("return_std", return_std)
        mean = np.zeros((len(checked), self._members[0].sizes[-1]))
        squares = np.zeros_like(mean)
        for n, net in enumerate(self._members, start=1):
            difference = net._formulation.outputs(net._model, checked) - mean
            mean += difference / n
            squares += difference * difference * ((n - 1) / n)
        found = mean.astype(self._members[0].dtype)
        return (found, np.sqrt(squares / len(self._members)).astype(found.dtype)) if wants_std else found

    def evaluate(self, X: npt.ArrayLike, Y: npt.ArrayLike, *, sample_weight: Any = None) -> list[Evaluation]:
        """Return the evaluation of each member: as `Network.evaluate`, but X and Y are checked once for all."""
        shared = Shared(X, Y)
        of_all = options.of_members({"sample_weight": sample_weight}, len(self._members))
        found = []
        for i, (net, asked) in enumerate(zip(self._members, of_all, strict=True)):
            with naming(i):
                found.append((net, shared.whole(net._model, asked.sample_weight, True)))
        return [evaluate(net._formulation, net._model, samples) for net, samples in found]

    def _inputs(self, X: npt.ArrayLike) -> Array:
        return validation.inputs(X, self._members[0].sizes[0], self._members[0].dtype)
