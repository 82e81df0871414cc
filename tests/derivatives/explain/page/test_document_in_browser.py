"""The page in a Chromium without network: every control by mouse and by keyboard, and no message on the console.

Needs playwright (``pip install -e ".[browser]"``) and a Chromium (Debian: ``apt-get install chromium``). The tests of
accessibility also need axe-core: AXE_CORE is the path of its ``axe.min.js`` (``npm pack axe-core``).
"""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import fastbp
from fastbp.formulations import loops

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
AXE = os.environ.get("AXE_CORE")

X, Y = np.random.default_rng(0).random((8, 2)), np.random.default_rng(1).random((8, 2))
NASTY = '<img src="x" onerror="alert(1)">'


def small_net():
    net = fastbp.Network([2, 3, 2], activation="sigmoid", cost="quadratic", dtype="float64", seed=3)
    net.parameters[:] = np.random.default_rng(2).normal(size=net.parameters.size)
    return net


def large_net():
    return fastbp.Network([40, 20, 3], activation="tanh", output_activation="softmax", seed=1, dtype="float64")


def own_net():
    soft = fastbp.Activation("softsign", lambda z: z / (1 + abs(z)), lambda z: 1 / (1 + abs(z)) ** 2)
    return fastbp.Network([2, 3, 2], activation=soft, output_activation="identity", seed=0, dtype="float64")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    small_net().trace(X[0], Y[0]).to_html(folder / "small.html", names=[NASTY, "b"], input_names=["p", NASTY])
    large_net().trace(np.linspace(0, 1, 40), 1).to_html(folder / "large.html")
    own_net().trace(X[0], Y[0]).to_html(folder / "own.html")
    net, recorder = small_net(), fastbp.Recorder(lambda net: net.trace(X[0], Y[0]))
    net.fit(X, Y, epochs=3, batch_size=8, optimizer=fastbp.SGD(2.0), callbacks=[recorder], progress=False)
    recorder.to_html(folder / "epochs.html")
    wild = fastbp.Network([2, 3, 2], activation="relu", cost="quadratic", seed=0, dtype="float64")
    wild.weights[0][:] = [[1e200, np.nan], [1e200, 1e200], [0, 0]]
    wild.weights[1][:] = 1e200
    wild.trace(X[0], Y[0]).to_html(folder / "wild.html")
    (folder / "notebook.html").write_text(own_net().trace(X[0], Y[0])._repr_html_(), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, folder):
    """Open a page of the folder; at the end there must have been no request, message or dialog."""
    wrong, contexts = [], []

    def opened(name, **options):
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
        context.set_offline(True)
        page = context.new_page()
        page.set_default_timeout(5000)
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: request.url.startswith(("file:", "data:")) or wrong.append(request.url))
        page.goto((folder / f"{name}.html").as_uri())
        contexts.append(context)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


def neuron(l, j):
    return f".neuron[aria-label*='neuron {j}'][aria-label$='layer {l}']"


def place_on_line(page, l, j, k):
    """Return the point of a weight's line at a fifth of its length, where no other line crosses it."""
    line = page.locator(f".edge[aria-label*='weight from neuron {k} to neuron {j} of layer {l}'] .hit")
    return line.evaluate(
        """line => { const at = name => line[name].baseVal.value, screen = line.getScreenCTM();
        const x = at('x1') + 0.2 * (at('x2') - at('x1')), y = at('y1') + 0.2 * (at('y2') - at('y1'));
        return [x * screen.a + screen.e, y * screen.d + screen.f]; }"""
    )


def click_weight(page, l, j, k):
    page.mouse.click(*place_on_line(page, l, j, k))


def panel(page):
    return page.inner_text("#panel")


def shown(value):
    """A number as the page writes it."""
    return f"{value:.4g}".replace("-", "−")


def facts(page):
    return [float(fact.get_attribute("data-value")) for fact in page.query_selector_all("#nudge dd")]


def activations(page):
    return [float(node.get_attribute("data-a")) for node in page.query_selector_all(".neuron")]


def cost(page):
    return float(page.get_attribute(".cost", "data-c"))


def is_trace(page, trace):
    """Whether a of all neurons and C are those of the trace, whose layers are all shown."""
    expected = np.concatenate([layer.a for layer in trace.layers])
    np.testing.assert_allclose(activations(page), expected, rtol=1e-12, atol=0)
    assert cost(page) == pytest.approx(trace.cost, rel=1e-12)
    return True


def test_steps_by_mouse(opened):
    page, titles = opened("small"), []
    while page.is_enabled("#next"):
        page.click("#next")
        titles.append(page.inner_text("#step-title"))
    assert [re.sub(r".*?(BP\d|layer \d: \w+|$).*", r"\1", title) for title in titles] == [
        "", "layer 1: weighted", "layer 1: activations", "layer 2: weighted", "layer 2: activations", "",
        "BP1", "BP3", "BP4", "BP2", "BP3", "BP4", "",
    ]  # fmt: skip
    page.click("#back")
    assert page.inner_text("#step-title") == titles[-2]
    page.click("#first")
    assert page.inner_text("#step-title") == "The whole sample" and page.is_disabled("#back")


def test_steps_by_keyboard_show_what_is_known(opened):
    page = opened("small")
    page.focus("#step")
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    trace = small_net().trace(X[0], Y[0])
    texts = page.locator(".neuron text").all_text_contents()
    assert texts[2] == f"{trace.layers[1].z[0]:.2f}".replace("-", "−") and texts[5:] == ["", ""]
    assert page.text_content(".quantity >> nth=1") == "z⁽¹⁾"
    page.keyboard.press("End")
    assert page.inner_text("#step-title") == "The whole gradient"
    assert page.text_content(".quantity >> nth=1") == "δ⁽¹⁾"
    page.focus("#first")
    page.keyboard.press("Enter")
    assert page.inner_text("#step-title") == "The whole sample"


def test_the_code_of_a_step_is_that_of_loops(opened):
    page = opened("small")
    page.click("#next >> nth=0")
    page.click("#next >> nth=0")
    page.focus("#code summary")
    page.keyboard.press("Enter")
    number, code = page.inner_text("#code pre .now").strip().split(maxsplit=1)
    assert Path(loops.__file__).read_text("utf-8").splitlines()[int(number) - 1].strip() == code
    assert code == "weighted_input += w[j, k] * a_previous[k]"


def test_pointing_explains_and_leaving_lets_go(opened):
    page, trace = opened("small"), small_net().trace(X[0], Y[0])
    page.hover(neuron(1, 2))
    text = panel(page)
    for number in (trace.layers[1].z[2], trace.layers[1].a[2], trace.layers[1].delta[2], trace.layers[1].dC_da[2]):
        assert shown(number) in text
    assert "∂C/∂a, the sum over all paths" in text and "loops.py:" in text
    for term in trace.terms(1, 2):
        assert shown(term.product) in text
    lines = Path(loops.__file__).read_text("utf-8").splitlines()
    codes = [code.removeprefix("loops.py:").split(maxsplit=1) for code in page.locator("#rows .code").all_inner_texts()]
    assert len(codes) == 5 and all(lines[int(number) - 1].strip() == code for number, code in codes)
    page.mouse.move(1, 1)
    assert "Point at a neuron" in panel(page)


def test_a_weight_is_dragged_by_mouse_and_keyboard(opened):
    page, net = opened("small"), small_net()
    click_weight(page, 1, 2, 0)
    trace = net.trace(X[0], Y[0])
    assert shown(trace.layers[1].dC_dw[2, 0]) in panel(page)
    box = page.locator("#drag-slider").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2, steps=3)
    page.mouse.up()
    nudge, predicted, actual, difference = facts(page)
    assert nudge > 0.5 and difference == pytest.approx(actual - predicted)
    (step,) = net.nudge(X[0], Y[0], weight=(1, 2, 0), by=nudge, steps=1)
    assert (predicted, actual) == (pytest.approx(step.predicted, rel=1e-9), pytest.approx(step.actual, rel=1e-9))
    page.focus("#drag-slider")
    page.keyboard.press("ArrowRight")
    assert facts(page)[0] > nudge
    page.fill("#drag-value", "1.5")
    net.weights[0][2, 0] = 1.5
    assert is_trace(page, net.trace(X[0], Y[0]))
    assert "w⁽¹⁾[2,0] from" in page.inner_text("#changes")
    page.click("#reset")
    assert is_trace(page, small_net().trace(X[0], Y[0])) and page.inner_text("#changes") == ""


def test_the_line_of_a_weight_is_dragged(opened):
    page, net = opened("small"), small_net()
    page.mouse.move(*place_on_line(page, 2, 0, 1))
    page.mouse.down()
    x, y = place_on_line(page, 2, 0, 1)
    page.mouse.move(x, y - 60, steps=4)
    page.mouse.up()
    page.mouse.move(1, 1)
    nudge, predicted, actual, _ = facts(page)
    assert nudge == pytest.approx(max(2, abs(net.weights[1][0, 1])) * 60 / 150)
    (step,) = net.nudge(X[0], Y[0], weight=(2, 0, 1), by=nudge, steps=1)
    assert (predicted, actual) == (pytest.approx(step.predicted, rel=1e-9), pytest.approx(step.actual, rel=1e-9))
    assert page.inner_text("#panel-title").startswith("w⁽²⁾[0,1] = ")


def test_a_bias_and_an_input_are_dragged_too(opened):
    page, net = opened("small"), small_net()
    page.click(neuron(2, 1))
    page.fill("#drag-value", "0.25")
    net.biases[1][1] = 0.25
    page.click(neuron(0, 0))
    page.fill("#drag-value", "-1.25")
    predicted = facts(page)[1]
    assert is_trace(page, net.trace([-1.25, X[0, 1]], Y[0]))
    assert predicted == pytest.approx(net.trace(X[0], Y[0]).layers[0].dC_da[0] * (-1.25 - X[0, 0]), rel=1e-9)


def test_an_input_and_a_target_are_changed_and_everything_follows(opened):
    page, net = opened("small"), small_net()
    inputs = page.locator("#fields input")
    inputs.nth(1).fill("0.75")
    inputs.nth(1).press("Tab")
    assert is_trace(page, net.trace([X[0, 0], 0.75], Y[0]))
    inputs.nth(2).fill("2")
    inputs.nth(2).press("Enter")
    assert is_trace(page, net.trace([X[0, 0], 0.75], [2.0, Y[0, 1]]))
    inputs.nth(0).fill("")
    inputs.nth(0).press("Tab")
    assert is_trace(page, net.trace([X[0, 0], 0.75], [2.0, Y[0, 1]]))
    page.focus("#reset")
    page.keyboard.press("Enter")
    assert is_trace(page, net.trace(X[0], Y[0]))


def test_a_target_out_of_the_range_of_the_cost_is_refused(opened):
    page = opened("large")
    before, target = cost(page), page.locator("#fields input").nth(-1)
    target.fill("1.5")
    target.press("Tab")
    assert cost(page) == before and target.input_value() == "0"


def test_a_path_is_the_product_of_its_factors(opened):
    page, trace = opened("small"), small_net().trace(X[0], Y[0])
    click_weight(page, 1, 0, 1)
    page.click("text=Follow a path to C")
    products = {i: trace.path([1, 0, i]).product for i in range(2)}
    best = max(products, key=lambda i: abs(products[i]))
    assert f"1 → 0 → {best} → C" in panel(page)
    for factor in trace.path([1, 0, best]):
        assert factor.symbol in panel(page) and shown(factor.value) in panel(page)
    page.click(neuron(2, 1 - best))
    assert f"1 → 0 → {1 - best} → C" in panel(page) and shown(products[1 - best]) in panel(page)
    assert shown(trace.layers[1].dC_dw[0, 1]) in panel(page)
    field = page.locator("#route input").nth(2)
    field.focus()
    page.keyboard.press("ArrowUp" if best == 1 else "ArrowDown")
    page.keyboard.press("Tab")
    assert f"1 → 0 → {best} → C" in panel(page)
    page.click("text=Let go")
    assert "Point at a neuron" in panel(page)


def test_the_diagram_by_keyboard(opened):
    page = opened("small")
    page.focus("#net [tabindex='0']")
    title = lambda: page.inner_text("#panel-title")  # noqa: E731
    for keys, expected in (
        ("ArrowDown", f"Input 1 of layer 0: {NASTY}"), ("ArrowRight", "Neuron 1 of layer 1"),
        ("ArrowUp", "Neuron 0 of layer 1"), ("w", "weight from input 0 to neuron 0 of layer 1"),
        ("w", "weight from input 1 to neuron 0 of layer 1"), ("ArrowRight", "Neuron 0 of layer 1"),
        ("ArrowRight", f"Output 0 of layer 2: {NASTY}"), ("ArrowRight", "C = "), ("ArrowLeft", "Output 0 of layer 2"),
        ("Enter", "Output 0 of layer 2"), ("Escape", "Point at a neuron"),
    ):  # fmt: skip
        page.keyboard.press(keys)
        assert expected in title(), keys
    assert page.locator("#net [tabindex='0']").count() == 1


def test_anything_is_chosen_by_its_numbers(opened):
    page, trace = opened("large"), large_net().trace(np.linspace(0, 1, 40), 1)
    page.focus("#kind")
    page.keyboard.press("w")
    page.select_option("#layer", "1")
    page.fill("#j", "17")
    page.fill("#k", "3")
    page.keyboard.press("Enter")
    assert page.inner_text("#panel-title").startswith("w⁽¹⁾[17,3] = ")
    assert shown(trace.layers[1].dC_dw[17, 3]) in panel(page)
    assert page.locator(neuron(1, 17)).count() == 1 and page.locator(neuron(0, 3)).count() >= 1
    page.select_option("#kind", "cost")
    page.click("#chooser button")
    assert page.inner_text("#panel-title") == f"C = {shown(trace.cost)}"


def test_a_large_layer_is_summed_up_and_its_map_brings_neurons(opened):
    page, trace = opened("large"), large_net().trace(np.linspace(0, 1, 40), 1)
    assert page.locator(".others text").all_text_contents() == ["+ 30", "+ 10"]
    page.click(".others >> nth=0")
    drawn = [int(text) for text in page.locator("text.soft.left").all_text_contents()]
    others = [k for k in range(40) if k not in drawn]
    j = int(re.search(r"neuron (\d+)", page.get_attribute(".neuron >> nth=10", "aria-label"))[1])
    assert len(drawn) == 10 and "30 others of the 40 neurons of layer 0, summed up" in panel(page)
    assert shown(float(trace.layers[1].w[j, others] @ trace.x[others])) in panel(page)
    page.locator("image.map").nth(0).click(position={"x": 6, "y": 6})  # the first of 40 pixels
    assert page.inner_text("#panel-title") == "Input 0 of layer 0"
    assert page.locator("text.soft.left").all_text_contents()[0] == "0"
    page.hover(neuron(1, j))
    assert "the 34 others" in panel(page)


@pytest.mark.parametrize("width", [390, 1280])
def test_no_map_covers_another(width, opened):
    page = opened("large", viewport={"width": width, "height": 844})
    one, other = (page.locator(".map-frame").nth(i).bounding_box() for i in range(2))
    beside = one["x"] + one["width"] <= other["x"]
    assert beside or one["y"] + one["height"] <= other["y"]
    assert beside == (width == 1280)


def test_epochs_by_mouse_and_keyboard(opened):
    net, recorder = small_net(), fastbp.Recorder(lambda net: net.trace(X[0], Y[0]))
    net.fit(X, Y, epochs=3, batch_size=8, optimizer=fastbp.SGD(2.0), callbacks=[recorder], progress=False)
    page = opened("epochs")
    assert page.inner_text("#epoch-name") == "after epoch 3" and is_trace(page, recorder.values[3])
    heights = [float(spot.split()[1]) for spot in page.get_attribute("#costs path", "d")[1:].split("L")]
    costs = np.array([trace.cost for trace in recorder.values])
    assert heights == pytest.approx(38 - 32 * costs / costs.max())
    assert float(page.get_attribute("#costs circle", "cy")) == pytest.approx(heights[3])
    page.focus("#epoch")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#epoch-name") == "after epoch 2" and is_trace(page, recorder.values[2])
    box = page.locator("#epoch").bounding_box()
    page.mouse.click(box["x"] + 2, box["y"] + box["height"] / 2)
    assert page.inner_text("#epoch-name") == "before training" and is_trace(page, recorder.values[0])


def test_a_step_of_gradient_descent(opened):
    page, net = opened("small"), small_net()
    page.focus("#step")
    page.keyboard.press("End")
    page.fill("#rate", "0.25")
    page.click("text=Take a step of gradient descent")
    net.parameters[:] -= 0.25 * net.trace(X[0], Y[0]).gradient.vector
    assert is_trace(page, net.trace(X[0], Y[0]))
    page.click("#reset")
    assert is_trace(page, small_net().trace(X[0], Y[0]))


def test_functions_of_ones_own_show_pythons_numbers(opened):
    page, trace = opened("own"), own_net().trace(X[0], Y[0])
    assert "Your own “softsign” cannot run in a browser" in page.inner_text("#facts")
    assert is_trace(page, trace)
    page.click(neuron(1, 1))
    assert shown(trace.layers[1].delta[1]) in panel(page) and "undefined" not in panel(page)
    assert page.is_hidden("#drag") and page.locator("#fields input:enabled").count() == 0
    page.click("text=Follow a path to C")
    assert shown(trace.path(trace_of_path(page), of="activation").product) in panel(page)


def test_numbers_that_are_not_finite_are_shown_as_what_they_are(opened):
    page = opened("wild")
    assert page.text_content(".cost text >> nth=1") == "NaN"
    for what in (neuron(1, 0), neuron(1, 1), neuron(2, 0), ".cost"):
        page.click(what)
        assert "NaN" in panel(page) or "∞" in panel(page)
    click_weight(page, 1, 1, 0)
    page.fill("#drag-value", "1e300")
    page.click("text=Follow a path to C")
    page.focus("#step")
    page.keyboard.press("End")


def trace_of_path(page):
    return [int(number) for number in re.findall(r"\d+(?= →)", page.inner_text("#panel-title"))]


def test_labels_are_shown_as_text(opened):
    page = opened("small")
    assert NASTY in page.inner_text("#fields")
    assert page.locator("img").count() == 0


def test_tables_show_all_numbers(opened):
    page, trace = opened("small"), small_net().trace(X[0], Y[0])
    page.focus("#tables summary")
    page.keyboard.press("Enter")
    page.wait_for_selector("#tables caption")
    assert shown(trace.layers[1].delta[2]) in page.inner_text("#tables")


def test_a_notebook_shows_it_in_a_frame(opened):
    page = opened("notebook")
    inside = page.frame_locator("iframe")
    inside.locator("#next").click()
    assert inside.locator("#step-title").inner_text() == "The sample goes in"


@pytest.mark.parametrize("name", ["small", "large"])
def test_a_phone_shows_it_without_scrolling_sideways(name, opened):
    page = opened(name, viewport={"width": 390, "height": 800}, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.tap(neuron(1, 2) if name == "small" else ".neuron >> nth=12")
    assert "of layer 1" in page.inner_text("#panel-title")
    assert page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.skipif(AXE is None, reason="AXE_CORE is not set to axe.min.js")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["small", "large", "own", "epochs"])
def test_there_is_no_violation_of_level_a_or_aa(name, scheme, opened):
    page = opened(
        name, color_scheme=scheme, bypass_csp=True, viewport={"width": 390 if scheme == "dark" else 1280, "height": 900}
    )
    page.evaluate(Path(str(AXE)).read_text("utf-8"))

    def violations():
        options = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']}"
        found = page.evaluate(f"axe.run(document, {options})")["violations"]
        return [(one["id"], one["nodes"][0]["html"], one["nodes"][0]["failureSummary"]) for one in found]

    assert violations() == []
    page.select_option("#kind", "weight")
    page.click("#chooser button")
    assert violations() == []
    page.click("text=Follow a path to C")
    page.focus("#step")
    page.keyboard.press("End")
    page.click("#tables summary")
    page.click("#code summary")
    assert violations() == []
