"""What a network can be written to: fastbp's own files, and those of others."""

from __future__ import annotations  # so that naming numpy.random does not import it

import os
from typing import TYPE_CHECKING, Any

from fastbp import resuming, serialization, validation
from fastbp.history import History
from fastbp.methods.base import HasModel
from fastbp.training import Training

if TYPE_CHECKING:
    import numpy as np


class Files(HasModel):
    """The methods of `Network` that write files or make networks of other libraries."""

    metadata: dict[str, Any]
    history: History | None
    _training: Training | None
    _rng: np.random.Generator
    _own_seed: int

    def save(self, path: str | os.PathLike[str], *, training_state: bool = False) -> None:
        """Write the network to a file in the safetensors format, which `fastbp.load` reads.

        Architecture, parameters and `metadata`. An existing file is replaced only once the new one is whole and on the
        disk: whatever happens meanwhile, there is the old file or the new one. Every later version of fastbp reads it.

        Parameters
        ----------
        path : path-like
            The file.
        training_state : bool, default False
            Keep also what the next `fit` depends on, and the history: the optimizer with its moments and count of
            steps, the random generator, the seed of dropout and `validation_split`. After `fastbp.load` a `fit` gives
            the same bits as one of this network. A schedule, permutations and chunks are the caller's to go on with:
            they are arguments of `fit`. The file grows by the moments, up to three times the size.

        Raises
        ------
        OSError
            The file cannot be written.
        TypeError
            `metadata` holds what JSON cannot, or `training_state` is not a bool.
        ValueError
            An activation, cost or optimizer of your own has the name of one of fastbp's; the random generator is none
            of NumPy's.

        Examples
        --------
        >>> import fastbp, tempfile, os
        >>> X, Y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
        >>> path = os.path.join(tempfile.mkdtemp(), "net.safetensors")
        >>> net = fastbp.Network([2, 8, 1], seed=0)
        >>> history = net.fit(X, Y, epochs=3, batch_size=2, optimizer=fastbp.Adam(0.01))
        >>> net.save(path, training_state=True)
        >>> resumed = fastbp.load(path)
        >>> for each in (net, resumed):
        ...     history = each.fit(X, Y, epochs=3, batch_size=2)
        >>> bool((resumed.parameters == net.parameters).all()), resumed.optimizer
        (True, Adam(learning_rate=0.01, beta_1=0.9, beta_2=0.999, epsilon=1e-08))
        """
        state = None
        if validation.truth("training_state", training_state):
            state = resuming.state_of(self._training, self._rng, self._own_seed, self.history)
        serialization.save(path, self._model, self._formulation.name, self.metadata, state)
