import json
import re

import numpy as np
import pytest

import fastbp
from fastbp.derivatives.explain.page import document

X, Y = np.random.default_rng(0).random((8, 2)), np.random.default_rng(1).random((8, 1))


def recorded(function=lambda net: net.trace(X[0], Y[0]), fits=1):
    net, recorder = fastbp.Network([2, 3, 1], cost="quadratic", seed=0), fastbp.Recorder(function)
    for _ in range(fits):
        net.fit(X, Y, epochs=2, batch_size=8, optimizer=fastbp.SGD(0.1), callbacks=[recorder], progress=False)
    return recorder


def frames_of(path):
    page = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])["frames"]


def test_a_page_has_every_epoch(tmp_path):
    recorder = recorded()
    recorder.to_html(tmp_path / "page.html", names=["out"], input_names=["a", "b"], title="A training")
    frames = frames_of(tmp_path / "page.html")
    assert [frame["name"] for frame in frames] == ["before training", "after epoch 1", "after epoch 2"]
    assert len({frame["theta"]["d"] for frame in frames}) == 3
    assert "<title>A training</title>" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_second_fit_is_named_and_some_values_may_be_taken_away(tmp_path):
    recorder = recorded(fits=2)
    recorder.to_html(tmp_path / "page.html")
    two = ["before training", "after epoch 1", "after epoch 2"]
    assert [frame["name"] for frame in frames_of(tmp_path / "page.html")] == two * 2
    recorder.values = recorder.values[::3]
    recorder.to_html(tmp_path / "page.html")
    assert [frame["name"] for frame in frames_of(tmp_path / "page.html")] == ["trace 0", "trace 1"]


def test_values_that_are_no_traces_of_one_sample_are_refused(tmp_path):
    hint = r"record them in a fit, by Recorder\(lambda net: net.trace\(x, y\)\)"
    with pytest.raises(TypeError, match=f"this recorder has nothing yet: {hint}"):
        fastbp.Recorder(lambda net: None).to_html(tmp_path / "page.html")
    with pytest.raises(TypeError, match=f"this recorder has float, not traces: {hint}"):
        recorded(lambda net: 1.5).to_html(tmp_path / "page.html")
    samples = iter(range(8))
    with pytest.raises(ValueError, match=r"values\[1\] is a trace of another sample or network than values\[0\]"):
        recorded(lambda net: net.trace(X[next(samples)], Y[0])).to_html(tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []


def test_a_notebook_shows_the_page_if_there_is_one():
    shown = recorded()._repr_html_()
    assert shown.startswith("<iframe") and "after epoch 2" in shown
    assert recorded(lambda net: 1.5)._repr_html_() is None


def test_too_many_epochs_are_said_with_their_size(tmp_path, monkeypatch):
    monkeypatch.setattr(document, "LARGEST", 150)
    with pytest.raises(ValueError, match=r"3 traces of the network 2 → 3 → 1 would have .* take fewer traces"):
        recorded().to_html(tmp_path / "page.html")
