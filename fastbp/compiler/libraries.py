"""How the LLVM code of compiled functions is put together: a part is finished only inside the whole that calls it.

Numba optimises every function on its own, makes machine code of it, links it into each of its callers, and optimises
it there again: work that grows with the depth of the calls. A function that only compiled code calls needs none of that
but the last. So it is a `Part`: LLVM code as Numba writes it, which a `Whole` takes up with all that it calls in turn,
to be inlined and optimised once.
"""

from collections.abc import Iterable
from typing import Any

from llvmlite.binding import ModuleRef
from numba.core.codegen import CodeLibrary, JITCodeLibrary


class Part(JITCodeLibrary):
    """The code of a function that has no way in but from compiled code."""

    _with_callees: ModuleRef | None = None

    @property
    def codegen(self) -> Any:
        """Return the code generator, as far as a function without machine code needs one."""
        return _WithoutEnvironments(self._codegen)

    def get_pointer_to_function(self, name: str) -> int:
        """Return 0: there is no machine code."""
        return 0

    def finalize(self) -> None:
        """Leave the code as it is."""
        self._raise_if_finalized()
        self._finalize_dynamic_globals()
        self._finalized = True

    def _optimize_functions(self, module: ModuleRef) -> None:
        """Leave that to the whole."""
        module.data_layout = self._codegen._data_layout

    def own_module(self) -> ModuleRef:
        """Return the code of this function alone."""
        return super()._get_module_for_linking()

    def _get_module_for_linking(self) -> ModuleRef:
        """Return it with what it calls, as the bodies of parallel loops need it: Numba compiles them in its own way."""
        if self._with_callees is None:
            self._with_callees = self.own_module().clone()
            _link(self._with_callees, self._linking_libraries)
        return self._with_callees


class Whole(JITCodeLibrary):
    """The code of a function that Python calls, or C by its address, with all parts that it calls."""

    def finalize(self) -> None:
        """Take up the parts, optimise, make machine code."""
        self._codegen._check_llvm_bugs()
        self._raise_if_finalized()
        for library in _link(self._final_module, self._linking_libraries):
            self._reload_init.update(library._reload_init)
        self._optimize_final_module()
        self._final_module.verify()
        self._finalize_final_module()


class _WithoutEnvironments:
    """A code generator for which no machine code exists that could be told where a function's globals lie."""

    def __init__(self, codegen: Any):
        self._codegen = codegen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)

    def set_env(self, name: str, environment: Any) -> None:
        """Do nothing."""


def _link(module: ModuleRef, libraries: Iterable[CodeLibrary]) -> list[CodeLibrary]:
    """Link libraries into a module, and what the parts among them call in turn, each once; return all of them."""
    found: dict[CodeLibrary, None] = {}
    waiting = list(libraries)
    while waiting:
        library = waiting.pop()
        if library not in found:
            found[library] = None
            waiting += library._linking_libraries if isinstance(library, Part) else []
    for library in found:
        of_library = library.own_module() if isinstance(library, Part) else library._get_module_for_linking()
        module.link_in(of_library, preserve=True)
    return list(found)
