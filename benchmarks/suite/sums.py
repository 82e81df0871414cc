"""The speed of each of the three sums alone."""

from suite.common import FORMULATIONS, Sampled, limit_threads, missing_is_skipped
from suite.three_sums import LAYERS, SUMS


class ThreeSums(Sampled):
    """20 million floating-point operations of one sum over one layer, on one thread."""

    params = (FORMULATIONS, list(LAYERS), ["float32", "float64"])
    param_names = ("formulation", "layer", "dtype")

    @missing_is_skipped
    def setup(self, formulation: str, layer: str, dtype: str) -> None:
        limit_threads(1)
        self.sums = SUMS[formulation](*LAYERS[layer], dtype)
        for compile_and_warm in (self.sums.forward, self.sums.propagate_error, self.sums.accumulate_gradient):
            compile_and_warm()

    def time_forward(self, formulation: str, layer: str, dtype: str) -> None:
        self.sums.forward()

    def time_propagate_error(self, formulation: str, layer: str, dtype: str) -> None:
        self.sums.propagate_error()

    def time_accumulate_gradient(self, formulation: str, layer: str, dtype: str) -> None:
        self.sums.accumulate_gradient()
