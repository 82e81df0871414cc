"""Writing a network to files: fastbp's own, ONNX, C; and as a PyTorch module."""

from __future__ import annotations  # so that naming numpy.random does not import it

import os
from typing import TYPE_CHECKING, Any

from fastbp import disk, training, validation
from fastbp.files import c_file, onnx_file, pytorch, serialization
from fastbp.network.base import HasModel

if TYPE_CHECKING:
    import numpy as np
    import torch

    from fastbp.training.history import History
    from fastbp.training.state import Training


class Files(HasModel):
    """The methods of `Network` that write files or make networks of other libraries."""

    metadata: dict[str, Any]
    history: History | None
    _training: Training | None
    _rng: np.random.Generator
    _own_seed: int

    def save(self, path: str | os.PathLike[str], *, training_state: bool = False) -> None:
        """Write architecture, parameters and `metadata` to the safetensors file `path`, which `fastbp.load` reads.

        An existing file is replaced only when the new one is complete and on the disk, so there is always the old file
        or the new one. A process that is killed may leave an unfinished file beside it, whose name begins with a dot.
        Every later version of fastbp can read the file. Raises OSError if the file cannot be written, TypeError if
        `metadata` has something that JSON cannot hold or `training_state` is not a bool, ValueError if an activation,
        cost or optimizer of your own has the name of one of fastbp's or the random generator is not NumPy's.

        Parameters
        ----------
        training_state : bool, default False
            Also keep the history and what the next `fit` depends on: the optimizer with its moments and steps, the
            network's own count of steps, the random generator, the seed of dropout and `validation_split`. After
            `fastbp.load`, a `fit` gives the same bits as one of this network, if the caller continues the arguments of
            `fit`: permutations, chunks, and a schedule, which counts the epochs of each `fit` from 0
            (``len(net.history)`` are done). The moments make the file up to three times as large; the memory of `LBFGS`
            adds 16 bytes times its `memory` for each parameter.

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
        serialization.save(path, self._contents(training_state))

    def _contents(self, training_state: Any) -> serialization.Contents:
        """Return what `save` writes."""
        state = None
        if validation.truth("training_state", training_state):
            state = training.checkpoints.state_of(self._training, self._rng, self._own_seed, self.history)
        return serialization.contents_of(self._model, self._formulation.name, self.metadata, state)

    def to_onnx(self, path: str | os.PathLike[str]) -> None:
        """Write the network to the ONNX file `path`, which onnxruntime and others run; needs onnx.

        Input ``X`` (n_samples, n_in), any number of samples, output ``A`` (n_samples, n_out), both of the network's
        dtype. An existing file is replaced as by `save`; `metadata` and the cost are not written. The outputs are those
        of `predict` up to rounding. Raises ImportError without onnx, OSError if the file cannot be written, ValueError
        if an activation is your own or the parameters are larger than the 2 GiB of an ONNX file.

        References
        ----------
        Open Neural Network Exchange, operators of version 17, https://onnx.ai/onnx/operators.

        Examples
        --------
        >>> import fastbp, numpy, onnxruntime, os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "net.onnx")
        >>> net = fastbp.Network([2, 8, 3], output_activation="softmax", seed=0)
        >>> net.to_onnx(path)
        >>> X = numpy.array([[1, 2], [3, 4]], "float32")
        >>> (A,) = onnxruntime.InferenceSession(path).run(None, {"X": X})
        >>> bool(abs(A - net.predict(X)).max() < 1e-6)
        True
        """
        disk.write(path, onnx_file.model_proto(self._model).SerializeToString())

    def to_torch(self) -> torch.nn.Sequential:
        """Return the network as a ``torch.nn.Sequential`` with copies of its parameters; needs PyTorch.

        The module has the network's dtype, is on the CPU and in training mode, and ends with the output activation.
        `fastbp.from_torch` is the inverse. Raises ImportError without PyTorch, ValueError if an activation is your own.

        Examples
        --------
        >>> import fastbp
        >>> fastbp.Network([2, 8, 3], activation="tanh", output_activation="softmax").to_torch()
        Sequential(
          (0): Linear(in_features=2, out_features=8, bias=True)
          (1): Tanh()
          (2): Linear(in_features=8, out_features=3, bias=True)
          (3): Softmax(dim=-1)
        )
        """
        module: torch.nn.Sequential = pytorch.to_torch(self._model)
        return module

    def to_c(self, path: str | os.PathLike[str], *, name: str = "predict") -> None:
        """Write the network to the C99 file `path`, which needs only ``math.h``.

        It has one function, ``void predict(const float x[n_in], float a[n_out])``, with double for a float64 network.
        It allocates no memory and has no state, so several threads can call it. Its numbers are those of `predict` up
        to rounding. An existing file is replaced as by `save`. Raises OSError if the file cannot be written, TypeError
        or ValueError if an activation is your own, a parameter is not finite, or `name` is not a C identifier.

        Parameters
        ----------
        name : str, default "predict"
            The function's name. Everything else in the file is static: several networks fit in one program.

        Examples
        --------
        >>> import fastbp, os, pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp(), "net.c")
        >>> fastbp.Network([2, 1], initializer="zeros").to_c(path)
        >>> for line in path.read_text().splitlines()[-9:]:
        ...     print(line)
        void predict(const float x[2], float a[1])
        {
            for (int j = 0; j < 1; j++) {
                float z = biases_1[j];
                for (int k = 0; k < 2; k++)
                    z += weights_1[j][k] * x[k];
                a[j] = z;
            }
        }
        """
        if not isinstance(name, str):
            raise TypeError(f"name is {name!r}; it must be a str, such as 'predict'")
        disk.write(path, c_file.c_source(self._model, name).encode())
