"""`Network.trace` and `Network.nudge`: one sample explained."""

from typing import Any

import numpy.typing as npt

from fastbp import validation
from fastbp.derivatives.trace import Trace
from fastbp.methods.base import HasModel
from fastbp.parameters import Array


class Explanations(HasModel):
    """What a network did with one sample, and why."""

    def trace(self, x: npt.ArrayLike, y: npt.ArrayLike) -> Trace:
        """Return everything about one sample: z, a, δ, ∂C/∂w, ∂C/∂b and ∂C/∂a of every layer, the input included.

        Parameters
        ----------
        x : (n_in,) array-like
            One input: real numbers, all finite.
        y : (n_out,) array-like, or number
            Its target. A class label 0…n_out − 1 where the output is sigmoid or softmax; a number for one output.

        Returns
        -------
        Trace
            ``trace.layers[l]`` for l = 0…L; `Trace.factors`, `Trace.path`, `Trace.terms` take its derivatives apart,
            `Trace.most_sensitive` ranks the weights. Printed, it is a table for every layer.

        Raises
        ------
        TypeError, ValueError
            x or y is not what is described above.

        References
        ----------
        3Blue1Brown, *Backpropagation calculus* (chapter 4 of the video series); Nielsen, *Neural Networks and Deep
        Learning*, chapter 2, BP1 to BP4; Dhalla, *The Complete Mathematics of Neural Networks and Deep Learning*.

        Notes
        -----
        It runs on the loops of `tiles`, whatever the network's formulation: ``trace.gradient`` has the bits that
        ``net.gradient([x], [y])`` has there.

        Examples
        --------
        >>> import fastbp
        >>> net = fastbp.Network([2, 1], cost="squared_error", initializer="zeros")
        >>> trace = net.trace([1.0, 2.0], [3.0])
        >>> trace.layers[1].delta, trace.layers[1].dC_dw, trace.layers[0].dC_da
        (array([-6.], dtype=float32), array([[ -6., -12.]], dtype=float32), array([0., 0.], dtype=float32))
        """
        return Trace(self._model, *self._one_sample(x, y))

    def _one_sample(self, x: Any, y: Any) -> tuple[Array, Array]:
        checked_x = validation.matrix("x", x, self.dtype)
        if checked_x.shape != self.sizes[:1]:
            raise ValueError(
                f"x has shape {checked_x.shape}; needed is one sample, ({self.sizes[0]},): for row s of X give X[s]"
            )
        target = validation.as_array("y", y)
        n_out = self.sizes[-1]
        if target.shape not in ((), (n_out,)):
            raise ValueError(f"y has shape {target.shape}; needed is one target, ({n_out},)")
        if target.shape == () and n_out > 1 and not validation.is_classifier(self._model.activations[-1]):
            raise ValueError(f"y is the number {y!r}; needed is one target, ({n_out},), as the outputs are no classes")
        samples = self._samples(checked_x[None, :], target[None] if target.shape == () else target[None, :])
        return samples.X[0], samples.Y[0]
