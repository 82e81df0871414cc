"""The asv suite: a class for each question, a method for each thing that is timed or tracked.

asv imports every module of this folder, in the working tree's version, and runs it with the fastbp of the commit that
it measures. What that commit does not have yet is skipped: see `common.missing_is_skipped`.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for `sidebyside` and `startup`
