"""The asv suite: a class for each question, a method for each thing that is timed or tracked.

asv imports the modules of this folder from the working tree and runs them with the fastbp of the commit that it
measures. It skips what that commit does not have yet: see `common.missing_is_skipped`.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for `sidebyside` and `startup`
