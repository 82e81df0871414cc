"""The factors of the chain rule for the layers of one sample. Callers check the indices of layers and neurons."""

import math
from collections.abc import Sequence

from fastbp.derivatives.explain import symbols
from fastbp.derivatives.explain.factors import Factor, Factors, Terms
from fastbp.derivatives.explain.layer_trace import LayerTrace
from fastbp.functions.cost_pairs import PAIRS
from fastbp.functions.costs import Cost
from fastbp.functions.softmax import softmax


class Chains:
    """Makes the factors that `Trace` returns, from layers 0…L of a sample and the cost function."""

    def __init__(self, layers: Sequence[LayerTrace], cost: Cost):
        self.layers, self.cost, self.output = layers, cost, layers[-1]
        assert self.output.activation is not None
        self.sigma = self.output.activation
        pair = PAIRS.get((self.sigma.function, cost.function))
        self.fused = pair is not None and pair.is_fused
        note = f"{self.sigma.name} and {cost.name} are computed together: ∂C/∂z = a − y, because ∂a/∂z cancels in ∂C/∂a"
        self.fused_notes: tuple[str, ...] = (note,) if self.fused else ()

    def from_weight(self, l: int, j: int, k: int, path: Sequence[int]) -> Factors:
        """∂C/∂w_jk, along the neurons of layers l, l + 1, …: the first is j."""
        at, w = self.layers[l], symbols.of("w", l, j, k)
        first = Factor(f"∂{symbols.of('z', l, j)}/∂{w}", symbols.of("a", l - 1, k), float(at.a_before[k]))
        return self._along(f"∂C/∂{w}", first, l, path, float(at.delta[j] * at.a_before[k]))

    def from_bias(self, l: int, j: int, path: Sequence[int]) -> Factors:
        """∂C/∂b_j, along the neurons of layers l, l + 1, …: the first is j."""
        b = symbols.of("b", l, j)
        first = Factor(f"∂{symbols.of('z', l, j)}/∂{b}", "1", 1.0)
        return self._along(f"∂C/∂{b}", first, l, path, float(self.layers[l].delta[j]))

    def from_activation(self, l: int, k: int, path: Sequence[int]) -> Factors:
        """∂C/∂a_k, along the neurons of layers l + 1, …; the path is empty if l is the output layer."""
        of, derivative = f"∂C/∂{symbols.of('a', l, k)}", float(self.layers[l].dC_da[k])
        if not path:
            return Factors(of, (self._by_a(l, k),), derivative)
        return self._along(of, self._link(l + 1, path[0], k), l + 1, path, derivative)

    def to_activation(self, l: int, k: int) -> Terms:
        """∂C/∂a_k as a sum over the neurons of layer l + 1."""
        neurons = tuple(range(self.layers[l + 1].n))
        terms = tuple(self.from_activation(l, k, [j]) for j in neurons)
        return Terms(terms[0].of, terms, neurons, terms[0].derivative, terms[0].notes)

    def to_output_error(self, j: int) -> Terms:
        """∂C/∂z_j of the output layer as a sum over the outputs i."""
        L, output, delta = self.output.l, self.output, float(self.output.delta[j])
        z = symbols.of("z", L, j)
        terms, outputs = [], tuple(range(output.n)) if self.sigma.whole_layer else (j,)
        for i in outputs:
            of_softmax = self.sigma.function is softmax
            equals = "a_i ([i = j] − a_j)" if of_softmax else symbols.sigma_prime(self.sigma)
            value = float(output.da_dz[i, j] if self.sigma.whole_layer else output.da_dz[i])
            first = Factor(f"∂{symbols.of('a', L, i)}/∂{z}", equals, value)
            terms.append(Factors(f"∂C/∂{z}", (first, self._by_a(L, i)), delta))
        return Terms(f"∂C/∂{z}", tuple(terms), outputs, delta, self.fused_notes)

    def _along(self, of: str, first: Factor, l: int, path: Sequence[int], derivative: float) -> Factors:
        factors, last, j = [first], l + len(path) - 1, path[-1]
        for i, neuron in enumerate(path[:-1], l):
            factors += [self._sigma_prime(i, neuron), self._link(i + 1, path[i + 1 - l], neuron)]
        at_output = last == self.output.l
        one = self._one_factor(j) if at_output else None
        if one:
            return Factors(of, (*factors, one[0]), derivative, (one[1],))
        factors += [self._sigma_prime(last, j), self._by_a(last, j)]
        return Factors(of, tuple(factors), derivative, self.fused_notes if at_output else ())

    def _one_factor(self, j: int) -> tuple[Factor, str] | None:
        """∂C/∂z_j of an output and a note why, where it is no product: ∂a/∂z is a matrix, or 0 where ∂C/∂a is ∞."""
        equals = "a − y" if self.fused else "δ"
        if self.sigma.whole_layer:
            equals = equals if self.fused else "Σ_i ∂a_i/∂z_j · ∂C/∂a_i"
            note = "∂a/∂z of softmax is a matrix: ∂C/∂z_j = Σ_i ∂a_i/∂z_j · ∂C/∂a_i, see error_terms(j)"
            note += "; it simplifies to a − y, which is what is computed" if self.fused else ""
        elif math.isfinite(float(self.output.da_dz[j]) * float(self.output.dC_da[j])):
            return None
        elif self.fused:
            (note,) = self.fused_notes
        else:
            note = "∂a/∂z · ∂C/∂a is not finite, because a has been rounded: ∂C/∂z is one factor"
        return Factor(f"∂C/∂{symbols.of('z', self.output.l, j)}", equals, float(self.output.delta[j])), note

    def _by_a(self, l: int, j: int) -> Factor:
        at_output = l == self.output.l
        equals = symbols.cost_prime(self.cost, self.sigma) if at_output else f"the sum terms({l}, {j})"
        return Factor(f"∂C/∂{symbols.of('a', l, j)}", equals, float(self.layers[l].dC_da[j]))

    def _sigma_prime(self, l: int, j: int) -> Factor:
        at = self.layers[l]
        assert at.activation is not None
        symbol = f"∂{symbols.of('a', l, j)}/∂{symbols.of('z', l, j)}"
        return Factor(symbol, symbols.sigma_prime(at.activation), float(at.da_dz[j]))

    def _link(self, l: int, j: int, k: int) -> Factor:
        symbol = f"∂{symbols.of('z', l, j)}/∂{symbols.of('a', l - 1, k)}"
        return Factor(symbol, symbols.of("w", l, j, k), float(self.layers[l].w[j, k]))
