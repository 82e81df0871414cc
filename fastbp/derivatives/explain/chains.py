"""The factors of the chain rule, for the layers of one sample. Trusts that layers and neurons are there."""

import math
from collections.abc import Sequence

from fastbp.derivatives.explain import symbols
from fastbp.derivatives.explain.factors import Factor, Factors, Terms
from fastbp.derivatives.explain.layer_trace import LayerTrace
from fastbp.functions.cost_pairs import PAIRS
from fastbp.functions.costs import Cost


class Chains:
    """What `Trace` asks for its factors: `layers` 0…L of a sample, and its cost."""

    def __init__(self, layers: Sequence[LayerTrace], cost: Cost):
        self.layers, self.cost = layers, cost
        self.output = layers[-1]
        assert self.output.activation is not None
        self.sigma = self.output.activation
        pair = PAIRS.get((self.sigma.function, cost.function))
        self.fused = pair is not None and pair.is_fused

    def from_weight(self, l: int, j: int, k: int, path: Sequence[int]) -> Factors:
        """∂C/∂w_jk, along the neurons of layers l, l + 1, …: the first is j."""
        at = self.layers[l]
        symbol = f"∂{symbols.of('z', l, j)}/∂{symbols.of('w', l, j, k)}"
        first = Factor(symbol, symbols.of("a", l - 1, k), float(at.a_before[k]))
        return self._along(f"∂C/∂{symbols.of('w', l, j, k)}", first, l, path, float(at.delta[j] * at.a_before[k]))

    def from_bias(self, l: int, j: int, path: Sequence[int]) -> Factors:
        """∂C/∂b_j, the same."""
        first = Factor(f"∂{symbols.of('z', l, j)}/∂{symbols.of('b', l, j)}", "1", 1.0)
        return self._along(f"∂C/∂{symbols.of('b', l, j)}", first, l, path, float(self.layers[l].delta[j]))

    def from_activation(self, l: int, k: int, path: Sequence[int]) -> Factors:
        """∂C/∂a_k, along the neurons of layers l + 1, …, none if l is the output layer."""
        of, derivative = f"∂C/∂{symbols.of('a', l, k)}", float(self.layers[l].dC_da[k])
        if not path:
            return Factors(of, (self._by_a(l, k),), derivative)
        return self._along(of, self._link(l + 1, path[0], k), l + 1, path, derivative)

    def to_activation(self, l: int, k: int) -> Terms:
        """∂C/∂a_k as a sum over the neurons of layer l + 1."""
        n = self.layers[l + 1].n
        terms = tuple(self.from_activation(l, k, [j]) for j in range(n))
        derivative = float(self.layers[l].dC_da[k])
        return Terms(f"∂C/∂{symbols.of('a', l, k)}", terms, tuple(range(n)), derivative, terms[0].notes)

    def to_output_error(self, j: int) -> Terms:
        """∂C/∂z_j of the output layer as a sum over the outputs i."""
        L, output, of = self.output.l, self.output, f"∂C/∂{symbols.of('z', self.output.l, j)}"
        outputs = range(output.n) if self.sigma.whole_layer else [j]
        terms = []
        for i in outputs:
            equals = "a_i ([i = j] − a_j)" if self.sigma.whole_layer else symbols.sigma_prime(self.sigma)
            value = float(output.da_dz[i, j] if self.sigma.whole_layer else output.da_dz[i])
            first = Factor(f"∂{symbols.of('a', L, i)}/∂{symbols.of('z', L, j)}", equals, value)
            terms.append(Factors(of, (first, self._by_a(L, i)), float(output.delta[j])))
        notes = (self._fused_note,) if self.fused else ()
        return Terms(of, tuple(terms), tuple(outputs), float(output.delta[j]), notes)

    def _along(self, of: str, first: Factor, l: int, path: Sequence[int], derivative: float) -> Factors:
        factors = [first]
        for i, j in enumerate(path[:-1], l):
            factors += [self._sigma_prime(i, j), self._link(i + 1, path[i + 1 - l], j)]
        last = l + len(path) - 1
        notes: tuple[str, ...] = ()
        if last == self.output.l and self._as_one(path[-1]):
            factors.append(self._by_z(path[-1]))
            notes = (self._matrix_note,) if self.sigma.whole_layer else (self._fused_note,)
        else:
            factors += [self._sigma_prime(last, path[-1]), self._by_a(last, path[-1])]
            notes = (self._fused_note,) if last == self.output.l and self.fused else ()
        return Factors(of, tuple(factors), derivative, notes)

    def _as_one(self, j: int) -> bool:
        """Whether ∂a/∂z and ∂C/∂a of an output cannot be told apart: a matrix, or 0 · ∞ where a has been rounded."""
        if self.sigma.whole_layer:
            return True
        return not math.isfinite(float(self.output.da_dz[j]) * float(self.output.dC_da[j]))

    def _by_z(self, j: int) -> Factor:
        equals = "a − y" if self.fused else "Σ_i ∂a_i/∂z_j · ∂C/∂a_i" if self.sigma.whole_layer else "δ"
        return Factor(f"∂C/∂{symbols.of('z', self.output.l, j)}", equals, float(self.output.delta[j]))

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

    @property
    def _fused_note(self) -> str:
        return (
            f"{self.sigma.name} and {self.cost.name} are computed as one, ∂C/∂z = a − y: there ∂a/∂z has cancelled "
            "against ∂C/∂a"
        )

    @property
    def _matrix_note(self) -> str:
        computed = "; computed is a − y, to which it simplifies" if self.fused else ""
        return f"∂a/∂z of softmax is a matrix: ∂C/∂z_j = Σ_i ∂a_i/∂z_j · ∂C/∂a_i, see error_terms(j){computed}"
