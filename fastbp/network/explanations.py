"""`Network.trace` and `Network.nudge`: one sample explained; `Network.layers_of`: z and a of many samples."""

from __future__ import annotations  # so that naming Trace does not import it

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy.typing as npt

from fastbp import derivatives, validation
from fastbp.compiler.threads import imported
from fastbp.memory import require_memory
from fastbp.model import Array
from fastbp.network.base import HasModel
from fastbp.validation import array_likes

if TYPE_CHECKING:
    from fastbp.derivatives.explain.nudge import Nudge, Target
    from fastbp.derivatives.explain.trace import Trace


class LayerValues(NamedTuple):
    """One layer of n_l neurons, for n samples.

    Attributes
    ----------
    z : (n, n_l) array, or None for the input
        z = w a + b, with a of the layer before: the logits, in the output layer of a classifier.
    a : (n, n_l) array
        a = σ(z): the features that a hidden layer finds; for the input, X.
    """

    z: Any
    a: Array


class Explanations(HasModel):
    """How the outputs come about."""

    def layers_of(self, X: npt.ArrayLike) -> tuple[LayerValues, ...]:
        """Return z and a of every layer for many samples: logits, hidden features.

        Always computed by the loops of `tiles`. The values of a sample do not depend, to the last bit, on the others.
        Raises TypeError or ValueError if X is not as below, MemoryError if the result is larger than this machine's
        memory.

        Parameters
        ----------
        X : (n_samples, n_in) array-like
            Inputs: real numbers, all finite.

        Returns
        -------
        tuple of LayerValues
            ``layers[l].z`` and ``layers[l].a``, (n_samples, n_l) each and of the network's dtype, for l = 0…L as in
            `trace`. Layer 0 is the input: its z is None, its a is X, read-only. ``layers[-1].a`` is what `predict`
            returns, up to rounding.

        References
        ----------
        Nielsen, *Neural Networks and Deep Learning*, chapter 2, equations 23 and 25.

        Examples
        --------
        >>> import fastbp
        >>> net = fastbp.Network([2, 2, 1], activation="relu", output_activation="sigmoid", initializer="zeros")
        >>> net.weights[0][:], net.weights[1][:] = [[1, 2], [-1, 0]], [[3, 5]]
        >>> layers = net.layers_of([[1.0, 1.0], [-1.0, 0.0]])
        >>> layers[1].a  # hidden features
        array([[3., 0.], [0., 1.]], dtype=float32)
        >>> layers[-1].z  # logits
        array([[9.], [5.]], dtype=float32)
        """
        checked = validation.inputs(X, self.sizes[0], self.dtype)
        n, neurons = len(checked), sum(self.sizes[1:])
        instead = "take fewer samples at a time; predict returns the outputs alone"
        what = f"arrays of z and a of {n:,} samples by {neurons:,} neurons"
        require_memory(what, 2 * n * neurons * self.dtype.itemsize, instead)
        layer_values = imported(
            "fastbp.formulations.tiles.layer_values"
        ).layer_values  # its loops take a while to import
        values = zip(*layer_values(self._model, checked), strict=True)
        return (LayerValues(None, checked), *(LayerValues(z, a) for z, a in values))

    def trace(self, x: npt.ArrayLike, y: npt.ArrayLike) -> Trace:
        """Return z, a, δ, ∂C/∂w, ∂C/∂b and ∂C/∂a of every layer for one sample.

        Always computed by the loops of `tiles`; there ``trace.gradient`` has the bits of ``net.gradient([x], [y])``.
        Raises TypeError or ValueError if x or y is not as below.

        Parameters
        ----------
        x : (n_in,) array-like
            One input: real numbers, all finite.
        y : (n_out,) array-like, or number
            Its target. A class label 0…n_out − 1 where the output is sigmoid or softmax; a number for one output.

        Returns
        -------
        Trace
            ``trace.layers[l]`` for l = 0…L; `Trace.factors`, `Trace.path` and `Trace.terms` split its derivatives,
            `Trace.most_sensitive` ranks the weights. Printed, it is a table for every layer.

        References
        ----------
        3Blue1Brown, *Backpropagation calculus* (chapter 4 of the video series); Nielsen, *Neural Networks and Deep
        Learning*, chapter 2, BP1 to BP4; Dhalla, *The Complete Mathematics of Neural Networks and Deep Learning*.

        Examples
        --------
        >>> import fastbp
        >>> net = fastbp.Network([2, 1], cost="squared_error", initializer="zeros")
        >>> trace = net.trace([1.0, 2.0], [3.0])
        >>> trace.layers[1].delta, trace.layers[1].dC_dw, trace.layers[0].dC_da
        (array([-6.], dtype=float32), array([[ -6., -12.]], dtype=float32), array([0., 0.], dtype=float32))
        """
        checked_x, checked_y = self._one_sample(x, y)
        cost, layers = derivatives.layer_trace.layers_of_sample(self._model, checked_x, checked_y)
        return derivatives.trace.Trace(layers, cost, self._model.cost, checked_y)

    def nudge(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        weight: Sequence[int] | None = None,
        bias: Sequence[int] | None = None,
        input: int | None = None,
        by: float = 0.01,
        steps: int = 5,
        shrink: float = 10.0,
    ) -> Nudge:
        """Nudge one weight, bias or input, by less and less, and compare the predicted ∂C with the actual ΔC.

            ∂C = ∂C/∂w · ∂w        ΔC = C(w + ∂w) − C(w)        ΔC − ∂C = ½ ∂²C/∂w² · ∂w² + …

        so the difference shrinks with the square of the nudge, and the ratio ΔC/∂w tends to the derivative. All is
        computed in float64 with the formulation `textbook`, because such small differences are lost in float32. The
        network is not changed. Raises TypeError or ValueError if the sample is not as in `trace`, if not exactly one of
        `weight`, `bias` and `input` is given or it does not exist, or if `by`, `steps` or `shrink` is out of range.

        Parameters
        ----------
        x, y
            One sample, as in `trace`.
        weight : (l, j, k), optional
            The weight w_jk of layer l = 1…L, from neuron k of the layer before to neuron j.
        bias : (l, j), optional
            The bias b_j of layer l.
        input : int, optional
            k of the input x_k. Give exactly one of these three.
        by : float, default 0.01
            The first nudge, which may be negative.
        steps : int, default 5
            The number of nudges.
        shrink : float, default 10
            Each nudge is the one before divided by this, more than 1.

        Returns
        -------
        Nudge
            Printed, it is a table: how the first nudge passes through z and a to C, and all nudges with the power with
            which the difference shrinks.

        References
        ----------
        3Blue1Brown, *Backpropagation calculus*: "the ratio of the nudges is the derivative".

        Examples
        --------
        >>> import fastbp
        >>> net = fastbp.Network([1, 1], cost="squared_error", initializer="zeros")
        >>> print(net.nudge([2.0], [1.0], weight=(1, 0, 0), steps=2))  # C = (2w − 1)²
        w⁽¹⁾[0,0] = 0 is nudged; C = 1, ∂C/∂w⁽¹⁾[0,0] = -4
        <BLANKLINE>
        how a nudge of 0.01 goes on
          nudged   derivative           its value  predicted  actual
          z⁽¹⁾[0]  ∂z⁽¹⁾[0]/∂w⁽¹⁾[0,0]          2       0.02    0.02
          a⁽¹⁾[0]  ∂a⁽¹⁾[0]/∂z⁽¹⁾[0]            1       0.02    0.02
          C        ∂C/∂a⁽¹⁾[0]                 -2      -0.04 -0.0396
        <BLANKLINE>
        smaller and smaller nudges
          nudge  predicted ∂C  actual ΔC  ΔC − ∂C  order
           0.01         -0.04    -0.0396   0.0004      ·
          0.001        -0.004  -0.003996    4e-06   2.00
          ΔC − ∂C shrinks with the nudge to the power 2.00, ∂C itself with the power 1
        """
        first = validation.number("by", by, -math.inf)
        if first == 0:
            raise ValueError("by is 0; a nudge must not be 0")
        factor = validation.number("shrink", shrink, 1)
        if factor == 1:
            raise ValueError("shrink is 1; each nudge must be smaller than the one before, such as shrink=10")
        last = validation.whole_number("steps", steps, 1) - 1
        if last > (300 + min(0.0, math.log10(abs(first)))) / math.log10(factor):
            raise ValueError(f"steps is {steps}; {by} divided by {shrink} that many times is 0: give fewer steps")
        nudges = [first / factor**i for i in range(last + 1)]
        return derivatives.nudge.nudged(self._model, *self._one_sample(x, y), self._target(weight, bias, input), nudges)

    def _target(self, weight: Any, bias: Any, input: Any) -> Target:
        given = {"weight": weight, "bias": bias, "input": input}
        named = [name for name, indices in given.items() if indices is not None]
        if len(named) != 1:
            said = " and ".join(named) or "nothing"
            raise ValueError(f"{said} given to nudge; give one of weight=(l, j, k), bias=(l, j), input=k")
        (kind,) = named
        if kind == "input":
            return kind, (validation.neuron_index("input", input, self.sizes, 0),)
        wanted = ("l", "j", "k") if kind == "weight" else ("l", "j")
        if not isinstance(given[kind], Sequence) or len(given[kind]) != len(wanted):
            raise ValueError(f"{kind} is {given[kind]!r}; needed is ({', '.join(wanted)})")
        l = validation.layer_index(f"{kind}[0]", given[kind][0], self.sizes, 1)
        j = validation.neuron_index(f"{kind}[1]", given[kind][1], self.sizes, l)
        if kind == "bias":
            return kind, (l, j)
        return kind, (l, j, validation.neuron_index("weight[2]", given[kind][2], self.sizes, l - 1))

    def _one_sample(self, x: Any, y: Any) -> tuple[Array, Array]:
        checked_x = validation.matrix("x", x, self.dtype)
        if checked_x.shape != self.sizes[:1]:
            needed = f"needed is one sample, ({self.sizes[0]},): for row s of X give X[s]"
            raise ValueError(f"x has shape {checked_x.shape}; {needed}")
        target, n_out, output = array_likes.as_array("y", y), self.sizes[-1], self._model.activations[-1]
        classes = validation.is_classifier(output)
        if target.shape == (1,) and n_out > 1 and classes:
            target = target.reshape(())  # a row of a column of labels
        if self._model.cost.whole_sample:
            n_out = self._model.cost.n_targets(n_out)
        if target.shape not in ((), (n_out,)):
            raise ValueError(f"y has shape {target.shape}; needed is one target, ({n_out},)")
        if target.shape == () and n_out > 1 and not classes:
            raise ValueError(f"y is the number {y!r}, but outputs are not classes; needed is one target, ({n_out},)")
        if target.shape == (n_out,):
            target = validation.matrix("y", target, self.dtype)
        checked_y, _ = validation.targets(target[None], checked_x[None], self.sizes[-1], output, self._model.cost, "y")
        return checked_x, checked_y[0]
