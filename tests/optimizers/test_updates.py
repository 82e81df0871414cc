"""The compiled recurrences where gradients stay 0: moments do not end as subnormal numbers, which are slow."""

import numpy as np
import pytest

import fastbp

OPTIMIZERS = [
    fastbp.Momentum(0.1),
    fastbp.Nesterov(0.1),
    fastbp.Adam(beta_2=0.9),
    fastbp.RMSProp(0.01, 0.8),
    fastbp.RMSProp(0.01, 0.8, momentum=0.8),
    fastbp.RMSProp(0.01, 0.8, centered=True),
]


@pytest.mark.parametrize("formulation", ["loops", "tiles"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_the_moments_of_an_input_that_stays_0_become_0(optimizer, formulation):
    net = fastbp.Network([2, 1], output_activation="identity", cost="quadratic", seed=0, formulation=formulation)
    net.train_on_batch([[1, 1]], [[5]], optimizer=optimizer)
    moments = {}
    for step in range(1, 1200):
        net.train_on_batch([[1, 0]], [[step % 3]], optimizer=optimizer)
        state = net._training.state
        for name in ("first", "second")[: optimizer.n_moments]:
            moments.setdefault(name, []).append(getattr(state, name)[1])
    smallest = np.finfo(np.float32).smallest_normal
    for name, values in moments.items():
        sizes = np.abs(values)
        assert sizes[0] > 0, name
        assert sizes[-1] == 0, name
        assert ((sizes == 0) | (sizes >= smallest)).all(), name
        assert sizes[sizes > 0].min() < 2 * smallest, f"{name} became 0 too early"
