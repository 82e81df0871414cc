"""Data come to other processes as they were: arrays at cache lines, memory maps in their files."""

import numpy as np
import pytest

from fastbp.model import CACHE_LINE
from fastbp.population import parcels
from fastbp.population.parcels import Parcel, opened

X = np.arange(60, dtype=np.float32).reshape(12, 5)


@pytest.fixture
def elsewhere(monkeypatch):
    """Open parcels as another process does, which has none yet."""
    monkeypatch.setattr(parcels, "_own", {})
    monkeypatch.setattr(parcels, "_kept", type(parcels._kept)())


def sent(things, monkeypatch, as_bytes=False):
    with Parcel(things, None) as parcel:
        with monkeypatch.context() as patch:
            patch.setattr(parcels, "_own", {})
            return opened(parcel.key, parcel.as_bytes() if as_bytes else parcel.source)


@pytest.mark.parametrize("as_bytes", [False, True])
def test_things_arrive_as_they_were(as_bytes, elsewhere, monkeypatch):
    things = {
        "X": X,
        "again": X,
        "list": [X[1:, 2], X[::-1], X.T, np.array(3.0), np.empty((0, 5))],
        "word": "w",
        "n": 3,
    }
    found = sent(things, monkeypatch, as_bytes)
    assert found["X"] is found["again"] and found["word"] == "w" and found["n"] == 3
    for given, arrived in zip([X, *things["list"]], [found["X"], *found["list"]], strict=True):
        assert type(arrived) is np.ndarray and arrived.dtype == given.dtype
        np.testing.assert_array_equal(arrived, given)
    assert as_bytes or (found["X"].ctypes.data % CACHE_LINE == 0 and not found["X"].flags.writeable)


VIEWS = {
    "all": lambda a: a, "rows": lambda a: a[3:7], "backward": lambda a: a[::-2], "part": lambda a: a[2:, 1:3],
    "turned": lambda a: a.T,
}  # fmt: skip


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_maps_stay_in_their_files(order, view, elsewhere, monkeypatch, tmp_path):
    np.save(tmp_path / "X.npy", np.asarray(X, order=order))
    given = VIEWS[view](np.load(tmp_path / "X.npy", mmap_mode="r+"))
    given[0, 0] = 1e6  # written to the file
    things = sent([given], monkeypatch)
    assert isinstance(things[0], np.memmap)
    np.testing.assert_array_equal(things[0], given)
    given[0, 0] = 2e6
    assert things[0][0, 0] == 2e6 and not things[0].flags.writeable  # the same file
    as_bytes = sent([given], monkeypatch, as_bytes=True)
    assert type(as_bytes[0]) is np.ndarray
    np.testing.assert_array_equal(as_bytes[0], given)


def test_changes_that_are_not_in_the_file_arrive(elsewhere, monkeypatch, tmp_path):
    np.save(tmp_path / "X.npy", X)
    given = np.load(tmp_path / "X.npy", mmap_mode="c")
    given[0, 0] = -1
    assert sent([given], monkeypatch)[0][0, 0] == -1


def test_a_parcel_is_opened_once_and_its_file_is_removed(elsewhere, monkeypatch):
    parcels_of_two = [Parcel([X], None) for _ in range(parcels.MOST_KEPT + 1)]
    for parcel in parcels_of_two:
        with parcel:
            path, things = parcel.source, opened(parcel.key, None)
            assert things is opened(parcel.key, path) and things[0] is X  # this process has them
            monkeypatch.setattr(parcels, "_own", {})
            arrived = opened(parcel.key, path)
            assert arrived[0] is not X
        with pytest.raises(FileNotFoundError):
            open(path, "rb").close()
        assert opened(parcel.key, path) is arrived
    assert len(parcels._kept) == parcels.MOST_KEPT
    with pytest.raises(FileNotFoundError):
        opened(parcels_of_two[0].key, path)


def test_another_file_is_not_opened(elsewhere, monkeypatch):
    with Parcel([X], None) as parcel, Parcel([X + 1], None) as other:
        monkeypatch.setattr(parcels, "_own", {})
        with pytest.raises(OSError, match="another file"):
            opened(parcel.key, other.source)


def test_dask_scatters_to_all_workers(elsewhere, monkeypatch):
    class Scattered:
        status = "finished"

    class Client:
        scattered = ()

        def scatter(self, content, broadcast, hash):
            assert broadcast and not hash
            self.content, self.scattered = content, (*self.scattered, Scattered())
            return self.scattered[-1]

    class Executor:
        _client = Client()

    client = Executor._client
    with Parcel([X], Executor()) as parcel:
        monkeypatch.setattr(parcels, "_own", {})
        assert parcel.source is parcel.source is client.scattered[0]
        np.testing.assert_array_equal(opened(parcel.key, client.content)[0], X)
        client.scattered[0].status = "lost"  # with all workers that had it
        assert parcel.source is parcel.source is client.scattered[1]
