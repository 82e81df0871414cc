"""The memory that training needs."""

from contextlib import suppress

import numpy as np

import fastbp
from suite.common import FORMULATIONS, NETS, limit_threads, missing_is_skipped, network, workload


class Workspace:
    """The exact number of bytes that a trainer allocates for steps of Adam."""

    params = (FORMULATIONS, list(NETS))
    param_names = ("formulation", "net")
    unit = "bytes"

    @missing_is_skipped
    def setup(self, formulation: str, net: str) -> None:
        from fastbp.formulations import FORMULATIONS

        self.formulation, self.work = FORMULATIONS[formulation], workload(net)
        self.model = network(self.work, formulation)._model
        self.track_bytes()

    def track_bytes(self, *_: str) -> int:
        return self.formulation.step_bytes(self.model, fastbp.Adam(), self.work.case.batch_size)


class Peak:
    """The peak memory of a whole process that trains a net of 8.4 million parameters.

    It does not include the memory for compiling: `setup_cache` compiles in another process.
    """

    params = (["loops", "vectorized", "tiles"],)
    param_names = ("formulation",)

    def setup_cache(self) -> None:
        for formulation in self.params[0]:
            with suppress(NotImplementedError):
                self.setup(formulation)
                self.peakmem_fit()

    @missing_is_skipped
    def setup(self, formulation: str) -> None:
        limit_threads(1)
        rng, sizes = np.random.default_rng(0), [1024, 2048, 2048, 1024]
        self.net = fastbp.Network(sizes, cost="quadratic", seed=0, formulation=formulation)
        self.X, self.Y = rng.random((256, 1024), dtype=np.float32), rng.random((256, 1024), dtype=np.float32)

    def peakmem_fit(self, *_: str) -> None:
        self.net.fit(self.X, self.Y, epochs=2, batch_size=128, optimizer=fastbp.SGD(1e-4), progress=False)
