"""Random changes of a file: of its bytes, of its lines and fields, or of the JSON in it."""

import copy
import json
import random
from collections.abc import Callable
from typing import Any

MOST_BYTES = 8192

# Values that have broken readers of files: sizes at the edges of integers, other types, words for no number.
LIES: list[Any] = [
    0, 1, -1, 2, 255, 256, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64, 2**128, 10**400, 1.5, 2.0, -0.0, 5e-324,
    1e308, float("inf"), float("-inf"), float("nan"), True, False, None, "", "a", "\0", "\ud800", "1", "float32",
    "float64", "LBFGS", "Rprop", "ConjugateGradient", "LevenbergMarquardt", "MT19937", "softmax", "relu", "tiles",
    "textbook", "huber", "quantile", [], {}, [[]], [1], [1, 1], ["sigmoid"], {"a": 1},
]  # fmt: skip
PIECES = [b"\0", b"\xff", b"\0\0\0\0", b"\xff" * 4, b"\x7f" + b"\xff" * 7, b"\x80", b"1", b"-", b'"', b"{", b"[" * 50]
FIELDS = [
    "", " ", "0", "-1", "1e400", "nan", "inf", "NA", "1_000", "1,5", '"', '""', '"a\nb"', "\0", "\ufeff", "é", "١",
    "a" * 300, ",", ";", "\t", "\r", "\n", "\r\n", "\x0b", "\x85", "\u2028", "9" * 5000,
]  # fmt: skip


def bytes_changed(data: bytes, chance: random.Random) -> bytes:
    """Flip, overwrite, insert, delete, repeat or cut a few bytes."""
    content = bytearray(data)
    for _ in range(1 << chance.randrange(4)):
        i, j = sorted(chance.randrange(len(content) + 1) for _ in range(2))
        match chance.randrange(7):
            case 0 if content:
                content[i % len(content)] ^= 1 << chance.randrange(8)
            case 1 if content:
                content[i % len(content)] = chance.randrange(256)
            case 2:
                content[i:i] = chance.choice(PIECES)
            case 3:
                piece = chance.choice(PIECES)
                content[i : i + len(piece)] = piece
            case 4:
                del content[i : min(j, i + 64)]
            case 5:
                content[j:j] = content[i : min(j, i + 64)]
            case _:
                if chance.randrange(4) == 0:
                    del content[i:]
    return bytes(content[:MOST_BYTES])


def text_changed(data: bytes, chance: random.Random) -> bytes:
    """Replace, double or drop fields and lines."""
    if chance.randrange(4) == 0:
        return bytes_changed(data, chance)
    text = data.decode(errors="replace")
    mark = chance.choice(["\n", ",", ";", "\t"])
    fields = text.split(mark)
    for _ in range(1 << chance.randrange(3)):
        i = chance.randrange(len(fields))
        match chance.randrange(4):
            case 0:
                fields.insert(i, chance.choice(FIELDS))
            case 1:
                fields.insert(i, chance.choice(fields))
            case 2 if len(fields) > 1:
                del fields[i]
            case _:
                fields[i] = chance.choice(FIELDS)
    return mark.join(fields).encode()[:MOST_BYTES]


def json_changed(data: bytes, chance: random.Random) -> bytes:
    """Replace, move, drop or add a part of the JSON, or sometimes change only bytes."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return bytes_changed(data, chance)
    if chance.randrange(8) == 0:
        return bytes_changed(data, chance)
    for _ in range(1 << chance.randrange(3)):
        places = list(_places(content))
        if not places:
            break
        part, key = chance.choice(places)
        match chance.randrange(6):
            case 0:
                del part[key]
            case 1:
                other, place = chance.choice(places)
                part[key] = json.loads(json.dumps(other[place]))
            case 2 if isinstance(part, list):
                part.insert(key, copy.deepcopy(chance.choice(LIES)))
            case 3 if isinstance(part[key], int | float) and abs(part[key]) < 2**200:
                part[key] = chance.choice([part[key] + 1, part[key] - 1, -part[key], str(part[key]), float(part[key])])
            case _:
                part[key] = copy.deepcopy(chance.choice(LIES))
    return json.dumps(content).encode()[:MOST_BYTES]


def _places(part: Any) -> Any:
    """Yield each place in a tree of lists and dicts: the container and the key."""
    keys = part.keys() if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ()
    for key in keys:
        yield part, key
        yield from _places(part[key])


MUTATIONS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "bytes": bytes_changed,
    "text": text_changed,
    "json": json_changed,
}
