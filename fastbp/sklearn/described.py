"""What the docstrings of the estimators share, written once."""

from typing import TypeVar

Estimator = TypeVar("Estimator", bound=type)

PARAMETERS = """\
    hidden_layer_sizes : array-like of int, or int, default (100,)
        How many neurons each hidden layer has; empty for none.
    activation : str or fastbp.Activation, or a list with one for each hidden layer, default "relu"
        identity, logistic, tanh, relu, and fastbp's others: leaky_relu, elu, selu, softplus, silu, mish, gelu,
        exponential.
    solver : {"adam", "sgd", "lbfgs"}, default "adam"
        The optimizer; "lbfgs" is SciPy's L-BFGS-B, on all samples at once.
    alpha : float, default 1e-4
        α ≥ 0 of the L2 penalty: the loss of a mini-batch of m samples contains α/(2m) Σ w².
    batch_size : int or "auto", default "auto"
        Samples in a mini-batch; "auto" is 200, or all of them if they are fewer, or for Rprop. Not for lbfgs.
    learning_rate : {"constant", "invscaling", "adaptive"}, default "constant"
        Of sgd only. After t samples, "invscaling" is ``learning_rate_init / (t + 1) ** power_t``; "adaptive" divides by
        5 whenever training would stop because nothing improves, and stops at 1e-6.
    learning_rate_init : float, default 0.001
        The learning rate, or the first one.
    power_t : float, default 0.5
        The exponent of "invscaling".
    max_iter : int, default 200
        Epochs, or iterations of lbfgs.
    shuffle : bool, default True
        Whether each epoch has a new order of the samples.
    random_state : int, RandomState or None, default None
        Decides the first weights, the held-out samples and the orders: the same as in scikit-learn.
    tol : float, default 1e-4
        The least improvement that counts; for lbfgs, the largest entry of the gradient at which it ends.
    verbose : bool, default False
        Whether to print the loss of each epoch.
    warm_start : bool, default False
        Whether `fit` starts from the fitted weights. The solver starts again.
    momentum, nesterovs_momentum : float and bool, default 0.9 and True
        Of sgd.
    early_stopping : bool, default False
        Whether to hold out samples, stop when their score no longer improves, and keep the best weights.
    validation_fraction : float, default 0.1
        The fraction of the samples that is held out.
    beta_1, beta_2, epsilon : float, default 0.9, 0.999 and 1e-8
        Of adam.
    n_iter_no_change : int, default 10
        Training stops after more than this number of epochs without improvement.
    max_fun : int, default 15000
        The most evaluations of the loss by lbfgs."""

OWN_PARAMETERS = """\
    output_activation : str or fastbp.Activation, optional
        Of the output layer, instead of the one that suits the loss.
    dropout : float, or list with one for each hidden layer, optional
        The fraction of neurons that each step drops. Not for lbfgs.
    optimizer : fastbp optimizer or its name, optional
        Instead of `solver` and its parameters: ``fastbp.RMSProp(0.01)``, "rmsprop", and also those on the full batch.
        ``LevenbergMarquardt(regularization="evidence")`` chooses the penalty, and `alpha` does not count.
    schedule : function of the epoch and the base learning rate, optional
        The learning rate of each epoch, as in `fastbp.Network.fit`.
    callbacks : list of fastbp.Callback, optional
        Called between epochs.
    progress : bool, default False
        Whether a terminal shows a progress bar.
    scoring : "loss", optional
        What `early_stopping` watches: "loss" is the loss of the held-out samples, or of X_val, as for scikit-learn's
        HistGradientBoosting; left out, it is their score, the accuracy or R², as for scikit-learn's MLP.
    goal : float, optional
        Training stops as soon as the training loss is at most this; with `early_stopping`, the loss of the held-out
        samples, or their score at least this."""

ATTRIBUTES = """\
    coefs_, intercepts_ : lists of arrays
        The weights, (n_in, n_out), and biases of each layer after the input.
    loss_, best_loss_, loss_curve_ : float, float or None, list of float
        The loss of the last epoch, of the best, of each: the mean over its mini-batches, penalty included.
    validation_scores_, best_validation_score_ : list of float and float, or None
        With `early_stopping`: the accuracy of a classifier, or R² of a regressor, on the held-out samples. The best is
        None if the loss is watched.
    validation_loss_curve_ : list of float
        After `fit` with X_val or `early_stopping`: the loss of these samples after each epoch, without the penalty.
    best_validation_loss_ : float or None
        With `early_stopping` and ``scoring="loss"``: the smallest of these, that of the weights.
    n_iter_, t_ : int
        Epochs of the last `fit`; samples seen in all of them.
    n_layers_, n_outputs_, out_activation_ : int, int, str
        Layers, input and output included; neurons of the output layer; its activation.
    n_features_in_, feature_names_in_ : int, array
        As everywhere in scikit-learn; names only where X had some."""


def described(estimator: Estimator) -> Estimator:
    """Write the shared texts into the docstring of an estimator."""
    text = estimator.__doc__ or ""  # which python -OO leaves out
    for name, shared in (("parameters", PARAMETERS), ("own", OWN_PARAMETERS), ("attributes", ATTRIBUTES)):
        text = text.replace(f"    <{name}>", shared)
    estimator.__doc__ = text
    return estimator
