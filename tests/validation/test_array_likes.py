"""Objects that can be read as arrays of numbers, and the errors for the others."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import fastbp

X, LABELS = np.linspace(-1, 1, 24).reshape(8, 3), np.arange(8) % 2


def net():
    return fastbp.Network([3, 4, 2], cost="cross_entropy", dtype="float64", seed=0)


def test_objects_that_are_all_real_numbers():
    row = [[Decimal("0.5"), Fraction(1, 4), np.float32(2)], [True, 3, np.int8(4)]]
    assert (net().predict(row) == net().predict([[0.5, 0.25, 2], [1, 3, 4]])).all()
    assert net().evaluate(X, LABELS.astype(object)) == net().evaluate(X, LABELS)
    with pytest.raises(ValueError, match="whole numbers that are too large for a float"):
        net().predict([[10**400, 1, 2]])


def test_a_column_of_labels():
    column, other = net(), net()
    options = {"epochs": 2, "class_weight": "balanced"}
    column.fit(X, LABELS[:, None], validation_data=(X, LABELS[:, None]), sample_weight=np.ones((8, 1)), **options)
    other.fit(X, LABELS, validation_data=(X, LABELS), sample_weight=np.ones(8), **options)
    assert column.parameters.tobytes() == other.parameters.tobytes()
    assert column.history.validation_accuracy == other.history.validation_accuracy
    assert (net().gradient(X, LABELS[:, None]).vector == net().gradient(X, LABELS).vector).all()
    assert str(net().trace(X[0], LABELS[:1])) == str(net().trace(X[0], LABELS[0]))
    with pytest.raises(ValueError, match=r"Y has shape \(8, 1\); needed is \(n_samples, 2\)"):
        fastbp.Network([3, 2]).evaluate(X, LABELS[:, None])


def test_words_as_labels_are_explained():
    with pytest.raises(
        TypeError, match=r"labels are whole numbers from 0 to 1: use numpy.unique\(labels, return_inverse"
    ):
        net().fit(X, ["cat", "dog"] * 4)


def test_tables_of_pandas():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(X, columns=["a", "b", "c"])
    nullable = table.assign(b=pandas.array(LABELS, "Int64"), c=pandas.array(LABELS > 0, "boolean")).astype(
        {"a": "Float64"}
    )
    as_numbers = np.column_stack([X[:, 0], LABELS, LABELS])
    assert (net().predict(nullable) == net().predict(as_numbers)).all()
    mine, plain = net(), net()
    mine.fit(nullable, pandas.DataFrame({"y": pandas.array(LABELS, "Int64")}), epochs=2)
    plain.fit(as_numbers, LABELS, epochs=2)
    assert mine.parameters.tobytes() == plain.parameters.tobytes()
    nullable.loc[3, "b"] = pandas.NA
    with pytest.raises(TypeError, match=r"X\[3, 1\] is <NA>, which is not a real number \(columns with such: b\)"):
        net().predict(nullable)
    with pytest.raises(TypeError, match=r"X\[0, 0\] is 'x', .*columns with such: a, b"):
        net().predict(nullable.astype(object).assign(a="x"))


def test_sparse_matrices_are_explained():
    sparse = pytest.importorskip("scipy.sparse")
    for given in (sparse.csr_matrix(X), sparse.coo_array(X)):
        for call, arguments in ((net().predict, [given]), (net().fit, [given, LABELS]), (net().fit, [given])):
            with pytest.raises(ValueError, match=r"X is sparse, a .* of shape \(8, 3\); give X.toarray\(\), which"):
                call(*arguments)


def test_a_tensor_with_a_gradient_is_refused_in_words():
    class Tensor:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")

    with pytest.raises(ValueError, match="X cannot be read as an array: Can't call numpy"):
        net().predict(Tensor())
