"""`Network`, the class that users work with. It checks arguments and calls; it computes nothing."""

from __future__ import annotations  # so that naming numpy.random, or a class of training, does not import it

import copy
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from fastbp import training, validation
from fastbp.batches.data import hints_about
from fastbp.distributed.ranks import ALONE, Communicator, Ranks
from fastbp.files import serialization
from fastbp.formulations import FORMULATIONS, Formulation
from fastbp.functions.activations import ACTIVATIONS, Activation
from fastbp.functions.costs import COSTS, Cost
from fastbp.functions.initializers import INITIALIZERS, Initializer, default_initializer
from fastbp.functions.layer_activations import LAYER_ACTIVATIONS
from fastbp.functions.sample_costs import SAMPLE_COSTS
from fastbp.memory import require_memory
from fastbp.model import Array, Model, ParameterVector, aligned_empty
from fastbp.network.explanations import Explanations
from fastbp.network.files import Files
from fastbp.network.first_order import FirstOrder
from fastbp.network.own_loop import OwnLoop
from fastbp.network.second_order import SecondOrder
from fastbp.network.uncertainty import Uncertainty
from fastbp.optimizers import Optimizer
from fastbp.validation import foreign_names, hints
from fastbp.validation.foreign_names import BINARY, CATEGORICAL

if TYPE_CHECKING:
    from fastbp.training.callbacks import Callback
    from fastbp.training.early_stopping import EarlyStopping
    from fastbp.training.history import History
    from fastbp.training.metrics import Evaluation
    from fastbp.training.state import Training

OUTPUT_ACTIVATIONS, ALL_COSTS = ACTIVATIONS | LAYER_ACTIVATIONS, COSTS | SAMPLE_COSTS
FormulationName = Literal["tiles", "loops", "vectorized", "textbook"]


class Network(OwnLoop, Files, FirstOrder, SecondOrder, Uncertainty, Explanations):
    """A feed-forward neural network, trained by backpropagation.

    Layer l computes z = w a + b and a = σ(z) from the a of the layer before it; a⁽⁰⁾ is the input. Raises TypeError or
    ValueError for a parameter that is of the wrong kind, unknown or out of range, for an output activation and a cost
    that do not fit, and for layers that need more memory than this machine has.

    Parameters
    ----------
    sizes : list of int
        The number of neurons of each layer, the input first: ``[784, 30, 10]``.
    activation : str or Activation, or a list of them with one for each hidden layer, default "relu"
        σ of the hidden layers: identity, sigmoid, tanh, relu, leaky_relu, elu, selu, softplus, silu,
        mish, gelu, exponential.
    output_activation : str or Activation, optional
        σ of the output layer, also softmax, mean_log_variance, increasing. Left out, it follows from the cost: softmax
        for cross_entropy (sigmoid with a single output), exponential for poisson, mean_log_variance for gaussian_nll,
        increasing for quantiles, identity for the others; but sigmoid for quadratic and squared_error if all hidden
        layers are sigmoid, as in the founding texts.
    cost : str or Cost, optional
        quadratic ½Σ(a − y)² (Nielsen), squared_error Σ(a − y)² (3Blue1Brown), cross_entropy, absolute, huber, quantile,
        poisson; of whole samples gaussian_nll (`GaussianNLL`) and quantiles (`Quantiles`), with several outputs a
        target. Left out, it follows from the output activation if that is given (cross_entropy for softmax and
        sigmoid, poisson for exponential), else quadratic. Costs, activations and initializers can also have the names
        that Keras, PyTorch, scikit-learn and MATLAB use, in any case: linear, tansig, swish, mae, log_loss,
        xavier_uniform and others. "mse" is squared_error, which sums over the outputs where others take the mean: n_out
        times as much. "binary_crossentropy" is cross_entropy with sigmoid outputs, "categorical_crossentropy" with
        softmax.
    initializer : str or Initializer, optional
        nielsen_large and nielsen (the book's two), glorot, he, lecun, nguyen_widrow (for tanh layers and inputs from −1
        to 1, with LevenbergMarquardt), zeros. Left out: he for layers of the relu family, glorot for the others.
    dtype : {"float32", "float64"}
        The dtype of all parameters and results.
    seed : int, SeedSequence or Generator, optional
        Decides the initial weights and the order of the samples. The same seed gives the same bits, on any number
        of threads. Left out, every network is different.
    formulation : {"tiles", "loops", "vectorized", "textbook"}, default "tiles"
        How the sums of `fit`, `predict` and `gradient` are written. All give the same numbers up to rounding. The other
        derivatives are always computed by the loops of "tiles".

    Attributes
    ----------
    parameters : (n_parameters,) array
        w(1), b(1), …, w(L), b(L). Writable in place; assigning copies into it.
    weights, biases : tuples of arrays
        ``weights[l][j, k]`` is w_jk and ``biases[l][j]`` is b_j, writable views of `parameters`.
    history : History or None
        Of the last `fit`.
    metadata : dict
        Anything that JSON can hold, for you to fill; `save` keeps it with the network.

    Examples
    --------
    >>> import numpy as np, fastbp
    >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> Y = np.array([0, 1, 1, 0])
    >>> net = fastbp.Network([2, 8, 1], activation="tanh", cost="cross_entropy", seed=1)
    >>> history = net.fit(X, Y, epochs=200, batch_size=4, optimizer=fastbp.Adam(0.1))
    >>> net.predict(X).round().ravel()
    array([0., 1., 1., 0.], dtype=float32)
    """

    @foreign_names.explaining(foreign_names.NETWORK_PARAMETERS)
    def __init__(
        self,
        sizes: Iterable[int],
        *,
        activation: str | Activation | Sequence[str | Activation] = "relu",
        output_activation: str | Activation | None = None,
        cost: str | Cost | None = None,
        initializer: str | Initializer | None = None,
        dtype: npt.DTypeLike = "float32",
        seed: int | np.random.SeedSequence | np.random.Generator | None = None,
        formulation: FormulationName = "tiles",
    ):
        checked_sizes, checked_dtype = validation.layer_sizes(sizes), validation.float_type(dtype)
        n_parameters = ParameterVector.count(checked_sizes)
        what = f"sizes is {list(checked_sizes)}; a network of {n_parameters:,} parameters"
        require_memory(what, n_parameters * checked_dtype.itemsize, "choose smaller layers", ValueError)
        choices = validation.per_layer("activation", activation, len(checked_sizes) - 2)
        hidden = [validation.named("activation", choice, ACTIVATIONS, Activation) for choice in choices]
        output, checked_cost = _output_and_cost(output_activation, cost, hidden, checked_sizes[-1])
        self.formulation = formulation
        self._rng = np.random.default_rng(validation.seed(seed))
        vector = aligned_empty(n_parameters, checked_dtype)
        self._model = Model(checked_sizes, (*hidden, output), checked_cost, ParameterVector(checked_sizes, vector))
        self._initialize(initializer)
        # Decides which samples are held out and which neurons are dropped, in all fits of this network.
        self._own_seed = int(copy.deepcopy(self._rng).integers(2**63))
        self._training: Training | None = None
        self.history: History | None = None
        self.metadata: dict[str, Any] = {}

    def _initialize(self, initializer: str | Initializer | None) -> None:
        parameters = self._model.parameters
        for w, b, activation in zip(parameters.weights, parameters.biases, self._model.activations, strict=True):
            chosen = default_initializer(activation.name) if initializer is None else initializer
            rule = validation.named("initializer", chosen, INITIALIZERS, Initializer)
            w[:], b[:] = rule.checked_draw(self._rng, len(w), w.shape[1], self.dtype)
        if self._model.cost.start is not None:
            self._model.cost.start(parameters.weights[-1], parameters.biases[-1])

    @property
    def parameters(self) -> Array:
        """The flat vector of all weights and biases; assigning copies into it."""
        return self._model.parameters.vector

    @parameters.setter
    def parameters(self, values: npt.ArrayLike) -> None:
        checked = validation.matrix("parameters", values, self.dtype)
        if checked.shape != self.parameters.shape:
            raise ValueError(f"parameters has shape {checked.shape}; this network has {self.parameters.shape}")
        self.parameters[:] = checked

    @property
    def weights(self) -> tuple[Array, ...]:
        """The weight matrices, (n_out, n_in) each: views of `parameters`."""
        return self._model.parameters.weights

    @property
    def biases(self) -> tuple[Array, ...]:
        """The bias vectors, (n_out,) each: views of `parameters`."""
        return self._model.parameters.biases

    @property
    def activations(self) -> tuple[Activation, ...]:
        """σ of each layer after the input."""
        return self._model.activations

    @property
    def cost(self) -> Cost:
        """The cost that training minimizes."""
        return self._model.cost

    @property
    def optimizer(self) -> Optimizer | None:
        """The optimizer of the last `fit`, None before it. To pass it again, or nothing, continues from its state."""
        return self._training.optimizer if self._training else None

    @property
    def formulation(self) -> FormulationName:
        """How the sums are written; assigning another name keeps the weights."""
        return self._formulation_name

    @formulation.setter
    def formulation(self, name: FormulationName) -> None:
        validation.known_name("formulation", name, FORMULATIONS)
        self._formulation_name: FormulationName = name

    @property
    def _formulation(self) -> Formulation:
        return FORMULATIONS[self._formulation_name]

    @foreign_names.explaining(foreign_names.FIT_PARAMETERS)
    def fit(
        self,
        X: Any,
        Y: npt.ArrayLike | None = None,
        *,
        epochs: int = 10,
        batch_size: int | None = None,
        optimizer: Optimizer | str | None = None,
        validation_data: Any = None,
        validation_split: float | None = None,
        shuffle: bool | Iterable[npt.ArrayLike] = True,
        sample_weight: npt.ArrayLike | None = None,
        class_weight: Mapping[int, float] | Literal["balanced"] | None = None,
        allow_negative_weights: bool = False,
        label_smoothing: float = 0.0,
        l2: float = 0.0,
        l1: float = 0.0,
        max_norm: float | None = None,
        dropout: float | Sequence[float] | None = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        schedule: Callable[[Any, float], float] | Mapping[str, Callable[[Any, float], float]] | None = None,
        early_stopping: EarlyStopping | None = None,
        metrics: Iterable[str | Callable[[Array, Array], float]] | Mapping[str, Callable[[Array, Array], float]] = (),
        callbacks: Iterable[Callback] = (),
        dY: npt.ArrayLike | None = None,
        derivative_weight: npt.ArrayLike = 1.0,
        derivative_units: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
        steps_per_epoch: int | None = None,
        communicator: Communicator | None = None,
        shards: int | None = None,
        progress: bool = True,
    ) -> History:
        """Train by gradient descent over mini-batches.

        Parameters
        ----------
        X : (n_samples, n_in) array-like, or chunks
            Inputs: real numbers, all finite. Converted once if needed, never modified. A memory-mapped array, such as
            ``numpy.load(path, mmap_mode="r")`` returns, stays in its file and is read piece by piece, with the bits of
            the same array in memory.

            Chunks are an iterable of pairs (X, Y) that is not a list, or a function without parameters that returns one
            and is called for every epoch; then leave Y out. Their samples keep their order, in mini-batches of
            `batch_size` whatever the sizes of the chunks. With weights, all chunks are (X, Y, sample_weight). With l2
            or l1 and without `steps_per_epoch`, one more pass over all chunks before training counts the samples.
        Y : (n_samples, n_out) array-like, or (n_samples,) class labels
            Targets. Labels 0…n_out − 1, also as a column, where the output is sigmoid or softmax; (n_samples,) also for
            one output.
        epochs : int, default 10
            How many times every sample is used.
        batch_size : int, optional
            Samples a step; left out, 32, or all for Rprop. The last mini-batch of an epoch may be shorter; its gradient
            is the mean over its own samples. LBFGS, ConjugateGradient and LevenbergMarquardt always use all samples.
        optimizer : Optimizer or str, default Adam()
            With the same object as in the last `fit`, or with none, its moments, memory and step count continue, so
            that two fits of one epoch give the same bits as one fit of two. A name ("adam", "rmsprop", "lbfgs",
            "trainlm" and so on) means that optimizer with its defaults, and continues if the last optimizer was the
            same. SGD, Momentum and Nesterov need a learning rate, so their names raise ValueError. Its `layer_rates`
            give each layer a rate of its own, or freeze it: ``Adam(layer_rates=[0, 0.1, 1])``.
        validation_data : (X, Y), or dict of name to (X, Y), optional
            Evaluated after every epoch. In a dict there can be any data sets, the training data too:
            ``{"training": (X, Y), "test": (X_test, Y_test)}`` makes the series training_cost, test_cost and so on. With
            (X, Y, sample_weight) the cost has these weights, as in `evaluate`.
        validation_split : float, optional
            The fraction of the samples that is not trained on but evaluated after every epoch. The network's seed
            decides which samples, the same in every `fit`.
        shuffle : bool or iterable of permutations, default True
            True: a new order every epoch, from the seed. False: the order of X. Or the order of each epoch, a
            permutation of 0…n_samples − 1; two fits that share an iterator take its permutations one after the other.
        sample_weight : (n_samples,) or (n_samples, n_out) array-like, optional
            w_s ≥ 0: the cost of a mini-batch of m samples is (1/m) Σ_s w_s C_s; for an optimizer that uses all n
            samples in every step it is (1/n) Σ_s w_s C_s. Or w_sj ≥ 0 for each output, Σ_j w_sj C_sj in place of w_s
            C_s, where C_sj is the cost of output j alone: a mask, for example. Softmax outputs depend on one another,
            so they have one weight for each sample.

            Where the weight is 0 the target may be NaN: it is missing. Evaluation does not use the weights, except
            that with missing targets those of weight 0 do not count in the costs of training data and of
            `validation_split`; then there is no accuracy, and no other metric.
        class_weight : dict of label to weight, or "balanced", optional
            A weight for all samples of a class, 1 for classes not named, times `sample_weight`. "balanced" is n / (k
            n_c) for a class with n_c of n samples, where k classes have samples, as in scikit-learn.
        allow_negative_weights : bool, default False
            Whether weights in `sample_weight` may be below 0: such a cost is made larger. With −log a as the cost and
            advantages as weights a step is one of REINFORCE. Not with LevenbergMarquardt, which takes square roots.
        label_smoothing : float, default 0
            ε in [0, 1), for targets that are classes: training is on (1 − ε) y + ε/K in place of y, with K classes for
            softmax and 2 for each sigmoid output, as in Keras and PyTorch (Szegedy et al., *Rethinking the Inception
            architecture*, 2016, section 7). The outputs then stay away from 0 and 1. Evaluation uses y itself. Not
            with chunks and memory-mapped arrays.
        l2, l1 : float, default 0
            λ and λ₁ ≥ 0, as in Nielsen's book: the gradient of a weight gets (λ/n) w + (λ₁/n) sign(w), that of
            C + (λ/2n) Σ w² + (λ₁/n) Σ |w| with n training samples. Biases have no penalty; the history has C alone.
        max_norm : float, optional
            After each step the weights of a neuron are scaled down to this norm √(Σ_k w_jk²) if theirs is larger.
        dropout : float, or list with one for each hidden layer, optional
            p in [0, 1): in each step a neuron is dropped, a = 0, with probability p, else a ← a / (1 − p). The
            network's seed and its number of steps so far, in all fits, decide which. `predict` and `evaluate` drop
            none.
        clip_norm, clip_value : float, optional
            Each element of the gradient of a step is limited to ±clip_value; then the gradient is scaled down to the
            norm clip_norm if it is longer, g ← g · min(1, clip_norm / ‖g‖).
        schedule : function of the epoch and the base learning rate, or dict of such functions, optional
            Called before each epoch, counted from 0 in each `fit`; returns its learning rate. A dict has one for some
            of "learning_rate", "weight_decay" (that of `AdamW` is the base value) and "dropout" (each p is), as in
            ``{"dropout": fastbp.CosineDecay(30)}``; base values must not be 0. In a `ByStep` it is called before each
            step. If it has a method ``observe``, that is called after each epoch with the validation cost, or without
            one the training cost.
        early_stopping : EarlyStopping, optional
            When to stop before the last epoch: nothing improves, or a goal is reached.
        metrics : list of names and functions, or dict of name to function, optional
            Measured on the validation data besides the cost and, for classes, the accuracy: top_2, top_3, …, r2, mae;
            for classes f1_macro, precision_macro and recall_macro, the means over classes, and f1_binary,
            precision_binary and recall_binary of class 1; roc_auc, the mean over classes, each against the rest;
            log_loss; or your own function of outputs and targets, (n, n_out) each, which returns a number.
        callbacks : list of Callback, optional
            Called between epochs.
        dY : (n_samples, n_out, n_in) array-like, optional
            Known derivatives of the targets by the inputs, to be fitted too (Sobolev training), NaN where one is not
            known; with one output also (n_samples, n_in). The cost of a sample gets ½ v Σ (∂a_j/∂x_k − dY_jk)² for
            quadratic and other costs, and twice that for squared_error, times its weight. The gradient is exact. All
            activations need a second derivative, so not relu. Not with chunks, files, dropout, `layer_rates`, a
            communicator or shards; always by the loops of "tiles", on one thread.
        derivative_weight : float, (n_out, n_in) or (n_samples, n_out, n_in) array-like, default 1
            v ≥ 0: how much derivatives count.
        derivative_units : pair of (n_in,) and (n_out,) array-likes, optional
            If X and Y are standardised, (x − mean) / deviation: the deviations of the inputs and of the targets. Then
            dY is in the units from before.
        steps_per_epoch : int, optional
            For chunks only: the number of mini-batches of an epoch. The next epoch continues where the last one ended,
            so that an endless generator works; a function is called again when its chunks run out.
        communicator : MPI communicator, optional
            ``mpi4py.MPI.COMM_WORLD``, or another one with 1, 2, 4, 8, … ranks and mpi4py's `Get_rank`, `Get_size`,
            `Sendrecv` and `allgather`: all ranks train the same network together, each with its own rows as X and Y.
            Of all n samples, one rank after the other, rank r of R has the rows ``r * n // R`` to ``(r + 1) * n // R``;
            of `validation_data` and `sample_weight` too. All else must be the same on all ranks, also the seed of the
            network; that is checked before training.

            All samples are cut into `shards` in the same way. A mini-batch has as many rows of each shard, in an order
            of its own; `batch_size` is a multiple of `shards` or at least n. Gradients and costs are added up over the
            shards in a fixed binary tree, so the bits depend on `shards`, but not on the number of ranks. They are
            other bits than without shards.

            Rank 0 shows the progress, and it alone calls callbacks that write files. Ctrl-C on one rank, or `run.stop`
            of a callback, ends the training of all. If a rank raises an error, all raise it. Not with chunks, dropout,
            `validation_split`, metrics other than the accuracy, permutations as `shuffle`, ``class_weight="balanced"``.
        shards : int, optional
            A power of two, at least the number of ranks. With a communicator the default is 8, or a shard for each of
            more ranks. Without one, this process trains alone, under the same conditions, to the bits that ranks reach
            together.
        progress : bool, default True
            Show a live line on a terminal. Elsewhere nothing is written.

        Returns
        -------
        History
            Also kept as ``net.history``. Ctrl-C ends the training with the weights and the history of the last
            whole epoch, and a RuntimeWarning.

        Raises
        ------
        TypeError, ValueError
            The data or a parameter is not as above; nothing has been changed. Only what an iterator, a chunk or a
            function of yours returns later can be found wrong while training; then the weights and the history are
            those of the last whole epoch.
        RuntimeError
            The network is being trained already, by another thread or by the `fit` that called a callback. Or another
            rank has ended with an error, which it names; TypeError, ValueError and MemoryError keep their kind.
        MemoryError
            A step needs more memory than this machine has.
        DivergenceError
            The cost is no longer finite; the weights are those from before that epoch.

        Warns
        -----
        UserWarning
            Once, before training, for samples in memory: targets that the output activation cannot reach, inputs or
            targets with means or standard deviations above 1000, targets that hardly vary around their mean.
        """
        asked = training.plan.Asked(**locals())
        ranks = ALONE if communicator is None and shards is None else Ranks(communicator)
        with ranks.together():
            if ranks is not ALONE:
                asked.shards = max(8, ranks.size) if shards is None else validation.whole_number("shards", shards, 1)
            self._begin_training()
            try:
                plan = training.plan.checked(self, X, Y, asked, ranks)
                hints.warn(hints_about(plan.source.samples, self._model), stacklevel=3)
                self._training, self.history = plan.training, plan.history
                run = training.callbacks.Run(self, plan.history, plan.epochs, tuple(plan.metrics))
                return training.loop.fit(plan, run)
            finally:
                self._model.training.release()

    def predict(self, X: npt.ArrayLike, *, out: Array | None = None) -> Array:
        """Return the outputs a⁽ᴸ⁾ of the network, (n_samples, n_out), of its dtype.

        X is (n_samples, n_in), array-like: real numbers, all finite. `out`, if given, is where to write the outputs:
        C-contiguous, of their shape and dtype, apart from X and the parameters. Raises TypeError or ValueError if one
        of them is not as it should be.

        Examples
        --------
        >>> import fastbp
        >>> fastbp.Network([2, 3], initializer="zeros", output_activation="softmax").predict([[1, 2]]).round(2)
        array([[0.33, 0.33, 0.33]], dtype=float32)
        """
        model = self._model
        checked = validation.inputs(X, model.sizes[0], model.dtype)
        if out is not None:
            validation.output("out", out, (len(checked), model.sizes[-1]), model.dtype, checked, self.parameters)
        return self._formulation.outputs(model, checked, out)

    def evaluate(self, X: npt.ArrayLike, Y: npt.ArrayLike, *, sample_weight: npt.ArrayLike | None = None) -> Evaluation:
        """Return the mean cost of some samples, and the accuracy if Y is classes. X, Y and the errors are as in `fit`.

        With `sample_weight`, of any sign, the cost is (1/n) Σ_s w_s C_s, or with weights for each output (1/n) Σ_s Σ_j
        w_sj C_sj, as in `fit`; the accuracy has no weights, and there is none if targets are missing.

        Examples
        --------
        >>> import fastbp
        >>> net = fastbp.Network([2, 2], initializer="zeros", cost="cross_entropy")
        >>> print(net.evaluate([[1, 2], [3, 4]], [0, 0]))
        cost 0.6931  accuracy 100.00%
        """
        return training.metrics.evaluate(self._formulation, self._model, self._samples(X, Y, sample_weight))

    def gradient(
        self,
        X: npt.ArrayLike,
        Y: npt.ArrayLike,
        *,
        sample_weight: npt.ArrayLike | None = None,
        out: ParameterVector | Array | None = None,
    ) -> ParameterVector:
        """Return the gradient of the mean cost by backpropagation. X, Y and the errors are as in `fit`.

        With `sample_weight`, of any sign, that of (1/n) Σ_s w_s C_s, or with weights for each output of (1/n) Σ_s Σ_j
        w_sj C_sj, as in `fit`: δ_sj is multiplied by w_s or w_sj.

        `out`, if given, is where to write it: a ParameterVector of this network's layers, which is then returned, or an
        (n_parameters,) array; C-contiguous, of the network's dtype, apart from X, Y and the parameters, else TypeError
        or ValueError.

        Returns
        -------
        ParameterVector
            ``g.weights[l][j, k]`` = ∂C/∂w_jk, ``g.biases[l][j]`` = ∂C/∂b_j, and ``g.vector``, which has all of them in
            the order of ``net.parameters``.

        References
        ----------
        Nielsen, *Neural Networks and Deep Learning*, chapter 2, equations BP1 to BP4.

        Examples
        --------
        >>> import fastbp
        >>> net = fastbp.Network([1, 1], cost="quadratic", initializer="zeros")
        >>> net.gradient([[2.0]], [[3.0]]).vector  # δ = a − y = −3, ∂C/∂w = 2 δ, ∂C/∂b = δ
        array([-6., -3.], dtype=float32)
        """
        samples = self._samples(X, Y, sample_weight)
        gradient = self._parameter_vector("out", out, samples.X, samples.Y)
        weight = None if samples.weight is None else samples.weight.astype(self.dtype)
        self._formulation.gradient(self._model, samples.X, samples.Y, gradient.vector, weight)
        return gradient

    def __repr__(self) -> str:
        names = [activation.name for activation in self.activations]
        return (
            f"Network({list(self.sizes)}, activation={names[:-1]}, output_activation={names[-1]!r}, "
            f"cost={self.cost.name!r}, dtype={self.dtype.name!r}, formulation={self.formulation!r})"
        )


def load(path: str | os.PathLike[str], *, custom: Iterable[serialization.Custom] = ()) -> Network:
    """Read a network from the file `path`, which `Network.save` wrote.

    Raises OSError if the file cannot be read, TypeError or ValueError if `path` is not a path or `custom` not a list,
    and ModelFileError if the file is damaged, is not a model file, or uses names that neither fastbp nor `custom` has.
    Files of all older versions of the format can be read.

    Parameters
    ----------
    custom : list of Activation, Cost and classes of optimizers, optional
        Your own that the network uses. The file has only their names; loading runs no code from it.

    Returns
    -------
    Network
        With the same parameters, bit for bit. If the state of its training was saved, a `fit` without an optimizer, or
        with ``net.optimizer``, continues with the same bits as the network that was saved.

    Examples
    --------
    >>> import fastbp, tempfile, os
    >>> net = fastbp.Network([2, 3, 1], seed=0)
    >>> path = os.path.join(tempfile.mkdtemp(), "net.safetensors")
    >>> net.save(path)
    >>> bool((fastbp.load(path).parameters == net.parameters).all())
    True
    """
    theirs = validation.entries("custom", custom, "a list of activations, costs and classes of optimizers")
    saved = serialization.load(path, theirs)
    with serialization.refusing(path):
        return restored(saved, theirs)


def restored(saved: serialization.SavedNetwork, custom: Iterable[serialization.Custom]) -> Network:
    """Return a network from a file. Raises ValueError, LookupError, TypeError or OverflowError if it is not valid."""
    net = Network(**saved.arguments, initializer="zeros")
    for w, b, saved_w, saved_b in zip(net.weights, net.biases, saved.weights, saved.biases, strict=True):
        w[:], b[:] = saved_w, saved_b
    net.metadata = saved.metadata
    if saved.training is not None:
        state = training.checkpoints.resumed(saved.training, net._model, custom)
        net._rng, net._own_seed, net.history, net._training = state
    return net


def _output_and_cost(output: Any, cost: Any, hidden: list[Activation], n_out: int) -> tuple[Activation, Cost]:
    """Return both. One that the user left out follows from the other. Raises ValueError if they do not fit."""
    if output is not None:
        output = validation.named("output_activation", output, OUTPUT_ACTIVATIONS, Activation)
    name, given = output.name if output else None, cost
    if cost is None:
        follows = {"softmax": "cross_entropy", "sigmoid": "cross_entropy", "exponential": "poisson"}
        cost = follows.get(name or "", "quadratic")
    cost = validation.named("cost", cost, ALL_COSTS, Cost)
    cost.n_targets(n_out)
    output = _output_of_crossentropy(given, name, n_out) or output
    if output is None:
        as_hidden = cost.name in ("quadratic", "squared_error") and hidden and all(s.name == "sigmoid" for s in hidden)
        single = cost.name == "cross_entropy" and n_out == 1
        follows_cost = "sigmoid" if as_hidden or single else cost.output_activation
        output = validation.named("output_activation", follows_cost, OUTPUT_ACTIVATIONS, Activation)
    for l, activation in enumerate(hidden):
        if activation.whole_layer:
            raise ValueError(f"activation[{l}] is {activation.name!r}, which is for the output layer only")
    if refusal := cost.refusal(output):
        raise ValueError(refusal)
    return output, cost


def _output_of_crossentropy(cost: Any, output: str | None, n_out: int) -> Activation | None:
    """Return the output activation that Keras' and PyTorch's names for cross_entropy mean; None for other names."""
    binary, categorical = (foreign_names.is_one_of(cost, names) for names in (BINARY, CATEGORICAL))
    if not binary and not categorical:
        return None
    meant = "sigmoid" if binary else "softmax"
    if output not in (None, meant):
        raise ValueError(f"the cost {cost!r} is for {meant} outputs, but output_activation is {output!r}: leave it out")
    if categorical and n_out == 1:
        raise ValueError(f"the cost {cost!r} needs an output for each class; for one output use 'cross_entropy'")
    return ACTIVATIONS[meant]
