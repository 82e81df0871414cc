"""``python -m fastbp`` runs the command ``fastbp``."""

import sys

from fastbp.cli.program import main

if __name__ == "__main__":
    sys.exit(main())
