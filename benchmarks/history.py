"""Writes what asv has measured over the history as one small file, from which the site draws its pictures.

    python benchmarks/history.py [--results benchmarks/.asv/results] [--output examples/site/measure/history.json]

Only ratios to a peer of the same run are written: times of a machine that was not idle would say little. Needs asv.
"""

import argparse
import itertools
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asv import results

HERE = Path(__file__).resolve().parent
RATIOS = ("against_numpy.", "starting.Import.")


def measured(folder: Path) -> list[dict[str, Any]]:
    """Return a commit each: its abbreviation, its date, its processor and its ratios by benchmark and parameters."""
    commits = []
    for result in results.iter_results(str(folder)):
        values = {}
        for key in sorted(filter(lambda key: key.startswith(RATIOS), result.get_all_result_keys())):
            parameters = result.get_result_params(key)
            found = result.get_result_value(key, parameters) or []  # none, if all failed
            for chosen, value in zip(itertools.product(*parameters), found, strict=False):
                if value is not None and value == value:  # NaN: the commit does not have it yet
                    values[", ".join([key, *(name.strip("'") for name in chosen)])] = round(float(value), 4)
        if values:
            day = datetime.fromtimestamp(result.date / 1000, UTC).isoformat(timespec="minutes")
            commits.append({"commit": result.commit_hash[:8], "date": day, "processor": result.params["cpu"],
                            "ratios": values})  # fmt: skip
    return sorted(commits, key=lambda commit: commit["date"])


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--results", type=Path, default=HERE / ".asv" / "results", help="of asv, default %(default)s")
    default = HERE.parent / "examples" / "site" / "measure" / "history.json"
    parser.add_argument("--output", type=Path, default=default, help="default %(default)s")
    given = parser.parse_args()
    commits = measured(given.results)
    if not commits:
        parser.error(f"{given.results} has no ratios: first run asv with --bench 'against_numpy|Import'")
    given.output.write_text(json.dumps(commits, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{given.output}: {len(commits)} commits")


if __name__ == "__main__":
    main()
