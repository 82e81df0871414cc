"""Values of a network recorded after every epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp.derivatives.explain import page
from fastbp.derivatives.explain.trace import Trace
from fastbp.training.callbacks import Callback, Run


class Recorder(Callback):
    """Record the value of a function of the network, before training and after every epoch.

    Parameters
    ----------
    function : callable
        Takes the network and returns the value: a number, or an array that is not a view of the parameters, which
        change. TypeError if it is not callable.

    Attributes
    ----------
    function : callable
        As given.
    values : list
        The values: before training, then after each epoch; a second `fit` appends to them.

    Examples
    --------
    >>> import fastbp
    >>> net = fastbp.Network([1, 1], initializer="zeros", dtype="float64")
    >>> recorder = Recorder(lambda net: float(net.weights[0][0, 0]))
    >>> history = net.fit([[1.0]], [1.0], epochs=3, optimizer=fastbp.SGD(0.25), callbacks=[recorder])
    >>> recorder.values
    [0.0, 0.25, 0.375, 0.4375]
    """

    def __init__(self, function: Callable[[Any], Any]):
        if not callable(function):
            raise TypeError(f"function is {function!r}; it must be a function of the network")
        self.function = function
        self.values: list[Any] = []
        self._epochs: list[int] = []  # of each value, 0 before training

    def on_train_begin(self, run: Run) -> None:
        """Record the value of the function for the network of the `run`."""
        self.values.append(self.function(run.net))
        self._epochs.append(run.epoch)

    on_epoch_end = on_train_begin

    def to_html(
        self,
        path: Any,
        *,
        names: Sequence[str] | None = None,
        input_names: Sequence[str] | None = None,
        title: str | None = None,
    ) -> None:
        """Write the page of `Trace.to_html` with a slider over the epochs, if the values are traces of one sample.

        Parameters
        ----------
        path, names, input_names, title
            As in `Trace.to_html`.

        Raises
        ------
        TypeError, ValueError
            As in `Trace.to_html`, or the values are not traces of one sample.
        OSError
            The file cannot be written.

        Examples
        --------
        >>> import fastbp, os, tempfile
        >>> recorder = Recorder(lambda net: net.trace([1.0], [1.0]))
        >>> net = fastbp.Network([1, 2, 1], seed=0, dtype="float64")
        >>> history = net.fit([[1.0]], [1.0], epochs=3, optimizer=fastbp.SGD(0.25), callbacks=[recorder])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     recorder.to_html(f"{folder}/epochs.html")
        ...     os.listdir(folder)
        ['epochs.html']
        """
        traces, epochs = self._traces()
        page.write(path, page.html_of(traces, title, names, input_names, epochs))

    def _repr_html_(self) -> str | None:
        """Return the page, if the values are traces of one sample; without it a notebook prints the object."""
        try:
            traces, epochs = self._traces()
        except (TypeError, ValueError):
            return None
        return page.inline(traces, epochs=epochs) or None

    def _traces(self) -> tuple[list[Trace], list[str]]:
        """Return the values and what each is called. Raises TypeError or ValueError unless they trace one sample."""
        traces = [value for value in self.values if isinstance(value, Trace)]
        if not traces or len(traces) < len(self.values):
            what = "nothing yet" if not self.values else f"{type(self.values[0]).__name__}, not traces"
            raise TypeError(
                f"a page shows traces of a sample, and this recorder has {what}: record them in a fit, by "
                f"Recorder(lambda net: net.trace(x, y))"
            )
        for i, trace in enumerate(traces):
            if not _same_sample(traces[0], trace):
                raise ValueError(
                    f"values[{i}] is a trace of another sample or network than values[0]; a page shows one sample: "
                    f"record net.trace(x, y) with the same x and y"
                )
        if len(self._epochs) != len(traces):  # somebody has taken some away
            return traces, [f"trace {i}" for i in range(len(traces))]
        return traces, [f"after epoch {epoch}" if epoch else "before training" for epoch in self._epochs]


def _same_sample(one: Trace, other: Trace) -> bool:
    """Whether two traces are of one sample through networks of the same sizes and functions."""
    of_one, of_other = ([at.activation for at in trace.layers] + [trace.cost_function] for trace in (one, other))
    same_net = one.sizes == other.sizes and of_one == of_other
    return same_net and np.array_equal(one.x, other.x) and np.array_equal(one.y, other.y)


def error_norms(net: Any, X: npt.ArrayLike, Y: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return ‖δ⁽ˡ⁾‖ of layers 1…L, where δ is the mean over the samples: how fast each layer learns.

    By BP3, ∂C/∂b = δ, so these are the norms of the gradient of the biases, layer by layer, an (n_layers,) array of
    float64. `net` is a network, else TypeError; X, Y and the errors are as in `Network.fit`.

    References
    ----------
    Nielsen, *Neural Networks and Deep Learning*, chapter 5, "What's causing the vanishing gradient problem?".

    Examples
    --------
    >>> import fastbp
    >>> net = fastbp.Network([1, 1, 1], activation="sigmoid", cost="quadratic", initializer="zeros")
    >>> net.weights[1][0, 0] = 4
    >>> error_norms(net, [[1.0]], [0.0]).round(4)  # a = σ(2); one layer back: times w σ′(0) = 4 / 4
    array([0.0925, 0.0925])
    """
    if not callable(getattr(net, "gradient", None)):  # Network itself is above this module
        raise TypeError(f"net is {net!r}; it must be a fastbp.Network")
    return np.array([np.linalg.norm(b) for b in net.gradient(X, Y).biases], dtype=np.float64)
