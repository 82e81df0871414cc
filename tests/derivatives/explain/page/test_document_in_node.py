"""The page's JavaScript computes the numbers of Python, in Node: the scripts and the data are those of whole pages."""

import itertools
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

import fastbp
from fastbp.derivatives.explain.page import document
from fastbp.derivatives.explain.page.document import packed
from fastbp.functions.activations import ACTIVATIONS
from fastbp.functions.costs import COSTS
from fastbp.network.network import Network

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="Node.js (node) is not installed")

CLOSE = 1e-12  # relative to the largest number of a layer, or to the numbers whose difference δ is
ELEMENTWISE = [name for name in ACTIVATIONS if name != "softmax"]

REPORT = """
const at = {data, live: true, net: networkOf(data, unpack(data.frames[0].theta)), state: newState(data.sizes)};
at.state.a[0].set(unpack(data.x));
const y = unpack(data.y), L = data.sizes.length - 1;
backwardSample(forwardSample(at.state, at.net, y), at.net, y);
const {z, a, delta, dCda, C} = at.state;
const dCdw = at.net.w.slice(1).map((w, i) =>
  w.map((_, p) => weightGradient(at.state, i + 1, Math.floor(p / data.sizes[i]), p % data.sizes[i])));
const path = {of: "weight", l: 0, neurons: data.sizes.map(n => n - 1)}, strongest = strongestPath(at, 0, [0, 0]);
const {product} = alongPath(at, path), said = [];
const shown = data.sizes.map((n, l) => l ? [0] : [...Array(n).keys()]);
for (const step of stepsOf(at)) said.push(...sayStep(at, step));
for (const kind of ["neuron", "weight", "path", "cost", "others"]) {
  said.push(JSON.stringify(explain(at, {...path, kind, l: kind === "weight" ? L : 0, j: 0, k: 0, shown})));
}
reports.push({z, a, delta, dCda, C, dCdw, product, strongest, strongestProduct:
  alongPath(at, {of: "weight", l: 0, neurons: strongest}).product, said: said.join(" ")});
"""


def page_of(trace):
    return document.html_of([trace])


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])


def run_node(folder, pages, report=REPORT):
    """Run `report` with the scripts and the data of each page; return what it has pushed to `reports`."""
    scripts = re.search(r"<script>\n(.*)</script>", pages[0], re.S)[1]
    scripts = scripts[: scripts.index("const data = JSON.parse(document")]  # without what needs a browser
    (folder / "data.json").write_text(json.dumps([data_of(page) for page in pages]), encoding="utf-8")
    program = f"""
const fs = require("fs"), reports = [];
{scripts}
for (const data of JSON.parse(fs.readFileSync("data.json"))) {{ {report} }}
const plain = (key, value) => value instanceof Float64Array ? Array.from(value) : value;
fs.writeFileSync("reports.json", JSON.stringify(reports, plain));
"""
    (folder / "program.js").write_text(program, encoding="utf-8")
    done = subprocess.run(
        [NODE, "program.js"], cwd=folder, capture_output=True, text=True, encoding="utf-8", timeout=100
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "reports.json").read_text(encoding="utf-8"))


def pairs():
    """Every output activation with every cost that is defined for it."""
    costs = [*COSTS.values(), fastbp.Huber(0.3), fastbp.Quantile(0.9)]
    return [(sigma, cost) for sigma in ACTIVATIONS.values() for cost in costs if cost.refusal(sigma) is None]


def random_net(i, rng):
    """Net i of a series in which all pairs of output activation and cost, and all hidden activations, come up."""
    sigma, cost = pairs()[i % len(pairs())]
    sizes = [int(n) for n in rng.integers(1, 7, size=rng.integers(2, 6))]
    hidden = [ELEMENTWISE[(i + l) % len(ELEMENTWISE)] for l in range(len(sizes) - 2)]
    net = Network(sizes, activation=hidden, output_activation=sigma, cost=cost, seed=i, dtype="float64")
    net.parameters[:] = rng.normal(scale=rng.choice([0.3, 1.0, 2.0]), size=net.parameters.size)
    y = rng.uniform(size=sizes[-1])
    if sigma.name == "softmax" and cost.name == "cross_entropy":
        y /= y.sum()
    return net, rng.normal(size=sizes[0]), y


def apart(ours, theirs, scale=0.0):
    ours, theirs = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    assert ours.shape == theirs.shape and np.isfinite(theirs).all()
    return float(np.abs(ours - theirs).max() / max(np.abs(theirs).max(), scale, 1e-300))


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    rng = np.random.default_rng(0)
    traces = []
    while len(traces) < 200:
        net, x, y = random_net(len(traces), rng)
        trace = net.trace(x, y)
        if all(np.isfinite(at.dC_da).all() and np.abs(at.a).max() < 1e100 for at in trace.layers):
            traces.append(trace)
        else:  # exponentials of exponentials
            net.parameters[:] *= 0.01
            traces.append(net.trace(x, y))
    return traces, run_node(tmp_path_factory.mktemp("node"), [page_of(trace) for trace in traces])


def test_all_numbers_of_200_random_nets_are_pythons(compared):
    traces, reports = compared
    worst = {}
    for trace, report in zip(traces, reports, strict=True):
        output = np.abs([trace.layers[-1].a, trace.y]).max()  # δ of the outputs is often a − y
        rounded = output  # of what numbers that are subtracted backwards, so that the rest may be rounding alone
        for at in reversed(trace.layers):
            numbers = {"a": at.a, "dCda": at.dC_da}
            if at.l:
                numbers |= {"z": at.z, "delta": at.delta}
            for key, theirs in numbers.items():
                terms = np.abs(at.w * at.a_before).sum(axis=1).max() if key == "z" else 0.0
                found = apart(report[key][at.l], theirs, max(terms, rounded if key in ("delta", "dCda") else 0.0))
                worst[key] = max(worst.get(key, 0.0), found)
            scale, rounded = rounded, rounded * np.abs(at.w).sum(axis=0).max() if at.l else 0.0
            if at.l:
                found = apart(report["dCdw"][at.l - 1], at.dC_dw.ravel(), scale * np.abs(at.a_before).max())
                worst["dCdw"] = max(worst.get("dCdw", 0.0), found)
        cost = abs(report["C"] - trace.cost) / max(abs(trace.cost), output)
        worst["C"] = max(worst.get("C", 0.0), cost)
    print(f"largest differences: {worst}")
    assert set(worst) == {"a", "dCda", "z", "delta", "dCdw", "C"}
    assert max(worst.values()) <= CLOSE, worst


def test_paths_are_pythons(compared):
    for trace, report in zip(*compared, strict=True):
        path = trace.path([n - 1 for n in trace.sizes])
        assert report["product"] == pytest.approx(path.product, rel=1e-10, abs=1e-12)
        every = [trace.path([0, 0, *rest]).product for rest in itertools.product(*map(range, trace.sizes[2:]))]
        assert report["strongest"][:2] == [0, 0]
        assert abs(report["strongestProduct"]) == pytest.approx(max(map(abs, every)), rel=1e-10, abs=1e-12)


def test_nothing_that_is_said_has_a_gap(compared):
    for report in compared[1]:
        assert "undefined" not in report["said"] and "[object" not in report["said"]


def test_saturated_outputs_are_finite(tmp_path):
    """C and δ come from z where a is rounded to 0 or 1, as in Python."""
    traces = []
    for sigma, cost in (("sigmoid", "cross_entropy"), ("softmax", "cross_entropy"), ("sigmoid", "poisson"),
                        ("softplus", "poisson"), ("softmax", "poisson"), ("exponential", "poisson")):  # fmt: skip
        net = Network([1, 2], activation=sigma, cost=cost, initializer="zeros", dtype="float64")
        net.weights[0][:] = [[1.0], [-1.0]]
        traces += [net.trace([scale], [0.25, 0.75]) for scale in (-700.0, -50.0, 45.0)]
    for trace, report in zip(traces, run_node(tmp_path, [page_of(trace) for trace in traces]), strict=True):
        assert report["C"] == pytest.approx(trace.cost, rel=CLOSE)
        assert apart(report["delta"][1], trace.layers[1].delta) <= CLOSE


def test_numbers_arrive_to_the_last_bit(tmp_path):
    patterns = np.random.default_rng(1).integers(0, 2**64, size=1000, dtype=np.uint64)
    patterns = np.append(patterns, np.arange(2047, dtype=np.uint64) << np.uint64(52))  # every exponent
    special = np.array([0.0, -0.0, 5e-324, np.inf, -np.inf, 1.7976931348623157e308, 0.1])
    for of_bits in (patterns.view(np.float64), patterns.view(np.float32)):
        numbers = np.concatenate([special[:2], of_bits[np.isfinite(of_bits)].astype(np.float64), special[2:]])
        numbers = numbers if of_bits.dtype == np.float64 else numbers[:-5]
        assert packed(numbers)["f"] == ("f8" if of_bits.dtype == np.float64 else "f4")
        page = f'<script type="application/json" id="data">{json.dumps(packed(numbers))}</script>'
        page += page_of(Network([1, 1], seed=0).trace([1.0], [1.0])).split("</script>", 1)[1]
        (back,) = run_node(
            tmp_path, [page], "reports.push(Array.from(unpack(data), x => Object.is(x, -0) ? '-0' : String(x)));"
        )
        assert [float(text) for text in back] == numbers.tolist()
        assert [text.startswith("-") for text in back] == np.signbit(numbers).tolist()
