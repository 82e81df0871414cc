"""The list of all public names: a change here is a change for the users, and belongs into the changelog."""

import argparse
import importlib

import pytest

from fastbp.cli.options import new_parser
from fastbp.formulations import FORMULATIONS
from fastbp.functions.activations import ACTIVATIONS
from fastbp.functions.costs import COSTS
from fastbp.functions.initializers import INITIALIZERS
from fastbp.optimizers import BY_NAME
from fastbp.training.metrics import METRICS

NAMES = {
    "fastbp": """
        Activation Adagrad Adam AdamW ByStep CSVLogger Callback Checkpoint Comparison ConjugateGradient ConstantRate
        CosineDecay Cost DivergenceError EarlyStopping Evaluation ExponentialDecay GaussianNLL GradientCheck Halving
        History Huber Initializer InverseScaling LBFGS LevenbergMarquardt LogCosine MeasuringError ModelFileError
        Momentum Nesterov Network Nudge OneCycle ParameterVector Population Posterior Quantile Quantiles RMSProp
        Recorder ReduceOnPlateau Rprop SGD StepDecay
        Trace check_derivative check_gradient compare error_norms from_keras from_torch get_num_threads load
        load_digits load_mnist set_num_threads threads
    """,
    "fastbp.comparison": """
        CROSSOVER Comparison MeasuringError Row compare
    """,
    "fastbp.data": """
        DataFileError Split Table load_digits load_mnist read_table
    """,
    "fastbp.plots": """
        CHARACTER COLUMN CostSurface Directions FEW_EPOCHS GREY HELD_OUT LOGARITHMIC_FROM MOST_NAMES
        MOST_NUMBERS NEGATIVE PANELS_A_ROW POSITIVE STYLES TRAINING check computation_tree confusion_matrix
        cost_surface draw_surface error_norms history images network new_figure parameter_directions plain
        principal_directions random_directions regression signed_colours small_letters weight_images
    """,
    "fastbp.replay": """
        Book KEYS Replay read_book replay
    """,
    "fastbp.tables": """
        Column Preprocessor Table Target
    """,
    "fastbp.tabular": """
        TabularClassifier TabularRegressor
    """,
    "fastbp.sklearn": """
        MLPClassifier MLPEnsembleClassifier MLPEnsembleRegressor MLPRegressor MLPSearchCV from_sklearn to_sklearn
    """,
}
COMMANDS = {
    "train": """
        -h --help data --target --classify --regress --drop --categorical --test-share --test --data --download
        --no-header --delimiter --decimal --encoding --na --hidden --activation --cost --dtype --formulation --epochs
        --no-early-stopping --goal --batch-size --optimizer --learning-rate --seed --threads --shards --output --no-save
        --plot --quiet --json
    """,
    "predict": """
        -h --help model data --output --probabilities --id --json --target --data --no-header --delimiter --decimal
        --encoding --na
    """,
    "compare": """
        -h --help --sizes --widths --batch-sizes --dtypes --threads --formulations --activation --cost
        --optimizer --crossover --load --rounds --time --cold --json --csv --bars --map --roofline --quiet
    """,
    "replay": """
        -h --help --data --quick --only --list --seeds --formulation --threads --json --figures --quiet
    """,
    "warm-up": """
        -h --help --dtype --level --folder --wheel --quiet
    """,
    "info": """
        -h --help model
    """,
}
CHOICES = {
    "formulation": (FORMULATIONS, """
        textbook loops tiles vectorized
    """),
    "activation": (ACTIVATIONS, """
        identity sigmoid tanh relu leaky_relu elu selu softplus silu mish gelu exponential softmax
    """),
    "cost": (COSTS, """
        quadratic squared_error cross_entropy absolute huber quantile poisson
    """),
    "initializer": (INITIALIZERS, """
        nielsen_large nielsen glorot he lecun nguyen_widrow zeros
    """),
    "optimizer": (BY_NAME, """
        sgd momentum nesterov adam adamw rmsprop adagrad rprop lbfgs conjugate_gradient levenberg_marquardt
    """),
    "metric": (METRICS, """
        accuracy r2 mae f1_macro f1_binary precision_macro precision_binary recall_macro recall_binary roc_auc log_loss
    """),
}  # fmt: skip


@pytest.mark.parametrize("package", NAMES)
def test_names_of_a_package(package):
    if package in ("fastbp.sklearn", "fastbp.tabular"):
        pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 or newer is not installed")
    names = importlib.import_module(package).__all__
    assert sorted(names) == sorted(NAMES[package].split())


@pytest.mark.parametrize("what", CHOICES)
def test_names_that_stand_for_functions(what):
    table, names = CHOICES[what]
    assert list(table) == names.split()


def test_commands_and_their_options():
    parser = new_parser("0")
    assert [option for action in parser._actions for option in action.option_strings] == ["-h", "--help", "--version"]
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    found = {
        name: [word for action in command._actions for word in action.option_strings or [action.dest]]
        for name, command in commands.choices.items()
    }
    assert found == {name: words.split() for name, words in COMMANDS.items()}
