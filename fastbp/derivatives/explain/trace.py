"""Every number of the forward and backward pass of one sample."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np

from fastbp.derivatives.explain import page
from fastbp.derivatives.explain.chains import Chains
from fastbp.derivatives.explain.factors import Factors, Terms
from fastbp.derivatives.explain.layer_trace import LayerTrace
from fastbp.derivatives.explain.sensitivity import Ranking, ranked
from fastbp.derivatives.explain.tables import Readable, Table
from fastbp.derivatives.explain.trace_tables import tables
from fastbp.functions.costs import Cost
from fastbp.model import Array, ParameterVector
from fastbp.validation import entries, layer_index, neuron_index, whole_number


class Trace(Readable):
    """The forward and backward pass of one sample through a network: what `Network.trace` returns.

    It prints as a table for every layer. A notebook shows the tables, and the page of `to_html` if that is not too
    large. A later change of the network does not change it.

    Attributes
    ----------
    sizes : tuple of int
        The number of neurons of each layer, the input first.
    x, y : (n_in,) and (n_out,) arrays
        The sample.
    cost_function, cost : Cost and float
        C as a function, and C of this sample.
    layers : tuple of LayerTrace
        Layers 0…L, 0 for the input: ``layers[l].z``, ``.a``, ``.delta`` (δ), ``.dC_dw``, ``.dC_db``, ``.dC_da``,
        ``.da_dz`` (σ′), ``.w``, ``.b``.
    gradient : ParameterVector
        ∂C/∂θ, the gradient of this one sample.

    Examples
    --------
    >>> import fastbp
    >>> net = fastbp.Network([1, 1, 1, 1], activation="sigmoid", cost="squared_error", dtype="float64")
    >>> net.parameters = [1.0, 0.0, 2.0, -1.0, -1.0, 1.0]  # w and b of layer 1, of layer 2, of layer 3
    >>> trace = net.trace([1.0], [1.0])
    >>> trace.layers[3].a, trace.cost
    (array([0.59...]), 0.16...)
    >>> print(trace.factors(3, 0, 0))
    ∂C/∂w⁽³⁾[0,0]: 3 factors
      factor               is                   value
      ∂z⁽³⁾[0]/∂w⁽³⁾[0,0]  a⁽²⁾[0]             0.6135
      ∂a⁽³⁾[0]/∂z⁽³⁾[0]    σ′(z) = a (1 − a)   0.2409
      ∂C/∂a⁽³⁾[0]          2 (a − y)          -0.8091
      product                                 -0.1196
      backpropagation      ∂C/∂w⁽³⁾[0,0]      -0.1196
    """

    def __init__(self, layers: tuple[LayerTrace, ...], cost: float, cost_function: Cost, y: Array):
        self.layers, self.cost, self.cost_function = layers, cost, cost_function
        self.sizes = tuple(layer.n for layer in layers)
        self.x, self.y = layers[0].a, y.copy()
        self._chains = Chains(layers, cost_function)

    @property
    def n_layers(self) -> int:
        """The number of layers L, without the input."""
        return len(self.sizes) - 1

    @cached_property
    def gradient(self) -> ParameterVector:
        """∂C/∂θ of this sample, in the order of ``net.parameters``."""
        parts = [part.ravel() for layer in self.layers[1:] for part in (layer.dC_dw, layer.dC_db)]
        return ParameterVector(self.sizes, np.concatenate(parts))

    def factors(self, layer: int, j: int, k: int | None = None) -> Factors:
        """Return the factors of ∂C/∂w_jk, or of ∂C/∂b_j if k is left out.

            ∂C/∂w_jk = ∂z_j/∂w_jk · ∂a_j/∂z_j · ∂C/∂a_j        ∂C/∂b_j = ∂z_j/∂b_j · ∂a_j/∂z_j · ∂C/∂a_j

        Parameters
        ----------
        layer : int
            l = 1…L.
        j : int
            A neuron of layer l.
        k : int, optional
            A neuron of layer l − 1.

        Returns
        -------
        Factors
            Three factors: ∂z_j/∂w_jk = a_k (∂z_j/∂b_j = 1), ∂a_j/∂z_j = σ′(z_j), and ∂C/∂a_j. In the output layer the
            last two can be one factor, ∂C/∂z_j: with softmax, because its ∂a/∂z is a matrix (see `error_terms`), and
            where a has been rounded to 0 or 1, because then ∂a/∂z is 0 and ∂C/∂a infinite.

        Raises
        ------
        TypeError, ValueError
            There is no such layer or neuron.

        References
        ----------
        3Blue1Brown, *Backpropagation calculus*, the chain rule for one weight; Nielsen, chapter 2, BP3 and BP4.
        """
        layer_index("layer", layer, self.sizes, 1)
        neuron_index("j", j, self.sizes, layer)
        if k is None:
            return self._chains.from_bias(layer, j, [j])
        neuron_index("k", k, self.sizes, layer - 1)
        return self._chains.from_weight(layer, j, k, [j])

    def path(self, neurons: Iterable[int], of: Literal["weight", "bias", "activation"] = "weight") -> Factors:
        """Return the factors along one path to the output, and their product.

            ∂C/∂w⁽ˡ⁾ along k, j, …, i = a_k σ′(z_j) · w σ′ ⋯ w σ′(z_i) · ∂C/∂a_i

        The derivative itself is the sum of the products over all paths with the same beginning.

        Parameters
        ----------
        neurons : list of int
            One neuron of each layer in order, the last one in the output layer; their number decides in which layer
            the path begins.
        of : {"weight", "bias", "activation"}, default "weight"
            The beginning of the path: the weight from ``neurons[0]`` to ``neurons[1]``, the bias of ``neurons[0]``, or
            the a of ``neurons[0]``.

        Returns
        -------
        Factors
            3 + 2 (L − l) factors for a weight or bias of layer l; the last two can be one, see `factors`.

        Raises
        ------
        TypeError, ValueError
            The path is too short or too long, or it names a neuron that does not exist.

        References
        ----------
        3Blue1Brown, *Backpropagation calculus*, the chain of single neurons.
        """
        path = entries("neurons", neurons, "a list of one neuron for each layer of the path")
        allowed = {"weight": (2, self.n_layers + 1), "bias": (1, self.n_layers), "activation": (1, self.n_layers + 1)}
        if not isinstance(of, str) or of not in allowed:
            raise ValueError(f"of is {of!r}; a path begins with a 'weight', a 'bias' or an 'activation'")
        low, high = allowed[of]
        if not low <= len(path) <= high:
            raise ValueError(
                f"the path has length {len(path)}; from a{'n' * (of == 'activation')} {of} of this network a path has "
                f"{low} to {high} neurons, the last one in the output layer"
            )
        start = self.n_layers + 1 - len(path)  # the layer of the first neuron
        for l, neuron in enumerate(path, start):
            neuron_index(f"neurons[{l - start}]", neuron, self.sizes, l)
        first, *rest = path
        if of == "weight":
            return self._chains.from_weight(start + 1, rest[0], first, rest)
        if of == "bias":
            return self._chains.from_bias(start, first, path)
        return self._chains.from_activation(start, first, rest)

    def terms(self, layer: int, k: int) -> Terms:
        """Return the terms whose sum over paths is ∂C/∂a_k, one for each neuron j of the next layer.

            ∂C/∂a_k = Σ_j ∂z_j/∂a_k · ∂a_j/∂z_j · ∂C/∂a_j = Σ_j w_jk σ′(z_j) ∂C/∂a_j

        Parameters
        ----------
        layer : int
            l = 0…L − 1, 0 for the input.
        k : int
            A neuron of layer l.

        Returns
        -------
        Terms
            Each has three factors, or two as explained in `factors`.

        Raises
        ------
        TypeError, ValueError
            There is no such layer or neuron, or the layer is the output layer, which has no next layer.

        References
        ----------
        3Blue1Brown, *Backpropagation calculus*, layers of several neurons; Nielsen, chapter 2, BP2.
        """
        layer = layer_index("layer", layer, self.sizes)
        if layer == self.n_layers:
            raise ValueError(
                f"layer {layer} is the output layer, where ∂C/∂a is the derivative of the cost and no sum over paths: "
                f"use layers[{layer}].dC_da, or a layer before it"
            )
        neuron_index("k", k, self.sizes, layer)
        return self._chains.to_activation(layer, k)

    def error_terms(self, j: int) -> Terms:
        """Return the terms of δ_j = ∂C/∂z_j of the output layer: Σ_i ∂a_i/∂z_j · ∂C/∂a_i, one for each output i.

        With softmax every output depends on every z: ∂a_i/∂z_j = a_i ([i = j] − a_j). Any other activation has only
        the term i = j, BP1 of Nielsen's chapter 2.

        Parameters
        ----------
        j : int
            A neuron of the output layer.

        Raises
        ------
        TypeError, ValueError
            There is no such neuron.
        """
        neuron_index("j", j, self.sizes, self.n_layers)
        return self._chains.to_output_error(j)

    def most_sensitive(self, n: int = 10, *, layer: int | None = None) -> Ranking:
        """Return the weights to which the cost of this sample is most sensitive, and why.

        ∂C/∂w_jk = a_k δ_j is large where neuron k is active and the cost depends much on z_j: "fire together, wire
        together".

        Parameters
        ----------
        n : int, default 10
            The number of weights; all of them if there are fewer.
        layer : int, optional
            Rank only the weights of layer l = 1…L.

        Raises
        ------
        TypeError, ValueError
            n is not a whole number ≥ 1, or there is no such layer.

        References
        ----------
        3Blue1Brown, *Backpropagation calculus* and chapter 3 of the written series on Hebbian learning.
        """
        n = whole_number("n", n, 1)
        if layer is not None:
            layer_index("layer", layer, self.sizes, 1)
        return ranked(self.layers[1:] if layer is None else self.layers[layer : layer + 1], n, self.y)

    def to_html(
        self,
        path: Any,
        *,
        names: Sequence[str] | None = None,
        input_names: Sequence[str] | None = None,
        title: str | None = None,
    ) -> None:
        """Write a page that explains this sample: one HTML file for any browser, which needs no network.

        It draws the network and steps forward through z = wa + b and σ, then backwards through BP1 to BP4. Whatever a
        reader points at is explained by its formula, with its numbers and the line of `loops.py` that computes it. A
        weight, bias, input or target can be changed there; the page then computes forward and backward again, in double
        precision. With an activation or cost of your own it cannot: it says so and shows these numbers.

        Parameters
        ----------
        path : str or path-like
            The file, which is replaced as a whole or not at all.
        names, input_names : sequence of str, optional
            Of the outputs and of the inputs, one for each.
        title : str, optional
            The title of the page.

        Raises
        ------
        TypeError, ValueError
            An argument is not as above, or the page would be larger than 30 MB.
        OSError
            The file cannot be written.

        Examples
        --------
        >>> import fastbp, os, tempfile
        >>> net = fastbp.Network([2, 3, 2], cost="cross_entropy", seed=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     net.trace([0.5, 1.0], 1).to_html(f"{folder}/page.html", names=["no", "yes"])
        ...     os.listdir(folder)
        ['page.html']
        """
        page.write(path, page.html_of([self], title, names, input_names))

    def _repr_html_(self) -> str:
        return page.inline([self], super()._repr_html_())

    def __repr__(self) -> str:
        return f"Trace({' → '.join(map(str, self.sizes))}, cost={self.cost:.4g}); print it for its tables"

    def _tables(self) -> list[Table]:
        return tables(self.cost_function.name, self.cost, self.layers, self.y)
