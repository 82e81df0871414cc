"""The network of the book's first chapter learns to read digits. Needs MNIST under $FASTBP_DATA."""

import os

import pytest

import fastbp

needs_data = pytest.mark.skipif("FASTBP_DATA" not in os.environ, reason="FASTBP_DATA does not say where MNIST is")


@needs_data
def test_the_first_network_of_the_book(compiled):
    """[784, 30, 10], sigmoid, quadratic cost, η = 3, mini-batches of 10: the book reports 91 to 94 % after 3 epochs."""
    try:
        X_train, y_train, X_test, y_test, _ = fastbp.load_mnist(os.path.join(os.environ["FASTBP_DATA"], "mnist"))
    except FileNotFoundError as error:
        pytest.skip(f"no MNIST under FASTBP_DATA: {error}")
    train, test = (X_train, y_train), (X_test, y_test)
    net = fastbp.Network(
        [784, 30, 10],
        activation="sigmoid",
        output_activation="sigmoid",
        cost="quadratic",
        initializer="nielsen_large",
        dtype="float32",
        seed=0,
        formulation=compiled,
    )
    history = net.fit(*train, epochs=3, batch_size=10, optimizer=fastbp.SGD(3.0), validation_data=test)
    assert history.validation_accuracy[-1] == net.evaluate(*test).accuracy
    assert history.validation_accuracy[-1] >= 0.92
    assert history.cost[2] < history.cost[1] < history.cost[0]
