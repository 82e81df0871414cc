"""The experiments of Nielsen's book, chapters 1 to 3, run again: each published figure beside ours."""

from fastbp.replay.material import Book, read_book
from fastbp.replay.result import Replay
from fastbp.replay.run import KEYS, replay

__all__ = ["KEYS", "Book", "Replay", "read_book", "replay"]
