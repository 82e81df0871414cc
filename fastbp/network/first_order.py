"""First derivatives besides the gradient: of each sample's cost, and of costs and outputs by the inputs."""

import math

import numpy as np
import numpy.typing as npt

from fastbp import derivatives, validation
from fastbp.memory import require_memory
from fastbp.model import Array, ParameterVector
from fastbp.network.base import HasModel


class FirstOrder(HasModel):
    """First derivatives, always by the loops of `tiles`."""

    def per_sample_gradients(self, X: npt.ArrayLike, Y: npt.ArrayLike, *, out: Array | None = None) -> Array:
        """Return the gradient of each sample's cost, ∂C_s/∂w_jk = a_sk δ_sj and ∂C_s/∂b_j = δ_sj.

        Their mean is `gradient`. `per_sample_gradient_norms` and `clipped_gradient` do without forming them. Raises
        TypeError or ValueError as `fit` does, or if `out` has another shape, dtype or layout; MemoryError if the result
        is larger than this machine's memory.

        Parameters
        ----------
        X, Y
            As in `fit`.
        out : (n_samples, n_parameters) array, optional
            Where to write them, C-contiguous and of the network's dtype. Reusing it saves the time in which the system
            clears new memory, about half of the whole.

        Returns
        -------
        (n_samples, n_parameters) array
            `out`, if it is given. Row s is ∇C_s in the order of `parameters`, in cost per unit of the parameter.

        References
        ----------
        Nielsen, *Neural Networks and Deep Learning*, chapter 2, equations BP3 and BP4 before they are averaged.

        Examples
        --------
        >>> import fastbp
        >>> net = fastbp.Network([1, 1], cost="quadratic", initializer="zeros")
        >>> net.per_sample_gradients([[2.0], [1.0]], [[3.0], [4.0]])  # δ = a − y = −3 and −4; ∂C/∂w = x δ, ∂C/∂b = δ
        array([[-6., -3.], [-4., -4.]], dtype=float32)
        """
        samples = self._samples(X, Y)
        shape = len(samples), self._model.parameters.vector.size
        if out is None:
            what = f"an array of gradients of {shape[0]:,} samples by {shape[1]:,} parameters"
            instead = "per_sample_gradient_norms and clipped_gradient do without them; or take fewer samples at a time"
            require_memory(what, math.prod(shape) * self.dtype.itemsize, instead)
            out = np.empty(shape, self.dtype)
        validation.output("out", out, shape, self.dtype)
        derivatives.per_sample.gradients(self._model, samples.X, samples.Y, out)
        return out

    def per_sample_gradient_norms(self, X: npt.ArrayLike, Y: npt.ArrayLike, *, by_layer: bool = False) -> Array:
        """Return ‖∇C_s‖ of each sample without forming the gradients, in about the time of one gradient.

        A layer's part of ∇C_s is an outer product and a copy of δ: ‖a_s δ_sᵀ‖² + ‖δ_s‖² = ‖δ_s‖² (‖a_s‖² + 1), with the
        a of the layer before.

        Parameters
        ----------
        X, Y
            As in `fit`, as are the errors.
        by_layer : bool, default False
            Whether to give a norm for every layer instead of one for all.

        Returns
        -------
        (n_samples,) array, or (n_samples, L) with by_layer
            Of the network's dtype, summed in double precision. Column l − 1 is layer l; the squares of a row add up to
            the square of the whole.

        References
        ----------
        Goodfellow, *Efficient per-example gradient computations*, 2015, arXiv:1510.01799.

        Examples
        --------
        >>> import fastbp
        >>> net = fastbp.Network([1, 1], cost="quadratic", initializer="zeros")
        >>> net.per_sample_gradient_norms([[0.75], [0.0]], [[4.0], [-2.0]])  # |δ| √(x² + 1)
        array([5., 2.], dtype=float32)
        """
        samples = self._samples(X, Y)
        squared = derivatives.per_sample.squared_norms(self._model, samples.X, samples.Y)
        if not validation.truth("by_layer", by_layer):
            squared = squared.sum(axis=1)
        return np.sqrt(squared).astype(self.dtype)

    def clipped_gradient(self, X: npt.ArrayLike, Y: npt.ArrayLike, max_norm: float) -> ParameterVector:
        """Return the mean of the samples' gradients, each scaled down to the norm `max_norm` if it is longer.

        (1/n) Σ_s min(1, max_norm / ‖∇C_s‖) ∇C_s. No ∇C_s is formed: a gradient is linear in δ, so δ is scaled instead.
        No sample can move the result by more than max_norm / n, as robust training and differential privacy need it (no
        noise is added). The `clip_norm` of `fit` clips the mean instead. The result is a ParameterVector, as of
        `gradient`.

        Parameters
        ----------
        X, Y
            As in `fit`, as are the errors.
        max_norm : float
            Greater than 0 and finite, else ValueError; in cost per unit of parameter.

        References
        ----------
        Abadi et al., *Deep learning with differential privacy*, 2016, algorithm 1.

        Examples
        --------
        >>> import fastbp
        >>> net = fastbp.Network([1, 1], cost="quadratic", initializer="zeros")
        >>> X, Y = [[0.0], [0.0]], [[-100.0], [1.0]]  # ∂C/∂b = δ = 100 and −1
        >>> net.gradient(X, Y).biases[0], net.clipped_gradient(X, Y, max_norm=2.0).biases[0]
        (array([49.5], dtype=float32), array([0.5], dtype=float32))
        """
        samples, limit = self._samples(X, Y), validation.positive("max_norm", max_norm)
        return derivatives.per_sample.clipped_gradient(self._model, samples.X, samples.Y, limit)

    def input_gradient(self, X: npt.ArrayLike, Y: npt.ArrayLike) -> Array:
        """Return ∂C_s/∂x_s: how the cost of each sample changes with its inputs, such as the pixels of an image.

        BP2 applied to the input layer, which has no σ: ∂C/∂x_k = Σ_j δ_j w_jk with the δ of layer 1. X, Y and the
        errors are as in `fit`.

        Returns
        -------
        (n_samples, n_in) array
            In cost per unit of the input, of the network's dtype; not divided by the number of samples. At a corner of
            σ or of the cost the value is that of `gradient`: 0 for relu at 0, and for absolute and quantile where a =
            y; leaky_relu at 0 has the slope of its left side.

        References
        ----------
        Simonyan, Vedaldi & Zisserman, *Deep inside convolutional networks: visualising image classification models and
        saliency maps*, 2014.

        Examples
        --------
        >>> import fastbp
        >>> net = fastbp.Network([2, 1], cost="quadratic", initializer="zeros")
        >>> net.weights[0][:] = [[2, -1]]
        >>> net.input_gradient([[1.0, 1.0]], [[0.5]])  # δ = a − y = 0.5; ∂C/∂x = w δ
        array([[ 1. , -0.5]], dtype=float32)
        """
        samples = self._samples(X, Y)
        return derivatives.per_sample.input_gradients(self._model, samples.X, samples.Y)

    def jacobian(self, X: npt.ArrayLike, *, of: int | None = None, wrt: int = 0) -> Array:
        """Return ∂a⁽ᵒᶠ⁾/∂a⁽ʷʳᵗ⁾ of each sample: of the outputs by the inputs, or of any layer by any earlier one.

        The chain rule for matrices: J is the product of D⁽ˡ⁾W⁽ˡ⁾ from l = of down to wrt + 1, where D⁽ˡ⁾ is the
        diagonal matrix of σ′(z⁽ˡ⁾), or the Jacobian of softmax. It is multiplied from the left, as in backpropagation,
        so the time is proportional to n_of. Raises TypeError or ValueError if X is not as below, or `of` and `wrt` are
        not such layers; MemoryError if the result is larger than this machine's memory.

        Parameters
        ----------
        X : (n_samples, n_in) array-like
            Inputs: real numbers, all finite.
        of, wrt : int
            Layers, 0 ≤ wrt < of ≤ L; 0 is the input. Left out, `of` is the output layer L.

        Returns
        -------
        (n_samples, n_of, n_wrt) array
            ``J[s, i, k]`` is ∂a_i/∂a_k for sample s, of the network's dtype; with the default, of output i by input k,
            in units of output per unit of input. At a corner of σ the values are those of `input_gradient`.

        References
        ----------
        Bishop, *Pattern Recognition and Machine Learning*, 2006, section 5.3.4; Griewank & Walther, *Evaluating
        Derivatives*, 2008, chapter 3.

        Examples
        --------
        >>> import fastbp
        >>> net = fastbp.Network([2, 2, 1], activation="relu", cost="quadratic", initializer="zeros")
        >>> net.weights[0][:], net.weights[1][:] = [[1, 2], [-1, 0]], [[3, 5]]
        >>> net.jacobian([[1.0, 1.0]])  # the second hidden neuron is off: 3 · (1, 2)
        array([[[3., 6.]]], dtype=float32)
        >>> net.jacobian([[1.0, 1.0]], of=1)
        array([[[1., 2.], [0., 0.]]], dtype=float32)
        """
        checked = validation.inputs(X, self.sizes[0], self.dtype)
        of = validation.layer_index("of", self._model.n_layers if of is None else of, self.sizes)
        wrt = validation.layer_index("wrt", wrt, self.sizes)
        if wrt >= of:
            raise ValueError(f"wrt is {wrt} and of is {of}; wrt must be an earlier layer than of (0 is the input)")
        shape = len(checked), self.sizes[of], self.sizes[wrt]
        instead = "vjp multiplies by a vector without forming them; or take fewer samples at a time"
        what = f"an array of Jacobians {shape[1:]} of {shape[0]:,} samples"
        require_memory(what, math.prod(shape) * self.dtype.itemsize, instead)
        return derivatives.jacobians.jacobian(self._model, checked, of, wrt)

    def vjp(self, X: npt.ArrayLike, U: npt.ArrayLike) -> Array:
        """Return u_s J_s: a vector times the Jacobian of the outputs by the inputs, for each sample.

        Backpropagation with u in place of ∂C/∂a: v_k = Σ_i u_i ∂a_i/∂x_k, for the time of a gradient, without forming
        J. A unit vector u gives a row of J, ∂C/∂a gives `input_gradient`. Raises TypeError or ValueError if X or U is
        not as below.

        Parameters
        ----------
        X : (n_samples, n_in) array-like
            Inputs: real numbers, all finite.
        U : (n_samples, n_out) array-like
            A vector for each sample, with a number for each output: real, all finite.

        Returns
        -------
        (n_samples, n_in) array
            In units of u times output per unit of input, of the network's dtype. At a corner of σ as `input_gradient`.

        References
        ----------
        Griewank & Walther, *Evaluating Derivatives*, 2008, chapter 3: the reverse mode.

        Examples
        --------
        >>> import fastbp
        >>> net = fastbp.Network([2, 2], initializer="zeros")
        >>> net.weights[0][:] = [[1, 2], [3, 4]]
        >>> net.vjp([[0.0, 0.0]], [[1.0, 10.0]])
        array([[31., 42.]], dtype=float32)
        """
        return derivatives.jacobians.vjp(self._model, *self._inputs_and_vectors(X, U))

    def parameter_vjp(
        self,
        X: npt.ArrayLike,
        U: npt.ArrayLike,
        *,
        return_outputs: bool = False,
        out: ParameterVector | Array | None = None,
    ) -> ParameterVector | tuple[ParameterVector, Array]:
        """Return Σ_s u_sᵀ ∂a_s/∂θ: with U = ∂C/∂a, the gradient of any cost C that you compute from the outputs.

        Backpropagation with u in place of ∂C/∂a, also through softmax, for the time of a gradient. C may couple the
        outputs of a sample, and samples with one another. It is a sum: for the gradient of a mean over n samples,
        divide U by n. `apply_gradient` takes a step down the result.

        Parameters
        ----------
        X : (n_samples, n_in) array-like
            Inputs: real numbers, all finite.
        U : (n_samples, n_out) array-like
            ∂C/∂a for each output of each sample: real, all finite.
        return_outputs : bool, default False
            Whether to return also the outputs, as of `predict`.
        out : ParameterVector or (n_parameters,) array, optional
            Where to write the result, as in `gradient`.

        Returns
        -------
        ParameterVector, or (ParameterVector, (n_samples, n_out) array)
            In units of u times output per unit of the parameter. At a corner of σ as `gradient`. TypeError or
            ValueError if an argument is not as above.

        References
        ----------
        Griewank & Walther, *Evaluating Derivatives*, 2008, chapter 3: the reverse mode.

        Examples
        --------
        >>> import fastbp
        >>> net = fastbp.Network([1, 2], initializer="zeros")
        >>> net.parameter_vjp([[2.0], [3.0]], [[1.0, 0.0], [0.0, -1.0]]).weights[0]  # Σ_s u_sj x_s
        array([[ 2.], [-3.]], dtype=float32)
        """
        inputs, vectors = self._inputs_and_vectors(X, U)
        with_outputs = validation.truth("return_outputs", return_outputs)
        result = self._parameter_vector("out", out, inputs, vectors)
        derivatives.jacobians.parameter_vjp(self._model, inputs, vectors, result.vector)
        return (result, self._formulation.outputs(self._model, inputs)) if with_outputs else result

    def _inputs_and_vectors(self, X: npt.ArrayLike, U: npt.ArrayLike) -> tuple[Array, Array]:
        """Return X, and a vector for the outputs of each sample. Raises TypeError or ValueError."""
        checked = validation.inputs(X, self.sizes[0], self.dtype)
        vectors, shape = validation.matrix("U", U, self.dtype), (len(checked), self.sizes[-1])
        if vectors.shape != shape:
            raise ValueError(f"U has shape {vectors.shape}; needed is {shape}: a number for each output of each sample")
        return checked, vectors
