"""Second derivatives: products with Hessian, Gauss–Newton and Fisher matrices, these themselves, and tangents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from fastbp import derivatives, validation
from fastbp.functions.costs import COSTS
from fastbp.memory import require_memory
from fastbp.model import Array, Model, ParameterVector
from fastbp.network.base import HasModel

if TYPE_CHECKING:
    from fastbp.derivatives.by_address import Kind

MatrixName = Literal["hessian", "gauss_newton", "fisher", "empirical_fisher"]


class SecondOrder(HasModel):
    """Second derivatives of the mean cost C of n samples by the P parameters θ, always by the loops of `tiles`."""

    def jvp(self, X: npt.ArrayLike, V: npt.ArrayLike) -> Array:
        """Return ∂a⁽ᴸ⁾/∂x v, the Jacobian of the outputs by the inputs times a direction, for each sample.

        "Forward mode": ȧ⁽⁰⁾ = v, then layer by layer ż_j = Σ_k w_jk ȧ_k and ȧ_j = σ′(z_j) ż_j, for the time of two
        forward passes and without forming the Jacobian. Raises TypeError or ValueError if X or V is not as below.

        Parameters
        ----------
        X, V : (n, n_in) array-like
            Inputs, and a direction v for each of them: real numbers, all finite.

        Returns
        -------
        (n, n_out) array
            Of the network's dtype.

        References
        ----------
        Wengert, *A simple automatic derivative evaluation program*, 1964.

        Examples
        --------
        >>> import fastbp
        >>> net = fastbp.Network([2, 1], cost="quadratic", initializer="zeros")
        >>> net.weights[0][:] = [[3, 4]]
        >>> net.jvp([[1, 1]], [[1, 0]])
        array([[3.]], dtype=float32)
        """
        checked = validation.inputs(X, self.sizes[0], self.dtype)
        directions = validation.inputs(V, self.sizes[0], self.dtype, "V")
        if len(directions) != len(checked):
            raise ValueError(f"V has {len(directions)} rows, but X has {len(checked)}; every sample needs a direction")
        return derivatives.curvature.jvp(self._model, checked, directions)

    def hessian_vector_product(
        self, X: npt.ArrayLike, Y: npt.ArrayLike, v: ParameterVector | npt.ArrayLike
    ) -> ParameterVector:
        """Return ∂²C/∂θ² v exactly, for about twice the work of a gradient and without forming the Hessian.

        It is the derivative of ∂C/∂θ along v. Each number x of the forward and backward pass gets a tangent ẋ
        (Pearlmutter's R{x}); v_jk and v_j are the elements of v at w_jk and b_j:

            ż_j = Σ_k v_jk a_k + v_j + Σ_k w_jk ȧ_k                  ȧ_j = σ′(z_j) ż_j
            δ̇_k = (Σ_j w_jk δ̇_j + v_jk δ_j) σ′(z_k) + (Σ_j w_jk δ_j) σ″(z_k) ż_k
            result at w_jk: δ̇_j a_k + δ_j ȧ_k                        at b_j: δ̇_j

        averaged over the samples. Where a derivative does not exist, that of one side is used: σ″(0) = 0 for relu and
        leaky_relu, 1 for elu. The second derivative of absolute and quantile is 0, that of huber is 1 up to its corner.
        Raises TypeError or ValueError if X and Y are not as in `fit`, v is not P real numbers, all finite, or an
        activation or cost of your own has no `second_derivative`.

        Parameters
        ----------
        X, Y
            As in `fit`.
        v : ParameterVector, or (P,) array-like
            In the order of ``net.parameters``.

        Returns
        -------
        ParameterVector
            ``.vector`` is (P,), of the network's dtype.

        References
        ----------
        Pearlmutter, *Fast exact multiplication by the Hessian*, 1994.

        Examples
        --------
        >>> import fastbp
        >>> net = fastbp.Network([1, 1], cost="quadratic", initializer="zeros")
        >>> net.hessian_vector_product([[2.0]], [[3.0]], [1.0, 0.0]).vector  # C = ½(2 w + b − 3)²
        array([4., 2.], dtype=float32)
        """
        return self._product(X, Y, v, "hessian")

    def gauss_newton_vector_product(
        self, X: npt.ArrayLike, Y: npt.ArrayLike, v: ParameterVector | npt.ArrayLike
    ) -> ParameterVector:
        """Return G v for the generalized Gauss–Newton matrix G: the Hessian without second derivatives of the network.

        G = 1/n Σ_s Jᵀ H J. Where output activation and cost are a pair with δ = a − y (sigmoid or softmax with
        cross_entropy, exponential with poisson), J = ∂z⁽ᴸ⁾/∂θ and H = ∂²C/∂z², which is ∂a/∂z; else J = ∂a⁽ᴸ⁾/∂θ and
        H = ∂²C/∂a². G has no negative eigenvalue where C has no negative second derivative. It is 0 for absolute and
        quantile. X, Y, v, the result and the errors are as in `hessian_vector_product`, but only the cost needs a
        `second_derivative`.

        References
        ----------
        Schraudolph, *Fast curvature matrix-vector products for second-order gradient descent*, 2002.

        Examples
        --------
        >>> import fastbp
        >>> net = fastbp.Network([1, 1], output_activation="sigmoid", cost="cross_entropy", initializer="zeros")
        >>> net.gauss_newton_vector_product([[2.0]], [[1.0]], [1.0, 0.0]).vector  # ∂a/∂z = ¼
        array([1. , 0.5], dtype=float32)
        """
        return self._product(X, Y, v, "gauss_newton")

    def fisher_vector_product(self, X: npt.ArrayLike, v: ParameterVector | npt.ArrayLike) -> ParameterVector:
        """Return F v for the Fisher matrix F, the metric of natural gradient descent. Its targets are the model's own.

        F = 1/n Σ_s E[g gᵀ] = 1/n Σ_s Jᵀ I J, where g = ∂C_s/∂θ, the expectation is over y of the density exp(−C) at
        this x, J = ∂a⁽ᴸ⁾/∂θ and I = E[(∂C/∂a)²] is the information of an output: 1 for quadratic (a normal
        distribution of variance 1) and absolute (Laplace), 2 for squared_error, 1/(a (1 − a)) for cross_entropy,
        1/a for poisson, q (1 − q) for quantile. With softmax and cross_entropy it is that of classes, diag(a) − a aᵀ
        in z. X, v, the result and the errors are as in `hessian_vector_product`; also raises ValueError if the cost is
        not the logarithm of a density: huber, or one of your own without `information`.

        References
        ----------
        Amari, *Natural gradient works efficiently in learning*, 1998; Martens, *New insights and perspectives on the
        natural gradient method*, 2014.

        Examples
        --------
        >>> import fastbp
        >>> net = fastbp.Network([1, 1], cost="quadratic", initializer="zeros")
        >>> net.fisher_vector_product([[2.0]], [1.0, 0.0]).vector
        array([4., 2.], dtype=float32)
        """
        checked = validation.inputs(X, self.sizes[0], self.dtype)
        targets = np.zeros((len(checked), self.sizes[-1]), self.dtype)  # the Fisher matrix does not use them
        targets.flags.writeable = False
        return self._product_of_checked(checked, targets, v, "fisher")

    def empirical_fisher_vector_product(
        self, X: npt.ArrayLike, Y: npt.ArrayLike, v: ParameterVector | npt.ArrayLike
    ) -> ParameterVector:
        """Return 1/n Σ_s g_s (g_sᵀ v), where g_s = ∂C_s/∂θ of each sample with its own target.

        No sample's gradient is formed: g_sᵀ v = Σ_j δ_j ż_j of the output layer, and the rest is a gradient whose δ are
        multiplied by that. It is often used as an estimate of the Fisher matrix, but is another matrix. X, Y, v, the
        result and the errors are as in `hessian_vector_product`, but it needs no `second_derivative`.

        References
        ----------
        Martens, *New insights and perspectives on the natural gradient method*, 2014, section 11.

        Examples
        --------
        >>> import fastbp
        >>> net = fastbp.Network([1, 1], cost="quadratic", initializer="zeros")
        >>> net.empirical_fisher_vector_product([[2.0]], [[3.0]], [1.0, 0.0]).vector  # g = (−6, −3)
        array([36., 18.], dtype=float32)
        """
        return self._product(X, Y, v, "empirical_fisher")

    def hessian(self, X: npt.ArrayLike, Y: npt.ArrayLike) -> Array:
        """Return the Hessian ∂²C/∂θ² itself, for small networks, from P products with unit vectors.

        The result is symmetric, (P, P), in the order of ``net.parameters``, of the network's dtype.
        X and Y are as in `fit`. Raises MemoryError if the machine has no room for P² numbers, and TypeError or
        ValueError as in `hessian_vector_product`.

        References
        ----------
        Bishop, *Exact calculation of the Hessian matrix for the multilayer perceptron*, 1992; here by Pearlmutter's
        products.

        Examples
        --------
        >>> import fastbp
        >>> net = fastbp.Network([1, 1], cost="quadratic", initializer="zeros")
        >>> net.hessian([[2.0]], [[3.0]])
        array([[4., 2.],
               [2., 1.]], dtype=float32)
        """
        samples = self._samples(X, Y)
        _check_functions(self._model, "hessian")
        n_parameters = self._model.parameters.vector.size
        what = f"the Hessian of {n_parameters:,} parameters"
        instead = "use hessian_vector_product, which never forms it, or top_eigenvalues"
        require_memory(what, n_parameters**2 * self.dtype.itemsize, instead)
        return derivatives.curvature.hessian(self._model, samples.X, samples.Y)

    def gauss_newton_diagonal(self, X: npt.ArrayLike, Y: npt.ArrayLike) -> ParameterVector:
        """Return the exact diagonal of the Gauss–Newton matrix: the curvature of C along each parameter alone.

        1/n Σ_s Σ_c h_c (∂a_c/∂θ_i)², h = ∂²C/∂a²: a backward pass from every output c, in which ∂a_c/∂w_jk = δ_j a_k,
        so its square is the product of two squares. For the pairs that `gauss_newton_vector_product` names, z replaces
        a. X, Y and the errors are as in that product. In the result ``.weights[l][j, k]`` is the element of w_jk;
        ``.vector`` is (P,), of the network's dtype.

        References
        ----------
        LeCun, Bottou, Orr & Müller, *Efficient BackProp*, 1998, section 7; exactly, output by output: Dangel,
        Kunstner & Hennig, *BackPACK: packing more into backprop*, 2020.

        Examples
        --------
        >>> import fastbp
        >>> net = fastbp.Network([1, 1], cost="quadratic", initializer="zeros")
        >>> net.gauss_newton_diagonal([[2.0]], [[3.0]]).vector
        array([4., 1.], dtype=float32)
        """
        samples = self._samples(X, Y)
        _check_functions(self._model, "gauss_newton")
        if self._model.cost.whole_sample:
            raise ValueError(
                f"the cost {self._model.cost.name!r} couples the outputs of a sample, but this diagonal is summed for "
                "one output after the other: use gauss_newton_vector_product with unit vectors"
            )
        return ParameterVector(
            self.sizes, derivatives.curvature.gauss_newton_diagonal(self._model, samples.X, samples.Y)
        )

    def top_eigenvalues(
        self, X: npt.ArrayLike, Y: npt.ArrayLike, k: int = 1, of: MatrixName = "hessian"
    ) -> npt.NDArray[Any]:
        """Return the largest eigenvalues of a matrix of second derivatives, from products with it alone.

        The largest one of the Hessian, λ, is the largest curvature of C; gradient descent is stable around a minimum
        while η < 2/λ. Computed by Lanczos' iteration (SciPy's ARPACK), always from the same start. Raises ImportError
        without SciPy, ArithmeticError if the iteration does not converge, as where the matrix is 0 or not finite,
        TypeError or ValueError if k or `of` is not as below, or as the product with that matrix does.

        Parameters
        ----------
        X, Y
            As in `fit`; "fisher" does not use Y.
        k : int, default 1
            How many eigenvalues, less than P.
        of : {"hessian", "gauss_newton", "fisher", "empirical_fisher"}
            The matrix.

        Returns
        -------
        (k,) array
            The largest first, of the network's dtype.

        References
        ----------
        Lanczos, *An iteration method for the solution of the eigenvalue problem of linear differential and integral
        operators*, 1950; Lehoucq, Sorensen & Yang, *ARPACK users' guide*, 1998.

        Examples
        --------
        >>> import fastbp
        >>> net = fastbp.Network([1, 1], cost="quadratic", initializer="zeros", dtype="float64")
        >>> net.top_eigenvalues([[2.0]], [[3.0]]).round(6)  # of [[4, 2], [2, 1]]
        array([5.])
        """
        validation.known_name("of", of, dict.fromkeys(get_args(MatrixName)))
        n_parameters = self._model.parameters.vector.size
        k = validation.whole_number("k", k, 1)
        if k >= n_parameters:
            instead = "for all eigenvalues use numpy.linalg.eigvalsh(net.hessian(X, Y))"
            raise ValueError(f"k is {k}; it must be less than the number of parameters, {n_parameters}: {instead}")
        samples = self._samples(X, Y)
        _check_functions(self._model, of)
        return derivatives.curvature.top_eigenvalues(self._model, samples.X, samples.Y, k, of)

    def _product(self, X: Any, Y: Any, v: Any, kind: Kind) -> ParameterVector:
        samples = self._samples(X, Y)
        return self._product_of_checked(samples.X, samples.Y, v, kind)

    def _product_of_checked(self, X: Array, Y: Array, v: Any, kind: Kind) -> ParameterVector:
        direction = _direction(v, self._model)
        _check_functions(self._model, kind)
        return ParameterVector(self.sizes, derivatives.curvature.product(self._model, X, Y, kind, direction))


def _direction(v: Any, model: Model) -> Array:
    """Return v as (P,), contiguous, of the model's dtype. Raises TypeError or ValueError."""
    given, n = v.vector if isinstance(v, ParameterVector) else v, model.parameters.vector.size
    if isinstance(v, ParameterVector) and v.sizes != model.sizes:
        raise ValueError(f"v is of a network with sizes {list(v.sizes)}; the sizes of this one are {list(model.sizes)}")
    checked = validation.matrix("v", given, model.dtype)
    if checked.shape != (n,):
        raise ValueError(f"v has shape {checked.shape}; needed is ({n},), a number for each element of net.parameters")
    return checked


def _check_functions(model: Model, kind: Kind) -> None:
    """Raise ValueError if a product of this kind needs a function that an activation or the cost lacks."""
    if kind == "hessian":
        for activation in model.activations[: -1 if derivatives.by_address.own_pair(model) else None]:
            if activation.second_derivative is None:
                raise ValueError(
                    f"the activation {activation.name!r} has no second_derivative, but the Hessian needs it: give it, "
                    "fastbp.Activation(…, second_derivative=…)"
                )
    if derivatives.by_address.own_pair(model):
        return
    cost = model.cost
    if kind in ("hessian", "gauss_newton") and cost.second_derivative is None:
        raise ValueError(
            f"the cost {cost.name!r} has no second_derivative, but the Hessian and the Gauss–Newton matrix need it: "
            "give it, fastbp.Cost(…, second_derivative=…)"
        )
    if kind == "fisher" and cost.information is None:
        known = ", ".join(name for name, other in COSTS.items() if other.information is not None)
        raise ValueError(
            f"the cost {cost.name!r} is not known to be the logarithm of a density, so there is no Fisher matrix: use "
            f"one of {known}, or your own fastbp.Cost(…, information=…), or the empirical Fisher matrix"
        )
