"""A user's own activation and cost, which fastbp does not have."""

import math

import fastbp

ALGEBRAIC = fastbp.Activation(
    "algebraic", lambda z: z / math.sqrt(1 + z * z), lambda z: (1 + z * z) ** -1.5, output_range="(-1, 1)"
)
LOG_COSH = fastbp.Cost("log_cosh", lambda a, y: math.log(math.cosh(a - y)), lambda a, y: math.tanh(a - y))
