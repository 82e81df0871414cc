"""Pictures of networks, weights, errors and cost surfaces show what the network computes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastbp
from fastbp import plots

pytest.importorskip("matplotlib")
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Circle

X, Y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
IN_POINTS = 72


def texts(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def boxes(figure: Any, found: Any) -> list[Any]:
    figure.canvas.draw()
    return [
        (text.get_bbox_patch() or text).get_window_extent() for text in found if text.get_visible() and text.get_text()
    ]


def assert_readable(figure: Any, found: Any) -> None:
    """Check that all text is inside the figure, that no texts overlap, and that letters are not too small."""
    everything = boxes(figure, found)
    assert everything
    assert all(figure.bbox.contains(*box.min) and figure.bbox.contains(*box.max) for box in everything)
    pairs = [(i, j) for i, a in enumerate(everything) for j, b in enumerate(everything[:i]) if a.overlaps(b)]
    assert [(found[i].get_text(), found[j].get_text()) for i, j in pairs] == []
    assert min(text.get_fontsize() for text in found if text.get_text()) >= 4.5


@pytest.fixture
def small() -> Any:
    net = fastbp.Network([3, 2, 2], activation="sigmoid", cost="squared_error", seed=0, dtype="float64")
    net.parameters = np.linspace(-1, 1, net.parameters.size)
    net.biases[0][0] = 0
    return net


@pytest.mark.parametrize("edges", ["weights", "gradient", "vector"])
def test_lines_and_rims_are_the_parameters(small: Any, edges: str) -> None:
    x, y = [1.0, -0.5, 0.25], [1.0, 0.0]
    shown = small.gradient([x], [y]) if edges != "weights" else small
    figure = plots.network(small, x, y, edges=shown if edges == "vector" else edges)  # type: ignore[arg-type]
    largest = np.abs(np.concatenate([part.ravel() for part in (*shown.weights, *shown.biases)])).max()
    for lines, w in zip(figure.axes[0].collections, shown.weights, strict=True):
        order = np.argsort(np.abs(w), axis=None, kind="stable")
        np.testing.assert_allclose(lines.get_linewidths(), 3 * np.abs(w).ravel()[order] / largest)
        colours = [plots.POSITIVE if value > 0 else plots.NEGATIVE for value in w.ravel()[order]]
        assert [to_hex(colour).upper() for colour in lines.get_colors()] == colours
        heights = [segment[:, 1] for segment in lines.get_segments()]
        assert len({tuple(ends) for ends in heights}) == w.size  # each line joins another pair of neurons
    rims = [patch for patch in figure.axes[0].patches if patch.get_zorder() == 3][3:]
    for rim, b in zip(rims, np.concatenate(shown.biases), strict=True):
        assert rim.get_linewidth() == pytest.approx(max(0.8, 3 * abs(b) / largest))
        assert to_hex(rim.get_edgecolor()).upper() == (
            plots.GREY if b == 0 else plots.POSITIVE if b > 0 else plots.NEGATIVE
        )
    assert f"{largest:.3g}" in texts(figure)
    assert ("lines w, rims b:" if edges == "weights" else "lines ∂C/∂w, rims ∂C/∂b:") in texts(figure)


def test_neurons_show_their_activations(small: Any) -> None:
    x, y = [1.0, -0.5, 0.25], [1.0, 0.0]
    figure = plots.network(small, x, y, names=["yes", "no"])
    activations = np.concatenate([layer.a for layer in small.trace(x, y).layers])
    said = [text for text in texts(figure) if text.replace("−", "-").replace(".", "").lstrip("-").isdigit()]
    assert said[:7] == [f"{a:.2f}".replace("-", "−") for a in activations]
    assert {"yes: y = 1", "no: y = 0", "3\ninputs", "2\nsigmoid"} <= set(texts(figure))
    fills = [patch.get_facecolor() for patch in figure.axes[0].patches if patch.get_zorder() == 3]
    blueness = [fill[2] - fill[0] for fill in fills]
    assert np.argsort(blueness).tolist() == np.argsort(activations).tolist()
    assert_readable(figure, figure.axes[0].texts)
    assert len(plots.network(small).axes[0].patches) == 2 * 7
    assert "−0.50" not in texts(plots.network(small))


@pytest.mark.parametrize(
    ("sizes", "most", "shown"),
    [([784, 30, 10], 8, [7, 7, 7]), ([64, 30, 10], 11, [10, 10, 10]), ([9, 3, 1], 8, [7, 3, 1])],
)
def test_large_layers_have_dots(sizes: list[int], most: int, shown: list[int]) -> None:
    figure = plots.network(fastbp.Network(sizes, seed=0), most=most)
    lines = [len(collection.get_segments()) for collection in figure.axes[0].collections]
    assert lines == [shown[0] * shown[1], shown[1] * shown[2]]
    circles = [patch for patch in figure.axes[0].patches if isinstance(patch, Circle)]
    hidden = sum(n > most for n in sizes)
    assert len(circles) == 2 * sum(shown) + 3 * hidden
    assert_readable(figure, figure.axes[0].texts)
    assert f"{sizes[0]}\ninputs" in texts(figure)


def test_a_deep_net_in_one_column_is_readable() -> None:
    net = fastbp.Network([12, 5, 5, 5, 5, 3], activation="leaky_relu", seed=0)
    figure = plots.network(net, np.arange(12) * 11.1, [1, 2, 3])
    assert figure.get_size_inches()[0] == 3.5
    assert_readable(figure, figure.axes[0].texts)


def test_wrong_arguments_of_a_picture_of_a_network(small: Any) -> None:
    for wrong, words in (
        ({"edges": "gradient"}, "x"), ({"x": [1, 2, 3], "edges": "gradient"}, "target y"), ({"y": [1, 0]}, "x"),
        ({"most": 2}, "at least 3"), ({"names": ["a"]}, "1 names for 2"), ({"edges": "weight"}, "must be 'weights'"),
        ({"x": [1, 2]}, "features|shape"), ({"edges": fastbp.ParameterVector([1, 1], np.ones(2))}, r"\[1, 1\]"),
        ({"width": 0}, "inches"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            plots.network(small, **wrong)  # type: ignore[arg-type]


def product_to_the_cost(figure: Any, *names: str) -> float:
    """The product of the derivatives with these names, as printed in the figure."""
    written = [text.split("\n") for text in texts(figure)]
    return float(np.prod([float(number.replace("−", "-")) for name, *number_ in written if name in names
                          for number in number_]))  # fmt: skip


def test_the_tree_of_a_chain_multiplies_out() -> None:
    net = fastbp.Network([1, 1, 1, 1], activation="sigmoid", cost="squared_error", dtype="float64")
    net.parameters = [1.0, 0.0, 2.0, -1.0, -1.0, 1.0]
    figure = plots.computation_tree(net, [1.0], [0.0])
    g = net.gradient([[1.0]], [[0.0]])
    for l in range(3):
        w, b = net.weights[l][0, 0], net.biases[l][0]
        dw, db = g.weights[l][0, 0], g.biases[l][0]
        for letter, value, derivative in (("w", w, dw), ("b", b, db)):
            text = f"${letter}^{{({l + 1})}}$ = {value:.3g}\n∂C/∂{letter} {derivative:.3g}"
            assert text.replace("-", "−") in texts(figure)
    # From b⁽¹⁾: σ′ of three layers, w of two, ∂C/∂a. The line from a⁽⁰⁾ has the w of the first layer, which is 1.
    assert product_to_the_cost(figure, "∂a/∂z", "∂z/∂a", "∂C/∂a") == pytest.approx(g.biases[0][0], rel=0.02)
    assert texts(figure).count("∂z/∂b\n1") == 3
    for layer in net.trace([1.0], [0.0]).layers[:3]:
        assert f"∂z/∂w\n{layer.a[0]:.3g}" in texts(figure)
    assert_readable(figure, figure.axes[0].texts)


def test_the_tree_says_signs_in_colours() -> None:
    net = fastbp.Network([1, 1], cost="squared_error", dtype="float64")
    net.parameters = [-2.0, 1.0]
    figure = plots.computation_tree(net, [0.0], [-1.0])
    colours = {text.get_text().split("\n")[0]: text.get_color() for text in figure.axes[0].texts}
    assert [colours[name] for name in ("∂z/∂a", "∂z/∂w", "∂z/∂b")] == [plots.NEGATIVE, plots.GREY, plots.POSITIVE]
    assert {line.get_color() for line in figure.axes[0].lines} >= {plots.NEGATIVE, plots.GREY, plots.POSITIVE}


@pytest.mark.parametrize("cost", ["squared_error", "cross_entropy"])
def test_the_tree_of_a_wide_net_follows_a_path(cost: str) -> None:
    net = fastbp.Network([64, 30, 12], activation="sigmoid", cost=cost, seed=0, dtype="float64")
    x, y = np.linspace(-30, 1, 64), np.eye(12)[3]
    figure = plots.computation_tree(net, x, y, through=[63, 29, 11])
    trace = net.trace(x, y)
    w = net.weights[1][11, 29]
    assert any(text.startswith(f"$w_{{11,29}}^{{(2)}}$ = {w:.3g}".replace("-", "−")) for text in texts(figure))
    assert any("63 other" in text for text in texts(figure)) and any("11 other" in text for text in texts(figure))
    others = trace.layers[2].z[11] - net.biases[1][11] - w * trace.layers[1].a[29]
    assert any(text.startswith("29 other") and f"{others:.3g}".replace("-", "−") in text for text in texts(figure))
    last = "∂C/∂z" if cost == "cross_entropy" else "∂C/∂a"  # for softmax, ∂a/∂z is a matrix
    assert sum(text.startswith(last) for text in texts(figure)) == 1
    assert_readable(figure, figure.axes[0].texts)
    assert len(plots.computation_tree(net, x, y, depth=1).axes[0].texts) < len(figure.axes[0].texts)
    for wrong in ([0, 0], [0, 0, 12], [0, -1, 0]):
        with pytest.raises(ValueError, match="one neuron"):
            plots.computation_tree(net, x, y, through=wrong)
    with pytest.raises(ValueError, match="depth"):
        plots.computation_tree(net, x, y, depth=0)


def test_letters_between_powers_of_ten_are_as_small_as_the_others() -> None:
    """If all norms lie in one decade, the axis labels numbers between the powers of ten."""
    axes = plots.error_norms([[0.003, 0.004], [0.006, 0.009]]).axes[0]
    axes.figure.canvas.draw()
    sizes = {label.get_fontsize() for minor in (False, True) for label in axes.get_yticklabels(minor=minor)}
    assert len(axes.get_yticklabels(minor=True)) > 0 and len(sizes) == 1


def test_recorder_and_error_norms() -> None:
    net = fastbp.Network([2, 4, 3, 1], activation="sigmoid", cost="quadratic", seed=0, dtype="float64")
    recorder = fastbp.Recorder(lambda net: fastbp.error_norms(net, X, Y))
    deltas = [
        np.mean([net.trace(x, [y]).layers[l].delta for x, y in zip(X, Y, strict=True)], axis=0) for l in (1, 2, 3)
    ]
    net.fit(X, Y, epochs=30, callbacks=[recorder])
    assert len(recorder.values) == 31
    np.testing.assert_allclose(recorder.values[0], [np.linalg.norm(delta) for delta in deltas])
    np.testing.assert_allclose(recorder.values[-1], fastbp.error_norms(net, X, Y))
    figure = plots.error_norms(recorder.values)
    for l, line in enumerate(figure.axes[0].lines):
        np.testing.assert_allclose(line.get_ydata(), [norms[l] for norms in recorder.values])
    assert len({to_rgba(line.get_color()) for line in figure.axes[0].lines}) == 3
    assert figure.axes[0].get_yscale() == "log"
    legend = figure.axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["layer 3", "layer 2", "layer 1"]
    figure.canvas.draw()
    box = legend.get_window_extent()
    assert figure.bbox.contains(*box.min) and figure.bbox.contains(*box.max)
    with pytest.raises(TypeError, match="function of the network"):
        fastbp.Recorder(3)  # type: ignore[arg-type]
    for wrong in ([], [1.0], [[-1.0]], [[np.nan]]):
        with pytest.raises(ValueError, match=r"needed is|must be finite"):
            plots.error_norms(wrong)


def test_weights_as_images() -> None:
    net = fastbp.Network([6, 5, 2], seed=0, dtype="float64")
    figure = plots.weight_images(net, (2, 3), neurons=[4, 0, 1])
    image = figure.axes[0].images[0]
    mosaic = image.get_array().filled(np.nan)
    np.testing.assert_array_equal(mosaic[1:3, 1:4], net.weights[0][4].reshape(2, 3))
    np.testing.assert_array_equal(mosaic[1:3, 5:8], net.weights[0][0].reshape(2, 3))
    assert np.isfinite(mosaic).sum() == 3 * 6
    largest = np.abs(net.weights[0][[4, 0, 1]]).max()
    assert image.get_clim() == (-largest, largest)
    assert [to_hex(image.get_cmap()(share)).upper() for share in (0.0, 1.0)] == [plots.NEGATIVE, plots.POSITIVE]
    for wrong, words in (({}, "no square"), ({"shape": (2, 2)}, "4 pixels"), ({"neurons": [5]}, "0 to 4")):
        with pytest.raises(ValueError, match=words):
            plots.weight_images(net, **{"shape": (2, 3)} | wrong if wrong else {})  # type: ignore[arg-type]


def test_images_have_a_scale_for_their_sign() -> None:
    figure = plots.images([[0, 1, 2, 3], [-1, 0, 1, 0.5]], ["sample", "gradient"])
    grey, signed = (axes.images[0] for axes in figure.axes)
    assert (grey.get_clim(), signed.get_clim()) == ((0, 3), (-1, 1))
    assert [axes.get_title() for axes in figure.axes] == ["sample", "gradient"]
    assert grey.get_cmap().name == "Greys" and signed.get_cmap().name == "fastbp_signed"
    assert plots.images([[0, 1, 2, 3]], signed=True).axes[0].images[0].get_clim() == (-3, 3)
    with pytest.raises(ValueError, match="1 titles for 2"):
        plots.images([[0, 1, 2, 3], [1, 1, 1, 1]], ["one"])
    with pytest.raises(ValueError, match="an image a row"):
        plots.images([0, 1, 2, 3])


def test_directions_of_two_parameters_hold_the_cost() -> None:
    net = fastbp.Network([2, 2, 1], activation="tanh", cost="quadratic", seed=0, dtype="float64")
    before = net.parameters.copy()
    plane = plots.parameter_directions(net, (1, 1, 0), (2, 0))
    assert plane.names == ("$w_{10}^{(1)}$", "$b_{0}^{(2)}$")
    surface = plots.cost_surface(net, X, Y, plane, points=3)
    np.testing.assert_array_equal(net.parameters, before)
    np.testing.assert_allclose(surface.alphas, net.weights[0][1, 0] + np.array([-1, 0, 1]))
    assert surface.costs[1, 1] == pytest.approx(net.evaluate(X, Y).cost)
    net.weights[0][1, 0] += 1
    net.biases[1][0] -= 1
    assert surface.costs[0, 2] == pytest.approx(net.evaluate(X, Y).cost)
    for wrong in ((0, 0, 0), (1, 2, 0), (3, 0), 9, "w", (1, -1, 0), (1, 0, 0, 0)):
        with pytest.raises(ValueError, match="not a parameter"):
            plots.parameter_directions(net, (1, 0, 0), wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must be two"):
        plots.parameter_directions(net, 0, (1, 0, 0))


def test_random_directions_are_as_long_as_the_weights_of_each_neuron() -> None:
    net = fastbp.Network([4, 3, 2], seed=0, dtype="float64")
    plane = plots.random_directions(net, seed=1)
    for direction in (plane.u, plane.v):
        of_layer = fastbp.ParameterVector(net.sizes, direction)
        for drawn, w, b in zip(of_layer.weights, net.weights, of_layer.biases, strict=True):
            np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), np.linalg.norm(w, axis=1))
            assert not b.any()
    assert not np.allclose(plane.u, plots.random_directions(net, seed=2).u)


def test_principal_directions_hold_a_flat_path_and_the_picture_shows_it(tmp_path: Path) -> None:
    net = fastbp.Network([2, 2, 1], activation="tanh", cost="quadratic", seed=0, dtype="float64")
    recorder = fastbp.Recorder(lambda net: net.parameters.copy())
    net.fit(X, Y, epochs=25, optimizer=fastbp.SGD(0.5), batch_size=4, callbacks=[recorder])
    way = np.array(recorder.values)
    plane = plots.principal_directions(way)
    np.testing.assert_allclose([plane.u @ plane.u, plane.v @ plane.v, plane.u @ plane.v], [1, 1, 0], atol=1e-12)
    coordinates = plane.coordinates(way)
    np.testing.assert_allclose(coordinates, (way - way[-1]) @ np.column_stack([plane.u, plane.v]), atol=1e-12)
    surface = plots.cost_surface(net, X, Y, plane, descents=[way], points=7)
    for values, along in ((surface.alphas, coordinates[:, 0]), (surface.betas, coordinates[:, 1])):
        assert values[0] < along.min() and values[-1] > along.max()
    figure = plots.draw_surface(surface, [way], tmp_path / "surface.png", labels=["here"])
    assert (tmp_path / "surface.png").read_bytes().startswith(b"\x89PNG")
    axes, bar = figure.axes
    _, white, start, end = axes.lines
    np.testing.assert_array_equal(white.get_xydata(), coordinates)
    np.testing.assert_array_equal([start.get_xydata()[0], end.get_xydata()[0]], coordinates[[0, -1]])
    assert (start.get_markerfacecolor(), end.get_markerfacecolor()) == ("white", "black")
    assert axes.get_xlabel().startswith("1st component") and bar.get_ylabel() == "cost" and texts(figure) == ["here"]
    with pytest.raises(ValueError, match="on a line"):
        plots.principal_directions([[0, 0], [1, 1], [2, 2]])
    with pytest.raises(ValueError, match="labels for 1"):
        plots.draw_surface(surface, [way], labels=[])


@pytest.mark.parametrize(("low", "kind"), [(0.01, "LogNorm"), (0.5, "Normalize")])
def test_costs_that_vary_much_have_levels_at_equal_ratios(low: float, kind: str) -> None:
    plane = plots.parameter_directions(fastbp.Network([1, 1], seed=0), 0, 1)
    costs = np.array([[low, 0.6], [0.7, 1.0]])
    line = np.linspace(0, 1, 2)
    filled = plots.draw_surface(plots.CostSurface(plane, line, line, costs)).axes[0].collections[0]
    assert type(filled.norm).__name__ == kind and filled.get_cmap().name == "cividis"
    costs[:] = np.nan
    with pytest.raises(ValueError, match="finite"):
        plots.draw_surface(plots.CostSurface(plane, line, line, costs))


def test_surfaces_say_what_is_wrong() -> None:
    net = fastbp.Network([2, 1], seed=0)
    plane = plots.parameter_directions(net, 0, 1)
    for wrong, words in (({"points": 1}, "at least 2"), ({"extent": ((1, 0), (0, 1))}, "low < high")):
        with pytest.raises(ValueError, match=words):
            plots.cost_surface(net, X, Y, plane, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="3 parameters, and the network 5"):
        plots.cost_surface(fastbp.Network([4, 1], seed=0), X, Y, plane)


def test_every_picture_goes_into_given_axes() -> None:
    net = fastbp.Network([4, 3, 2], activation="sigmoid", cost="quadratic", seed=0)
    figure = Figure(figsize=(7, 7), layout="constrained")
    (a, b), (c, d), (e, f), (g, _) = figure.subplots(4, 2)
    plane = plots.random_directions(net)
    samples = np.eye(4), np.eye(4)[:, :2]
    surface = plots.cost_surface(net, *samples, plane, points=3)
    drawn = [
        plots.network(net, ax=a), plots.computation_tree(net, np.ones(4), [0, 1], ax=b), plots.weight_images(net, ax=c),
        plots.error_norms([[1, 2], [2, 3]], ax=d), plots.draw_surface(surface, ax=e),
        plots.confusion_matrix([[3, 1], [0, 2]], "ab", ax=f), plots.regression(([1, 2, 3], [1, 3, 2]), ax=g),
    ]  # fmt: skip
    assert all(each is figure for each in drawn)
    assert all(axes.has_data() or axes.texts for axes in (a, b, c, d, e, f, g))


def test_history_and_confusion_matrix_fit_a_column() -> None:
    cost = np.geomspace(1, 0.01, 30).tolist()
    history = fastbp.History(cost, cost, cost)
    figure = plots.history(history, width=3.5)
    assert figure.get_size_inches()[0] == 3.5
    cost_axes, accuracy_axes = figure.axes
    labels = [axis.label for axes in (cost_axes, accuracy_axes) for axis in (axes.xaxis, axes.yaxis)]
    assert_readable(figure, labels)
    assert accuracy_axes.get_position().y1 < cost_axes.get_position().y0  # below each other
    assert len({axes.get_position().y0 for axes in plots.history(history, width=7).axes}) == 1
    figure = plots.confusion_matrix(np.diag([123] * 10) + 1, range(10), width=3.5)
    assert figure.get_size_inches()[0] == pytest.approx(3.5)
    axes = figure.axes[0]
    assert len(axes.texts) == 100
    assert_readable(figure, axes.texts)
    ticks = [label for axis in (axes.xaxis, axes.yaxis) for label in axis.get_ticklabels()]
    assert_readable(figure, [*ticks, axes.xaxis.label, axes.yaxis.label, figure.axes[1].yaxis.label])
    with pytest.raises(ValueError, match="no room"):
        plots.confusion_matrix(np.eye(2), ["a very long name indeed", "b"], width=2)
