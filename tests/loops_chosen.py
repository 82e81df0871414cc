"""Seeing which compiled loops run, and on how many threads."""

from collections.abc import Callable
from typing import Any

from fastbp.formulations.compiled import Compiled
from fastbp.formulations.tiles.prepared import Call


def watch_loops(seen: Callable[[Any, int], Any], patch: Callable[[Any, str, Any], None] = setattr) -> None:
    """Call seen(loop, n_threads) whenever a compiled formulation is about to run a loop."""
    choose, run = Compiled._variant, Call.run

    def chosen(self: Compiled, loop: Any, n_threads: int) -> Any:
        seen(loop, n_threads)
        return choose(self, loop, n_threads)

    def running(self: Call, loop: Any, n_threads: int, *arguments: Any) -> Any:
        seen(loop, n_threads)
        return run(self, loop, n_threads, *arguments)

    patch(Compiled, "_variant", chosen)
    patch(Call, "run", running)
