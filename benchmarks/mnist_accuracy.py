"""The first experiment of Nielsen's book, in every formulation and dtype: ``python benchmarks/mnist_accuracy.py``.

[784, 30, 10], sigmoid, quadratic cost, N(0, 1) weights, η = 3.0, mini-batch 10, 30 epochs; the book's best epoch gets
95.42 % of MNIST's test images right. Looks for MNIST as `fastbp.load_mnist` does: in ``$FASTBP_DATA/mnist``, or in the
cache.
"""

import argparse
import statistics

import fastbp


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--formulations", default="loops,vectorized,textbook")
    parser.add_argument("--dtypes", default="float32,float64")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    arguments = parser.parse_args()
    data = fastbp.load_mnist()
    print(f"{'formulation':<12}{'dtype':<9}{'best epoch of each seed':<28}{'median':>8}{'s per epoch':>12}")
    for formulation in arguments.formulations.split(","):
        for dtype in arguments.dtypes.split(","):
            best, seconds = [], []
            for seed in range(arguments.seeds):
                net = fastbp.Network(
                    [784, 30, 10],
                    activation="sigmoid",
                    cost="quadratic",
                    initializer="nielsen_large",
                    seed=seed,
                    dtype=dtype,
                    formulation=formulation,
                )
                history = net.fit(
                    data.X_train,
                    data.y_train,
                    epochs=arguments.epochs,
                    batch_size=10,
                    optimizer=fastbp.SGD(3.0),
                    validation_data=(data.X_test, data.y_test),
                )
                best.append(max(history.validation_accuracy))
                seconds += history.seconds
            shown = "  ".join(f"{accuracy:.2%}" for accuracy in best)
            median = f"{statistics.median(best):.2%}"
            print(f"{formulation:<12}{dtype:<9}{shown:<28}{median:>8}{statistics.median(seconds):>12.2f}", flush=True)


if __name__ == "__main__":
    main()
