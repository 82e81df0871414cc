"""Every experiment of Nielsen's chapters 1 to 3: the published results beside those of fastbp.

    python examples/the_book_replayed.py [FOLDER] [--quick]

FOLDER, by default $FASTBP_DATA, has the folders `mnist`, with the four files that `fastbp.load_mnist` reads, and
`nielsen`, with the results that the book's programs stored. The pictures go to `the_book_replayed/`. The command
`fastbp replay` does the same. Covers N1 to N6.
"""

import sys
from pathlib import Path

from fastbp.replay import read_book, replay


def main() -> None:
    folders = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    book = read_book(folders[0] if folders else None)
    result = replay(book, quick="--quick" in sys.argv)
    print(result)
    try:
        pictures = Path("the_book_replayed")
        pictures.mkdir(exist_ok=True)
        print(f"\nwrote {len(result.plot(pictures))} pictures to {pictures}")
    except ImportError as error:
        print(f"\nno pictures: {error}")


if __name__ == "__main__":
    main()
