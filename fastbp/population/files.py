"""A population in one file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from fastbp import validation
from fastbp.files import serialization
from fastbp.network.network import Network, restored


def save(path: str | os.PathLike[str], nets: Sequence[Network], training_state: Any) -> None:
    """Write networks to a file. Raises as `Network.save`."""
    serialization.save_several(path, [net._contents(training_state) for net in nets])


def load(path: str | os.PathLike[str], custom: Any) -> list[Network]:
    """Read them again. Raises as `fastbp.load`."""
    theirs = validation.entries("custom", custom, "a list of activations, costs and classes of optimizers")
    saved = serialization.load_several(path, theirs)
    with serialization.refusing(path):
        return [restored(of_one, theirs) for of_one in saved]
