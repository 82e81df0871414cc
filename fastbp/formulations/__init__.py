"""The same three sums, written in several ways behind one interface."""

from collections.abc import Iterator, Mapping

from fastbp.compiler.threads import imported
from fastbp.formulations.interface import Formulation

__all__ = ["FORMULATIONS", "Formulation"]


class _Formulations(Mapping[str, Formulation]):
    """All formulations by name. Each is imported when it is first asked for: most programs use one."""

    def __init__(self, **classes: str):
        self._classes = classes
        self._made: dict[str, Formulation] = {}

    def __getitem__(self, name: str) -> Formulation:
        if name not in self._made:
            module, _, kind = self._classes[name].partition(":")
            self._made.setdefault(name, getattr(imported(f"fastbp.formulations.{module}"), kind)())
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._classes)

    def __len__(self) -> int:
        return len(self._classes)


FORMULATIONS: Mapping[str, Formulation] = _Formulations(
    textbook="textbook:Textbook", loops="compiled:Compiled", tiles="tiles.formulation:Tiled",
    vectorized="vectorized:Vectorized",
)  # fmt: skip
