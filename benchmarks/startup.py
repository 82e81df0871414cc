"""The cost of starting, in time and memory: ``python benchmarks/startup.py``.

Every figure is the median of fresh processes. "Cold" has an empty cache of machine code, "warm" the cache of an earlier
process. Memory is the peak resident size of a training run minus the size of the data.

``--beside-sklearn`` measures another thing: the first fit of a process beside that of scikit-learn, in processor time
of all its threads and workers, without the import. ``taskset -c 0`` gives all of them one core.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

IMPORT = "import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"

FIRST_FIT = """
import time
import numpy as np
import fastbp
X = np.random.default_rng(0).random((1000, 784), dtype=np.float32)
Y = np.arange(1000) % 10
start = time.perf_counter()
net = fastbp.Network([784, 30, 10], activation="sigmoid", cost="quadratic", seed=0)
net.fit(X, Y, epochs=1, batch_size=10, optimizer=fastbp.SGD(3.0))
print(time.perf_counter() - start)
"""

MEMORY = """
import numpy as np
import fastbp
def peak():
    return int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]) / 1024
X = np.random.default_rng(0).random((60000, 784), dtype=np.float32)
Y = np.zeros((60000, 10), dtype=np.float32)
Y[np.arange(60000), np.arange(60000) % 10] = 1
data = (X.nbytes + Y.nbytes) / 2**20
net = fastbp.Network([784, 30, 10], activation="sigmoid", cost="quadratic", seed=0)
net.fit(X, Y, epochs=2, batch_size=10, optimizer=fastbp.SGD(3.0), validation_data=(X[:10000], Y[:10000]))
print(peak() - data)
"""


DATA = """
import numpy as np
X = np.random.default_rng(0).random((1000, 64), dtype=np.float32)
y = np.arange(1000) % 10
"""
# Seconds of processor time of this process and of its children that have ended.
SECONDS = "time.process_time() + sum(os.times()[2:4])"

# The same training by two libraries: what is imported, and the fit.
IMPORTS = {"fastbp": "import fastbp", "scikit-learn": "from sklearn.neural_network import MLPClassifier"}
FITS = {
    "fastbp": """
net = fastbp.Network([64, 30, 10], activation="relu", cost="cross_entropy", seed=0)
net.fit(X, y, epochs=1, batch_size=32, optimizer=fastbp.Adam(0.001))
""",
    "scikit-learn": """
import warnings
warnings.simplefilter("ignore")  # one epoch is not enough to converge
MLPClassifier((30,), max_iter=1, batch_size=32, random_state=0).fit(X, y)
""",
}


def run(code: str, cache: str) -> float:
    """Run code in a fresh process and return the number it prints."""
    environment = os.environ | {"FASTBP_CACHE": cache}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has bytecode files
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def first_fit(library: str, cache: str) -> float:
    """Return the processor time of the first fit of a process and of the workers that it has started."""
    before, after = f"import os, time\nbefore = {SECONDS}", f"print({SECONDS} - before)"
    return run(f"{DATA}{IMPORTS[library]}\n{before}{FITS[library]}{after}", cache)


def beside_sklearn(rounds: int) -> None:
    """Print the processor times of first fits."""
    cold, warm, other = [], [], []
    with tempfile.TemporaryDirectory() as kept:
        first_fit("fastbp", kept)
        for i in range(rounds):
            if i % 3 == 0:
                with tempfile.TemporaryDirectory() as empty:
                    cold.append(first_fit("fastbp", empty))
            warm.append(first_fit("fastbp", kept))
            other.append(first_fit("scikit-learn", kept))
    print("seconds of processor time of the first fit of a process, [64, 30, 10], 1,000 samples, one epoch; no import")
    for name, times in (("fastbp, nothing cached", cold), ("fastbp, cache warm", warm), ("scikit-learn", other)):
        least, most = min(times), max(times)
        print(f"{name:<24}{statistics.median(times):9.3f}   {least:.3f} to {most:.3f}, {len(times)} processes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--beside-sklearn", action="store_true", help="the first fit only, beside scikit-learn's")
    given = parser.parse_args()
    rounds = given.rounds
    if given.beside_sklearn:
        return beside_sklearn(rounds)
    with tempfile.TemporaryDirectory() as warm:
        cold: list[float] = []
        for _ in range(max(1, rounds // 3)):
            with tempfile.TemporaryDirectory() as empty:
                cold.append(run(FIRST_FIT, empty))
        run(FIRST_FIT, warm)
        imports = [IMPORT.format(module=module) for module in ("numba", "fastbp")]
        pairs = [tuple(run(code, warm) for code in imports) for _ in range(3 * rounds)]
        warm_fits = [run(FIRST_FIT, warm) for _ in range(rounds)]
        run(MEMORY, warm)
        memory = run(MEMORY, warm)
    numba, fastbp = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(ours / theirs for theirs, ours in pairs)
    print(f"import numba                          {numba:8.3f} s")
    print(f"import fastbp                         {fastbp:8.3f} s   {ratio:.2f} × import numba (median of pairs)")
    print(f"first fit, nothing cached             {statistics.median(cold):8.3f} s   without the import")
    print(f"first fit, cache warm                 {statistics.median(warm_fits):8.3f} s   without the import")
    print(f"memory of training [784,30,10]        {memory:8.1f} MiB resident at the peak, without the data")


if __name__ == "__main__":
    main()
