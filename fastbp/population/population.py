"""`Population`, the class that users work with: many networks, trained at once."""

from __future__ import annotations  # so that naming an Evaluation costs nothing

import operator
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, Literal, TypeAlias, TypeVar, overload

import numpy as np
import numpy.typing as npt

from fastbp import validation
from fastbp.files import serialization
from fastbp.model import Array
from fastbp.network import Network
from fastbp.optimizers import Optimizer
from fastbp.population import elsewhere, files, options, parameters, plans
from fastbp.population.halving import Halving
from fastbp.population.results import Results
from fastbp.population.shared import Shared
from fastbp.population.training import train
from fastbp.training.callbacks import Callback
from fastbp.training.early_stopping import EarlyStopping
from fastbp.training.history import History
from fastbp.validation import foreign_names, hints

T = TypeVar("T")
OrEach: TypeAlias = T | list[T]
Metrics: TypeAlias = tuple[str | Callable[[Array, Array], float], ...] | Mapping[str, Callable[[Array, Array], float]]


NEEDED = "a list of fastbp.Network, at least one"


class Population(Results):
    """Many networks, of the same or of different sizes, activations and costs, that are trained at once on the same X.

    Every member has the bits of the same network trained alone. Members go to threads, one a thread.

    Parameters
    ----------
    networks : list of Network
        Networks with the same n_in, n_out and dtype, each once. They are the members: ``pop[17]`` is the Network
        itself, a slice or a list of numbers gives a Population of the same Networks. Raises TypeError or ValueError for
        anything else.

    Examples
    --------
    >>> import fastbp
    >>> data = fastbp.load_digits()
    >>> pop = fastbp.Population(
    ...     [fastbp.Network([64, n, 10], cost="cross_entropy", seed=s) for n in (8, 16) for s in range(2)])
    >>> histories = pop.fit(data.X_train, data.y_train, epochs=3, l2=[0.0, 0.1, 0.0, 0.1],
    ...                     validation_data=(data.X_test, data.y_test))
    >>> best = pop.best(2)  # numbers of members
    >>> pop[best].mean(data.X_test).shape, pop.predict(data.X_test).shape
    ((360, 10), (4, 360, 10))
    """

    def __init__(self, networks: Iterable[Network]):
        members = validation.entries("networks", networks, NEEDED)
        if not members:
            raise ValueError(f"networks is {networks!r}; it must be {NEEDED}")
        first_of: dict[int, int] = {}
        for i, net in enumerate(members):
            if not isinstance(net, Network):
                raise TypeError(f"networks[{i}] is {net!r}; it must be a fastbp.Network")
            first = first_of.setdefault(id(net), i)
            if first != i:
                raise ValueError(f"networks[{i}] is networks[{first}]: give copy.deepcopy(net), or leave it out")
            for what, own, needed in zip(("n_in", "n_out", "dtype"), _outside(net), _outside(members[0]), strict=True):
                if own != needed:
                    raise ValueError(
                        f"networks[{i}] has {what} {own}, but networks[0] has {needed}: members of a population have "
                        "the same n_in, n_out and dtype"
                    )
        self._members: tuple[Network, ...] = tuple(members)

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Network]:
        return iter(self._members)

    @overload
    def __getitem__(self, which: int) -> Network: ...
    @overload
    def __getitem__(self, which: slice | Sequence[int]) -> Population: ...
    def __getitem__(self, which: int | slice | Sequence[int]) -> Network | Population:
        if isinstance(which, slice):
            return Population(self._members[which])
        if isinstance(which, Sequence | np.ndarray) and not isinstance(which, str | bytes):
            return Population([self._member(i) for i in which])
        return self._member(which)

    def _member(self, which: Any) -> Network:
        try:
            return self._members[operator.index(which)]
        except TypeError:
            raise TypeError(f"a member has a number, not {which!r}; a slice or a list of numbers has several") from None
        except IndexError:
            raise IndexError(f"there is no member {which}, only {len(self)}, counted from 0") from None

    def __repr__(self) -> str:
        sizes = dict.fromkeys(str(list(net.sizes)) for net in self)
        shown = ", ".join([*sizes][:3]) + ", …" * (len(sizes) > 3)
        return f"Population({len(self)} networks of {shown}; {self[0].dtype})"

    @property
    def parameters(self) -> Array:
        """θ of all members, (n_members, n_parameters): each row is the `parameters` of a member, sharing memory.

        When it is first asked for, the members' parameters move into one array. Arrays that you have taken from a
        member before, such as ``net.weights[0]``, are then copies of the old values. Raises AttributeError if members
        differ in sizes, RuntimeError while one is being trained.
        """
        for i, net in enumerate(self):
            if net.sizes != self[0].sizes:
                raise AttributeError(
                    f"member {i} has the sizes {list(net.sizes)}, member 0 {list(self[0].sizes)}: parameters of "
                    "different sizes are not one array; use pop[i].parameters"
                )
        return parameters.one_array(self._members)

    @property
    def history(self) -> list[History | None]:
        """The history of each member's last `fit`, None before it."""
        return [net.history for net in self]

    @foreign_names.explaining(foreign_names.FIT_PARAMETERS)
    def fit(
        self,
        X: Any,
        Y: npt.ArrayLike,
        *,
        epochs: OrEach[int] = 10,
        batch_size: OrEach[int | None] = None,
        optimizer: OrEach[Optimizer | str | None] = None,
        validation_data: OrEach[Any] = None,
        validation_split: OrEach[float | None] = None,
        shuffle: OrEach[Any] = True,
        sample_weight: OrEach[Any] = None,
        class_weight: OrEach[Mapping[int, float] | Literal["balanced"] | None] = None,
        allow_negative_weights: OrEach[bool] = False,
        label_smoothing: OrEach[float] = 0.0,
        l2: OrEach[float] = 0.0,
        l1: OrEach[float] = 0.0,
        max_norm: OrEach[float | None] = None,
        dropout: OrEach[float | tuple[float, ...] | None] = None,
        clip_norm: OrEach[float | None] = None,
        clip_value: OrEach[float | None] = None,
        schedule: OrEach[Callable[[Any, float], float] | Mapping[str, Callable[[Any, float], float]] | None] = None,
        early_stopping: OrEach[EarlyStopping | None] = None,
        metrics: OrEach[Metrics] = (),
        callbacks: OrEach[tuple[Callback, ...] | Callback] = (),
        samples: OrEach[Any] = None,
        halving: Halving | None = None,
        executor: Executor | None = None,
        progress: bool = True,
    ) -> list[History]:
        """Train all members. Each ends with the bits of ``net.fit(X, Y, …)`` with its own options.

        Its parameters, the state of its optimizer, its random generator and its history are the same, except for
        seconds and samples_per_second, which here include the work on other members. So later fits, of the population
        or of a member, continue as after `Network.fit`.

        On one thread, members are trained in turn; on several, one a thread, in compiled code without parallel regions
        inside, while Python does the work between the epochs of others. The last one that is left may use all threads.
        Members with the formulations "vectorized" and "textbook", or with LBFGS, ConjugateGradient and
        LevenbergMarquardt, are trained one after the other, an epoch each.

        Parameters
        ----------
        X, Y
            As in `Network.fit`, arrays, also memory-mapped: checked once, shared by all, never modified.
        epochs, batch_size, optimizer, …
            As in `Network.fit`: **a list has one for each member, anything else is for all**. What would be a list in
            `Network.fit` is a tuple or an array here: ``dropout=(0.2, 0.5)`` is for two hidden layers of all members,
            ``dropout=[0.2, 0.5]`` for two members. An optimizer for all has a state for each member. A schedule for all
            that observes costs is copied for each. An iterator cannot be shared.
        samples : array of row numbers, or a list with one for each member, optional
            The rows of X and Y to train on, in place of all; a row may be there several times (bootstrap, folds). The
            member has the bits of ``net.fit(X[rows], Y[rows], …)``, with ``sample_weight[rows]``, but X is not copied.
        halving : Halving, optional
            Lets only the best members go on.
        executor : concurrent.futures.Executor, optional
            Trains the members elsewhere, with the same bits: a ``ProcessPoolExecutor``, loky's, mpi4py's
            ``MPIPoolExecutor``, Dask's ``client.get_executor()``. Chunks of members go to its workers, and come back as
            they finish. Each uses the threads that its worker is granted: in a pool of processes one, of MPI those of
            ``NUMBA_NUM_THREADS``.

            X, Y, weights and validation data travel once to each worker, in a temporary file that workers on this
            machine map, else by messages; memory-mapped arrays stay in their files. The members of a worker that is
            lost are sent again. If the executor is broken, as a process pool is after one loss, this process trains the
            rest, with a RuntimeWarning. Callbacks, schedules and metrics are called where a member is trained, on
            copies. Options must be such that pickle can send them, or cloudpickle if it is installed, and no iterators.
            With halving, not for LBFGS, ConjugateGradient and LevenbergMarquardt.
        progress : bool, default True
            Show a live line on a terminal.

        Returns
        -------
        list of History
            Of each member, also kept as ``net.history``. Ctrl-C ends the training of all with the weights and the
            history of their last whole epoch each, and a RuntimeWarning. With an executor, members whose chunk has not
            come back are as before it was sent; workers finish what they have begun, for nothing.

        Raises
        ------
        TypeError, ValueError, RuntimeError, MemoryError
            As in `Network.fit`, naming the member; and for lists of another length. Nothing has been changed.

        Warns
        -----
        RuntimeWarning
            Members have diverged. They have the weights from before that epoch; ``history.stopped`` says so.
        UserWarning
            As in `Network.fit`, about the whole X and Y.

        Examples
        --------
        >>> import fastbp, numpy as np
        >>> X, Y, rng = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0], np.random.default_rng(0)
        >>> pop = fastbp.Population([fastbp.Network([2, 4, 1], seed=s) for s in range(3)])
        >>> histories = pop.fit(X, Y, epochs=2, optimizer=[fastbp.Adam(r) for r in (0.1, 0.03, 0.01)],
        ...                     samples=[rng.integers(0, 4, 4) for _ in pop])
        >>> [len(history) for history in histories]
        [2, 2, 2]
        """
        given = locals()
        names = [name for name in given if name not in ("self", "X", "Y", "halving", "executor", "progress")]
        asked = options.of_members({name: given[name] for name in names}, len(self))
        progress = validation.truth("progress", progress)
        with plans.locked(self._members):
            made = plans.checked(self._members, Shared(X, Y), asked, halving)
            sending = None
            if executor is not None:
                sending = elsewhere.Sending(executor, self._members, made, (X, Y), asked, halving)
            hints.warn(made.hints, stacklevel=3)
            for net, plan in zip(self, made.plans, strict=True):
                net._training, net.history = plan.training, plan.history
            if sending is None:
                train(self._members, made.plans, halving, made.judge, progress)
            else:
                elsewhere.train(sending, progress)
        return [plan.history for plan in made.plans]

    def save(self, path: str | os.PathLike[str], *, training_state: bool = False) -> None:
        """Write all members to one safetensors file, which `Population.load` reads.

        Parameters and the errors are as in `Network.save`: after `load`, training continues with the same bits if
        `training_state` is True.

        Examples
        --------
        >>> import fastbp, tempfile, os
        >>> path = os.path.join(tempfile.mkdtemp(), "nets.safetensors")
        >>> pop = fastbp.Population([fastbp.Network([2, n, 1], seed=0) for n in (3, 4)])
        >>> pop.save(path)
        >>> fastbp.Population.load(path)
        Population(2 networks of [2, 3, 1], [2, 4, 1]; float32)
        """
        files.save(path, self._members, training_state)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, custom: Iterable[serialization.Custom] = ()) -> Population:
        """Read a population from a file that `save` wrote. `custom` and the errors are as in `fastbp.load`."""
        nets = files.load(path, custom)
        with serialization.refusing(path):
            return cls(nets)


def _outside(net: Network) -> tuple[Any, ...]:
    return net.sizes[0], net.sizes[-1], net.dtype
