"""What a training step does besides following the gradient: penalties, clipping, dropout, weights of samples.

Each rule is twice in the project, as all recurrences are: compiled in `rules.py`, and here in NumPy for the
formulations that are not compiled.
"""

import itertools
import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastbp.formulations.dropout import drop, layer_key
from fastbp.model import Array, ParameterVector


class Batch(NamedTuple):
    """What is a mini-batch's own: the weights of its samples, what multiplies w in its gradient, its penalty."""

    weight: Array | None
    l2: float
    penalty: float


@dataclass(frozen=True, eq=False)
class StepOptions:
    """The rules of `formulations/rules.py`; what is left out is off. Checked by whoever makes it.

    Attributes
    ----------
    l2, l1 : float
        λ/n and λ₁/n: what the user gives, divided by the number of training samples.
    clip_value, clip_norm, max_norm : float
        Limits; infinite where there is none.
    decay : (1,) array
        κ of decoupled weight decay, given as a number. A schedule changes what is in it, and all that was made with
        these options follows.
    dropout : (L,) array
        0 for the input, then p of every hidden layer, given as a tuple of these; or empty. A schedule changes what is
        in it.
    seed : int
        Decides which neurons are dropped, with the count of steps.
    steps : (1,) array
        How many mini-batches the network has been trained on: its own count, which every trainer raises.
    sample_weight : (n_samples,) or (n_samples, n_out) array
        What the cost of a sample, or of each of its outputs, is multiplied by; or empty.
    per_batch : bool
        Whether a mini-batch stands for itself, as in scikit-learn: C = (Σ_s w_s C_s + ½ λ Σ w²) / Σ_s w_s over its own
        samples, w_s = 1 without weights; there are none of outputs. `l2` is then λ, and the penalty is part of the cost
        that training tells.
    """

    l2: float = 0.0
    l1: float = 0.0
    clip_value: float = math.inf
    clip_norm: float = math.inf
    max_norm: float = math.inf
    decay: Any = 0.0
    dropout: Any = ()
    seed: int = 0
    steps: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    sample_weight: Array = field(default_factory=lambda: np.empty(0))
    per_batch: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.decay, np.ndarray):
            object.__setattr__(self, "decay", np.array([float(self.decay)]))
        if not isinstance(self.dropout, np.ndarray):
            object.__setattr__(self, "dropout", np.array([0.0, *self.dropout] if any(self.dropout) else []))

    @property
    def rules(self) -> dict[str, Any]:
        """The rules as fields of `OptimizerData`."""
        names = "l2", "l1", "clip_value", "clip_norm", "max_norm"
        changes_gradient = self.l1 > 0 or self.clip_value < math.inf
        numbers = {name: float(getattr(self, name)) for name in names}
        return {"changes_gradient": changes_gradient, "per_batch": self.per_batch, "decay": self.decay, **numbers}

    def of_samples(self, dtype: np.dtype[Any]) -> dict[str, Any]:
        """What is done to samples, as fields of a workspace."""
        sample_weight = np.ascontiguousarray(self.sample_weight, dtype).reshape(-1)
        return {"dropout": self.dropout, "seed": self.seed, "steps": self.steps, "sample_weight": sample_weight}

    @property
    def weight(self) -> Array | None:
        """The weights of the samples, None where they all weigh the same."""
        return self.sample_weight if self.weighted else None

    @property
    def weighted(self) -> bool:
        """Whether the samples have weights."""
        return self.sample_weight.size > 0

    def are_like(self, other: "StepOptions") -> bool:
        """Whether these are the same rules, for other samples."""
        names = [name for name in vars(self) if name not in ("sample_weight", "steps")]
        alike = all(np.array_equal(getattr(self, name), getattr(other, name)) for name in names)
        return alike and self.steps is other.steps and self.weighted == other.weighted

    @property
    def plain(self) -> bool:
        """Whether a step only follows the gradient."""
        penalties = self.l2 + self.l1 + float(self.decay[0])
        limits = min(self.clip_value, self.clip_norm, self.max_norm)
        others = any(self.dropout) or self.weighted or self.per_batch
        return not (penalties > 0 or limits < math.inf or others)

    def of_batch(self, samples: npt.NDArray[np.int64], parameters: ParameterVector) -> Batch:
        """Return what holds for the step of a mini-batch of these samples, in NumPy."""
        weight = None if self.weight is None else self.weight[samples]
        if not self.per_batch:
            return Batch(weight, self.l2, 0.0)
        total = float(len(samples) if weight is None else weight.sum(dtype=np.float64))
        share = 1 / total if total > 0 else 0.0
        squares = sum(float(np.einsum("jk,jk->", w, w, dtype=np.float64)) for w in parameters.weights)
        weight = None if weight is None else weight * weight.dtype.type(len(samples) * share)
        return Batch(weight, self.l2 * share, 0.5 * self.l2 * share * squares * len(samples))

    def of_gradient(
        self, gradient: ParameterVector, parameters: ParameterVector, eta: float, l2: float, rates: Array
    ) -> None:
        """Apply the rules before an optimizer's step, in NumPy, with the `l2` of that step. Writes: both vectors.

        rates: (L, 2), factors of η for the weights and biases of each layer.
        """
        for dw, db, w, (of_w, of_b) in zip(gradient.weights, gradient.biases, parameters.weights, rates, strict=True):
            if l2 or self.l1:
                dw += l2 * w + self.l1 * np.sign(w)
            for g, factor in ((dw, of_w), (db, of_b)):
                if factor == 0:
                    g[...] = 0
        g = gradient.vector
        if self.clip_value < math.inf:
            np.clip(g, -self.clip_value, self.clip_value, out=g)
        if self.clip_norm < math.inf:
            norm = math.sqrt(float(np.dot(g, g)))
            if norm > self.clip_norm:
                g *= g.dtype.type(self.clip_norm / norm)
        if (decay := float(self.decay[0])) > 0:
            for w, factor in zip(parameters.weights, rates[:, 0], strict=True):
                w *= w.dtype.type(1 - eta * factor * decay)

    def of_weights(self, parameters: ParameterVector, rates: Array) -> None:
        """Apply the rule after an optimizer's step, in NumPy. Writes: parameters."""
        if self.max_norm < math.inf:
            for w in itertools.compress(parameters.weights, rates[:, 0] > 0):
                norms = np.sqrt((w * w).sum(axis=1, keepdims=True))
                np.multiply(w, np.minimum(1, self.max_norm / np.maximum(norms, 1e-30)).astype(w.dtype), out=w)

    def kept(self, l: int, m: int, n: int, dtype: np.dtype[Any]) -> Array:
        """Return what a⁽ˡ⁾ of m samples is multiplied by, (m, n): 0 where a neuron is dropped, else 1 / (1 − p)."""
        factors = np.ones((m, n), dtype)
        p = float(self.dropout[l]) if l < len(self.dropout) else 0.0
        if p > 0:
            for place, row in enumerate(factors):
                drop(row, p, layer_key(self.seed, int(self.steps[0]), l, place), 0)
        return factors
