"""The numbers in the formulas of `elementary.py`, for float32 and for float64.

The polynomials are our own minimax approximations by Remez' algorithm.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.core.imputils import lower_getattr_generic
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import lower_builtin, models, register_model, type_callable

__all__ = ["constants", "like"]


class Constants(NamedTuple):
    """The constants for a dtype. Every number has that dtype, so that nothing is promoted."""

    zero: np.floating
    half: np.floating
    one: np.floating
    two: np.floating
    infinity: np.floating
    nan: np.floating
    to_integer: np.floating  # (x + to_integer) - to_integer rounds x to the nearest integer
    smallest_normal: np.floating
    subnormal_shift: np.floating  # multiplying by 2^it makes a subnormal normal
    subnormal_scale: np.floating  # 2^subnormal_shift
    log2_e: np.floating
    ln2: np.floating
    ln2_head: np.floating  # ln 2 to so few digits that its product with any exponent is exact
    ln2_tail: np.floating  # ln 2 - ln2_head
    sqrt2_minus_1: np.floating
    exp_low: np.floating  # e^x rounds to 0 below
    exp_high: np.floating  # and to infinity above
    one_is_lost: np.floating  # e^x - 1 is -1 below -it; tanh is 1 above half of it; 1 - 2^-it is 1
    erfc_high: np.floating  # erfc x rounds to 0 above
    erfc_center: np.floating  # the x at which erfc_far has its t = 0
    split: np.floating  # 2^s + 1, to cut off the lower s bits
    erfc_seam: np.floating
    exp_rest: tuple[np.floating, ...]  # (e^r - 1 - r) / r^2, |r| <= ln(2) / 2
    log_rest: tuple[np.floating, ...]  # (2 artanh(s) - 2 s) / s^3 in s^2, |s| <= 3 - sqrt(8)
    erfc_near: tuple[np.floating, ...]  # erf x / x in x^2, |x| <= erfc_seam
    erfc_far: tuple[np.floating, ...]  # (1 + 2 x) e^(x^2) erfc x in t, erfc_seam <= x <= erfc_high


LN2 = 0.6931471805599453  # not a C library's


def constants_of(dtype: type[np.floating], ln2_bits: int, own: tuple[float, ...], *rests: list[float]) -> Constants:
    """Return the constants of `dtype`. `own` are exp_low to erfc_center; `rests` the polynomials."""
    info = np.finfo(dtype)
    ln2_head = np.floor(LN2 * 2.0**ln2_bits) / 2.0**ln2_bits
    ln2_tail = (LN2 - ln2_head) + 2.319046813846299558e-17  # the rounding error of LN2
    numbers = (
        *(0.0, 0.5, 1.0, 2.0, np.inf, np.nan, 1.5 * 2.0**info.nmant),
        *(info.smallest_normal, info.nmant + 1, 2.0 ** (info.nmant + 1)),
        *(1 / LN2, LN2, ln2_head, ln2_tail, np.sqrt(2.0) - 1, *own),
        *(2.0 ** ((info.nmant + 2) // 2) + 1, 0.475),
    )
    return Constants(*map(dtype, numbers), *(tuple(map(dtype, coefficients)) for coefficients in rests))


FLOAT32 = constants_of(
    np.float32, 15, (-104.0, 89.0, 32.0, 10.1, 3.0),
    [0.5, 0.16666666, 0.041666362, 0.00833339, 0.0013940628, 0.00019845876],
    [0.66666776, 0.39977536, 0.29871863],
    [1.1283791, -0.37612617, 0.11283029, -0.026773097, 0.0047556837],
    [
        1.253008, -0.13562104, -0.04756239, 0.12964223, -0.119272284, 0.06834204, -0.023771413, 0.0023743662,
        0.0018492036, -0.00050445803,
    ],
)  # fmt: skip
FLOAT64 = constants_of(
    np.float64, 42, (-746.0, 710.0, 64.0, 27.3, 4.0),
    [
        0.5, 0.16666666666666677, 0.04166666666666651, 0.008333333333321691, 0.001388888888896237,
        0.0001984126988596592, 2.4801587172538122e-05, 2.7557244374217137e-06, 2.755740264352864e-07,
        2.5108978867816392e-08, 2.087532959214041e-09,
    ],
    [
        0.6666666666666734, 0.39999999999414326, 0.28571428742474286, 0.22222198563532747, 0.1818356486492351,
        0.15314035863518946, 0.14796105301512058,
    ],
    [
        1.1283791670955126, -0.37612638903183604, 0.11283791670937898, -0.026866170637473253, 0.005223977454681391,
        -0.0008548305599770364, 0.00012053750488082924, -1.4857246494909789e-05, 1.485241336885272e-06,
    ],
    [
        1.2329951186255526, -0.1396211168405625, 0.015379652102619752, 0.0680970542546888, -0.10103906603630355,
        0.09373283499851869, -0.06633036581227006, 0.037167515534110615, -0.016197734056719534, 0.005031970015108786,
        -0.0007577732997769206, -0.00019925694309118862, 0.00015062174465667972, -2.4398147791057386e-05,
        -1.1222298851945622e-05, 5.7067228176731405e-06, 2.944811486644857e-07, -8.198584056898327e-07,
        7.361084588792022e-08, 1.0355502450352846e-07, -1.705919438459936e-08, -9.760595624353998e-09,
        1.5346447153161199e-09,
    ],
)  # fmt: skip


def constants(x: np.floating) -> Constants:
    """Return the constants of the dtype of x; compiled code chooses them at compile time."""
    return FLOAT32 if isinstance(x, np.float32) else FLOAT64


class ConstantsType(types.Type):
    """Numba's type of `Constants`: nothing at run time. What is read from them are numbers in the machine code."""

    def __init__(self, dtype: types.Float):
        self.dtype, self.values = dtype, {types.float32: FLOAT32, types.float64: FLOAT64}[dtype]
        super().__init__(f"Constants({dtype})")


register_model(ConstantsType)(models.OpaqueModel)


@type_callable(constants)
def _type_of_constants(context):
    return lambda x: ConstantsType(x) if x in (types.float32, types.float64) else None


@lower_builtin(constants, types.Float)
def _constants(context, builder, sig, args):
    return context.get_dummy_value()


@infer_getattr
class _OneOfThem(AttributeTemplate):
    key = ConstantsType

    def generic_resolve(self, value: Any, attr: str) -> Any:  # type: ignore[override]
        return _type_of_one(value, attr)


def _type_of_one(kind, name):
    value = getattr(kind.values, name)
    return types.UniTuple(kind.dtype, len(value)) if isinstance(value, tuple) else kind.dtype


@lower_getattr_generic(ConstantsType)
def _one_of_them(context, builder, kind, value, name):
    return context.get_constant_generic(builder, _type_of_one(kind, name), getattr(kind.values, name))


def like(x: Any, value: float) -> Any:
    """Return `value` in the dtype of x: with a plain 1, Numba would promote a float32 to float64."""
    return type(x)(value)


@type_callable(like)
def _type_of_like(context):
    return lambda x, value: (
        x if isinstance(x, types.Float) and isinstance(value, types.Number | types.Boolean) else None
    )


@lower_builtin(like, types.Float, types.Any)
def _like(context, builder, sig, args):
    return context.cast(builder, args[1], sig.args[1], sig.return_type)
