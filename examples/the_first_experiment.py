"""The first experiment of Nielsen's book: 30 hidden neurons read 95 % of MNIST's test images correctly.

    python examples/the_first_experiment.py [FOLDER]

FOLDER has the four MNIST files. Without FOLDER, `fastbp.load_mnist` looks for them, and downloads them if they are
missing. In the book, the best epoch with η = 3.0 gets 9,542 of 10,000 right; η = 0.001 and η = 100.0 fail.
Covers N1, N2 and T1.
"""

import sys

import fastbp


def train(data: "fastbp.data.Split", learning_rate: float, epochs: int) -> list[float]:
    """Train a new network and return its accuracy on the test images after every epoch."""
    net = fastbp.Network(
        [784, 30, 10], activation="sigmoid", cost="quadratic", initializer="nielsen_large", seed=1, dtype="float64"
    )
    history = net.fit(
        data.X_train,
        data.y_train,
        epochs=epochs,
        batch_size=10,
        optimizer=fastbp.SGD(learning_rate),
        validation_data=(data.X_test, data.y_test),
    )
    return history.validation_accuracy


def main() -> None:
    data = fastbp.load_mnist(sys.argv[1]) if len(sys.argv) > 1 else fastbp.load_mnist(download=True)
    print("η        epochs   best   last   of 10,000 test images")
    for learning_rate, epochs in ((3.0, 30), (0.001, 5), (100.0, 5)):
        accuracy = train(data, learning_rate, epochs)
        best, last = round(max(accuracy) * 10_000), round(accuracy[-1] * 10_000)
        print(f"{learning_rate:<9}{epochs:>6}{best:>7}{last:>7}")
    print("The book: 9,542 with η = 3.0. With 0.001 a few epochs teach the net little, with 100 nothing.")


if __name__ == "__main__":
    main()
