"""Every experiment of Nielsen's chapters 1 to 3, each with its published figure beside ours.

    python examples/the_book_replayed.py [FOLDER] [--quick]

FOLDER holds `mnist`, with MNIST's four files that `fastbp.load_mnist` reads, and `nielsen`, with the results that the
book's programs kept; without it they are looked for under $FASTBP_DATA. The pictures go to `the_book_replayed/`.
The same from the command line: `fastbp replay`. Covers N1 to N6.
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
