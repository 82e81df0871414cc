"""Files: round trips, whatever a damaged or lying file can hold, atomic writing, the safetensors package."""

import errno
import hashlib
import json
import os
import random
import stat
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from conftest import PACKAGE, TESTS
from hypothesis import given, settings
from hypothesis import strategies as st

import fastbp
from fastbp.files import container, serialization
from fastbp.formulations import FORMULATIONS
from fastbp.functions.activations import ACTIVATIONS
from fastbp.functions.costs import COSTS

MINE = fastbp.Activation("mine", lambda z: z / (1 + abs(z)), lambda z: 1 / (1 + abs(z)) ** 2, output_range="(-1, 1)")
MY_COST = fastbp.Cost("my cost", lambda a, y: (a - y) ** 4, lambda a, y: 4 * (a - y) ** 3)
DATA = TESTS / "data"
ELEMENTWISE = [name for name, activation in ACTIVATIONS.items() if not activation.whole_layer]


def round_trip(net, path, **options):
    net.save(path)
    return fastbp.load(path, **options)


def assert_equal(loaded, net):
    assert loaded.parameters.tobytes() == net.parameters.tobytes()
    assert loaded.sizes == net.sizes and loaded.dtype == net.dtype and loaded.formulation == net.formulation
    assert [a.name for a in loaded.activations] == [a.name for a in net.activations]
    assert loaded.activations == net.activations
    assert (loaded.cost.name, loaded.cost.parameter) == (net.cost.name, net.cost.parameter)
    assert loaded.metadata == net.metadata
    assert repr(loaded) == repr(net)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ELEMENTWISE)
def test_every_activation(activation, dtype, path):
    net = fastbp.Network(
        [3, 4, 2], activation=activation, output_activation=activation, cost="quadratic", dtype=dtype, seed=0
    )
    assert_equal(round_trip(net, path), net)


@pytest.mark.parametrize("formulation_", FORMULATIONS)
@pytest.mark.parametrize(
    "cost", [*COSTS, fastbp.Huber(0.1), fastbp.Huber(7), fastbp.Quantile(0.9), fastbp.Quantile(1 / 3)]
)
def test_every_cost_and_formulation(cost, formulation_, path):
    net = fastbp.Network([3, 2], cost=cost, seed=0, formulation=formulation_)
    loaded = round_trip(net, path)
    assert_equal(loaded, net)
    X, Y = [[1, 2, 3], [0, 0.5, 1]], [[0.25, 0.75], [1, 0]]
    assert loaded.evaluate(X, Y) == net.evaluate(X, Y)
    assert loaded.gradient(X, Y).vector.tobytes() == net.gradient(X, Y).vector.tobytes()


@pytest.mark.parametrize("sizes", [[1, 1], [3, 2], [2, 3, 4, 5, 1], [100, 1, 100]])
def test_every_shape(sizes, path):
    net = fastbp.Network(sizes, activation=[ELEMENTWISE[l] for l in range(len(sizes) - 2)], seed=0)
    assert_equal(round_trip(net, path), net)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=80, derandomize=True)
@given(metadata=st.dictionaries(st.text(max_size=8), JSON, max_size=4))
def test_any_metadata(metadata, tmp_path_factory):
    net = fastbp.Network([1, 1], seed=0)
    net.metadata = metadata
    assert_equal(round_trip(net, tmp_path_factory.mktemp("metadata") / "net"), net)


@pytest.mark.parametrize("values", [np.nan, np.inf, -np.inf, -0.0, 1e-310, 1.7e308])
def test_any_parameter(values, path):
    net = fastbp.Network([2, 1], dtype="float64")
    net.parameters[:] = values
    assert round_trip(net, path).parameters.tobytes() == net.parameters.tobytes()


def test_what_json_cannot_hold_is_refused_and_the_old_file_stays(path):
    net = fastbp.Network([2, 1], seed=0)
    net.save(path)
    before = path.read_bytes()
    net.metadata["array"] = np.zeros(2)
    with pytest.raises(TypeError):
        net.save(path)
    assert path.read_bytes() == before and os.listdir(path.parent) == [path.name]


def test_a_path_may_be_a_string(path):
    net = fastbp.Network([2, 1], seed=0)
    net.save(str(path))
    assert_equal(fastbp.load(str(path)), net)


def test_a_loaded_network_goes_on_learning(path):
    net = fastbp.Network([2, 3, 1], seed=0)
    loaded = round_trip(net, path)
    X, Y = [[0, 1], [1, 0], [1, 1]], [1, 2, 3]
    for each in (net, loaded):  # one mini-batch, so that no order is drawn
        each.fit(X, Y, epochs=3, batch_size=3, optimizer=fastbp.Adam())
    assert_equal(loaded, net)
    assert np.shares_memory(loaded.weights[0], loaded.parameters) and loaded.parameters.flags.writeable


# One's own functions


def own():
    return fastbp.Network([2, 3, 1], activation=MINE, output_activation=MINE, cost=MY_COST, seed=0)


def test_ones_own_functions_are_given(path):
    net = own()
    loaded = round_trip(net, path, custom=[MY_COST, MINE])
    assert_equal(loaded, net)
    assert loaded.predict([[1, 2]]).tobytes() == net.predict([[1, 2]]).tobytes()


@pytest.mark.parametrize(
    ("custom", "message"),
    [
        ([], "the activation 'mine', which is not one of fastbp's: give yours with custom="),
        ([MY_COST], "the activation 'mine', which is not one of fastbp's"),
        ([MINE], "the cost 'my cost', which is not one of fastbp's"),
    ],
)
def test_ones_own_functions_must_be_given(custom, message, path):
    own().save(path)
    with pytest.raises(fastbp.ModelFileError, match=message) as error:
        fastbp.load(path, custom=custom)
    assert str(path) in str(error.value)


def test_ones_own_function_with_a_name_of_fastbps_is_not_taken_for_fastbps(path):
    """Saving it, or loading it without `custom`, must be refused: the network would compute something else."""
    fake = fastbp.Activation("sigmoid", MINE.function, MINE.derivative, output_range="(-1, 1)")
    net = fastbp.Network([2, 3, 1], activation=fake, cost="quadratic", output_activation="identity", seed=0)
    try:
        net.save(path)
        loaded = fastbp.load(path)
    except ValueError:
        return
    assert loaded.predict([[1, 2]]).tobytes() == net.predict([[1, 2]]).tobytes()


def test_no_code_is_run(path):
    own().save(path)
    content = path.read_bytes()
    assert b"lambda" not in content and b"pickle" not in content


# Damage


def small_file(path):
    net = fastbp.Network([2, 2, 1], activation="tanh", cost=fastbp.Huber(0.5), seed=0)
    net.metadata = {"note": "small"}
    net.save(path)
    return net, path.read_bytes()


def load_or_refuse(path, content):
    """A network that can be used, or ModelFileError with the name of the file; nothing else."""
    path.write_bytes(content)
    try:
        loaded = fastbp.load(path)
    except fastbp.ModelFileError as error:
        assert str(path) in str(error)
        return None
    assert isinstance(loaded, fastbp.Network)
    assert loaded.parameters.size == fastbp.ParameterVector.count(loaded.sizes)
    repr(loaded)
    return loaded


def test_truncation_at_every_byte(path):
    _, content = small_file(path)
    for length in range(len(content)):
        assert load_or_refuse(path, content[:length]) is None, length


@pytest.mark.parametrize("extra", [b"\0", b"x", b"\n" * 100])
def test_bytes_after_the_end(extra, path):
    _, content = small_file(path)
    assert load_or_refuse(path, content + extra) is None


def test_every_byte_changed(path):
    """In the header it is refused or harmless; in the numbers it is another number."""
    net, content = small_file(path)
    header_end = 8 + int.from_bytes(content[:8], "little")
    for position in range(len(content)):
        for flip in (0x01, 0x80):
            damaged = bytearray(content)
            damaged[position] ^= flip
            loaded = load_or_refuse(path, bytes(damaged))
            if loaded is not None and position < header_end:
                assert loaded.sizes == net.sizes and loaded.parameters.tobytes() == net.parameters.tobytes()
            if position >= header_end:
                assert loaded.parameters.tobytes() != net.parameters.tobytes()


def test_random_damage(path):
    _, content = small_file(path)
    chance = random.Random(0)
    for _ in range(1500):
        damaged = bytearray(content)
        for _ in range(chance.randint(1, 8)):
            action, position = chance.randint(0, 3), chance.randrange(len(damaged))
            if action == 0:
                damaged[position] = chance.randrange(256)
            elif action == 1:
                del damaged[position : position + chance.randint(1, 20)]
            elif action == 2:
                damaged[position:position] = bytes(chance.randrange(32, 127) for _ in range(chance.randint(1, 5)))
            else:
                damaged[position] = ord(chance.choice('0123456789"{}[]:,.-en'))
        load_or_refuse(path, bytes(damaged))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"\0" * 8,
        b"\0" * 100,
        b"\xff" * 100,
        b"PK\x03\x04" + b"\0" * 60,
        b"\x80\x05" + b"x" * 50,
        b"\x93NUMPY\x01\x00" + b"v" * 60,
        (2**63).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (4).to_bytes(8, "little") + b"null",
        (2).to_bytes(8, "little") + b"{}",
        (10**5).to_bytes(8, "little") + b"[" * 10**5,
    ],
)
def test_other_files(content, path):
    assert load_or_refuse(path, content) is None


def test_a_missing_file_is_an_oserror(path):
    with pytest.raises(FileNotFoundError):
        fastbp.load(path)
    with pytest.raises(OSError):
        fastbp.load(path.parent)


ODD = [
    None,
    True,
    0,
    1,
    -1,
    1.5,
    1e400,
    "",
    "x",
    "1",
    [],
    [1],
    [[]],
    {},
    {"a": 1},
    10**30,
    "float64",
    ["relu"],
    [2, 2, 1],
]


def places(value, at=()):
    """All places in nested dictionaries and lists."""
    yield at
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*at, key))


def replaced(value, at, new):
    if not at:
        return new
    changed = value.copy()
    changed[at[0]] = replaced(value[at[0]], at[1:], new)
    return changed


def removed(value, at):
    changed = value.copy()
    if len(at) == 1:
        del changed[at[0]]
    else:
        changed[at[0]] = removed(value[at[0]], at[1:])
    return changed


def rebuilt(header, data):
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def lying_files(content):
    """Valid JSON everywhere, but any entry is replaced by something odd, or is missing; also inside the metadata."""
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    for at in places(header):
        for odd in ODD:
            yield at, rebuilt(replaced(header, at, odd), data)
        if at:
            yield at, rebuilt(removed(header, at), data)
    inner = json.loads(header["__metadata__"]["fastbp"])
    for at in places(inner):
        changes = [replaced(inner, at, odd) for odd in ODD] + ([removed(inner, at)] if at else [])
        for change in changes:
            yield ("fastbp", *at), rebuilt(replaced(header, ("__metadata__", "fastbp"), json.dumps(change)), data)


def test_a_header_that_lies(path):
    _, content = small_file(path)
    escaped = []
    for at, lie in lying_files(content):
        try:
            load_or_refuse(path, lie)
        except Exception as error:
            escaped.append((at, repr(error)))
    assert escaped == []


def test_metadata_that_are_no_dictionary_are_refused(path):
    """`Network.metadata` is a dictionary, whatever the file says."""
    _, content = small_file(path)
    for at, lie in lying_files(content):
        if at == ("fastbp", "metadata"):
            loaded = load_or_refuse(path, lie)
            assert loaded is None or isinstance(loaded.metadata, dict)


def test_a_dtype_that_is_not_that_of_the_arrays_is_refused(path):
    """Or a float32 file would be loaded as another network."""
    net, content = small_file(path)
    loaded = load_or_refuse(path, content.replace(b"float32", b"float64"))
    assert loaded is None or loaded.dtype == net.dtype


HUGE = 10**9


def with_sizes(header, sizes):
    """The header of a file that says that its network has other sizes."""
    content = json.loads(header["__metadata__"]["fastbp"])
    return replaced(header, ("__metadata__", "fastbp"), json.dumps(replaced(content, ("architecture", "sizes"), sizes)))


@pytest.mark.parametrize(
    "change",
    [
        lambda header: replaced(header, ("weights.1", "shape"), [HUGE, HUGE]),
        lambda header: replaced(header, ("weights.1", "shape"), [2**32, 2**32]),
        lambda header: replaced(header, ("weights.1", "data_offsets"), [0, HUGE]),
        lambda header: replaced(header, ("weights.1", "data_offsets"), [-HUGE, 16]),
        lambda header: with_sizes(header, [HUGE, HUGE, 1]),
        lambda header: with_sizes(header, [2, 2, 1, HUGE]),
        lambda header: with_sizes(
            replaced(header, ("weights.1",), {"dtype": "F32", "shape": [HUGE, 0], "data_offsets": [0, 0]}),
            [0, HUGE, 1],
        ),
    ],
)
def test_no_huge_allocation_for_a_lie(change, path):
    _, content = small_file(path)
    length = int.from_bytes(content[:8], "little")
    path.write_bytes(rebuilt(change(json.loads(content[8 : 8 + length])), content[8 + length :]))
    tracemalloc.start()
    try:
        with pytest.raises(fastbp.ModelFileError):
            fastbp.load(path)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("length", [2**63, 2**40, 10**8, 10_000])
def test_no_huge_allocation_for_a_length_that_lies(length, path):
    _, content = small_file(path)
    path.write_bytes(length.to_bytes(8, "little") + content[8:])
    tracemalloc.start()
    try:
        with pytest.raises(fastbp.ModelFileError, match=f"its header should be {length} bytes"):
            fastbp.load(path)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


# Writing


@pytest.mark.parametrize("step", ["os.replace", "os.fsync", "Path.open", "file.write"])
@pytest.mark.parametrize("exists", [True, False])
def test_a_failed_save_leaves_the_old_file_and_nothing_else(step, exists, path, monkeypatch):
    old = fastbp.Network([2, 1], seed=0)
    if exists:
        old.save(path)

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    opened = Path.open

    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            self.file.__enter__()
            return self

        def __exit__(self, *error):
            return self.file.__exit__(*error)

        def write(self, content):
            self.file.write(content[: len(content) // 2])
            fail()

        def __getattr__(self, name):
            return getattr(self.file, name)

    with monkeypatch.context() as patch:
        if step == "Path.open":
            patch.setattr(Path, "open", fail)
        elif step == "file.write":
            patch.setattr(Path, "open", lambda *arguments, **options: Full(opened(*arguments, **options)))
        else:
            patch.setattr(os, step.split(".")[1], fail)
        with pytest.raises(OSError, match="No space left"):
            fastbp.Network([2, 1], seed=1).save(path)
    assert os.listdir(path.parent) == ([path.name] if exists else [])
    if exists:
        assert_equal(fastbp.load(path), old)


def test_a_save_that_is_interrupted_leaves_the_old_file(path, monkeypatch):
    old = fastbp.Network([2, 1], seed=0)
    old.save(path)

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "fsync", interrupt)
        fastbp.Network([2, 1], seed=1).save(path)
    assert os.listdir(path.parent) == [path.name]
    assert_equal(fastbp.load(path), old)


def test_a_folder_that_does_not_exist_is_an_oserror(tmp_path):
    with pytest.raises(OSError):
        fastbp.Network([2, 1]).save(tmp_path / "nowhere" / "net")


def test_a_save_replaces_the_old_file(path):
    for seed in range(3):
        net = fastbp.Network([2, 1], seed=seed)
        assert_equal(round_trip(net, path), net)
    assert os.listdir(path.parent) == [path.name]


def test_processes_ended_by_force_while_they_save():
    """A few kills; ``python tests/stress/kill_during_save.py`` does 300 of them."""
    if not hasattr(os, "fork"):
        pytest.skip("takes long where a process cannot be forked")
    script = TESTS / "stress" / "kill_during_save.py"
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, "-W", "ignore", str(script), "--kills", "5"]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stdout + process.stderr
    assert "5 kills" in process.stdout and "0 unreadable or lost models" in process.stdout


def test_a_link_stays_and_its_target_is_replaced(path):
    link = path.with_name("latest")
    try:
        link.symlink_to(path)
    except OSError:
        pytest.skip("no symbolic links here")
    for seed in range(2):
        net = fastbp.Network([2, 1], seed=seed)
        net.save(link)
        assert link.is_symlink() and not path.is_symlink()
        assert_equal(fastbp.load(path), net)


def test_the_folder_is_flushed_after_the_new_name(path, monkeypatch):
    """Else a power cut can bring the old name back, after `save` has returned."""
    if os.name == "nt":
        pytest.skip("Windows cannot flush a folder")
    done, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda f: done.append("folder" if stat.S_ISDIR(os.fstat(f).st_mode) else "file"))
    monkeypatch.setattr(os, "replace", lambda *names: done.append("name") or replace(*names))
    fastbp.Network([2, 1], seed=0).save(path)
    assert done == ["file", "name", "folder"]

    def refuse(file):
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise OSError(code, "no")
        fsync(file)

    monkeypatch.setattr(os, "fsync", refuse)
    code = errno.EINVAL  # file systems that cannot
    fastbp.Network([2, 1], seed=0).save(path)
    code = errno.EIO  # a disk that fails
    with pytest.raises(OSError, match="no"):
        fastbp.Network([2, 1], seed=0).save(path)


# Versions


def test_a_file_of_version_1_is_read():
    """Written by fastbp when it wrote version 1, and never again: whatever becomes of the format, this file is read."""
    path = DATA / "format-1.safetensors"
    loaded = fastbp.load(path)
    assert loaded.sizes == (3, 4, 2) and loaded.dtype == "float32" and loaded.formulation == "loops"
    assert [a.name for a in loaded.activations] == ["tanh", "identity"] and loaded.cost.parameter == 0.5
    assert loaded.metadata == {"note": "written by format version 1", "élan": [1, 2.5, None]}
    expected = [[float.fromhex("0x1.10b692p-1"), float.fromhex("0x1.259bdcp-5")]]  # what it predicted then
    np.testing.assert_allclose(loaded.predict([[0.5, -1, 2]]), expected, rtol=1e-6)
    assert hashlib.sha256(loaded.parameters.tobytes()).hexdigest()[:16] == "6d67823a4bf6a2f6"
    assert loaded.optimizer is None and loaded.history is None


def test_a_file_of_version_2_is_read_and_its_training_goes_on():
    """Written when version 2 was new; it is never to be written again either."""
    path = DATA / "format-2.safetensors"
    loaded = fastbp.load(path)
    assert loaded.sizes == (3, 4, 2) and loaded.dtype == "float64" and loaded.cost.name == "cross_entropy"
    assert hashlib.sha256(loaded.parameters.tobytes()).hexdigest()[:16] == "859b3f27326659b8"
    state = loaded._training.state
    assert hashlib.sha256(state.second.tobytes()).hexdigest()[:16] == "52e5926226d1404d" and state.t[0] == 4
    assert repr(loaded.optimizer) == repr(fastbp.AdamW(0.01)) and loaded._own_seed == 2580212684014218954
    assert loaded._rng.bit_generator.state["state"]["state"] == 184429380595326293708719383396114954637
    assert loaded.history.cost == [0.506186805618886, 0.4664712089060825]
    loaded.fit([[0, 1, 2], [1, 0, 3], [2, 2, 2]], [0, 1, 0], batch_size=2, epochs=1)
    assert state.t[0] == loaded._training.steps[0] == 6  # steps were the optimizer's then


def test_a_file_of_version_3_is_read_and_its_training_goes_on():
    """Written when version 3 was new; it is never to be written again either. Six steps of SGD, then two of LBFGS."""
    loaded = fastbp.load(DATA / "format-3.safetensors")
    training, optimizer = loaded._training, fastbp.LBFGS(memory=2)
    digests = [
        hashlib.sha256(array.tobytes()).hexdigest()[:16]
        for array in (loaded.parameters, training.state.first, training.state.second)
    ]
    assert digests == ["5bc83cd218afb33f", "6c3eab7d0261f56b", "bedf60af17fd2c38"]
    assert training.steps[0] == 6 and training.state.t[0] == 2 and repr(loaded.optimizer) == repr(optimizer)
    assert loaded.metadata == {"note": "written by format version 3"}
    history = loaded.fit([[0, 1, 2], [1, 0, 3], [2, 2, 2]], [0, 1, 0], epochs=1)
    assert history.cost == pytest.approx([0.14480617357874606], rel=1e-5)


@pytest.mark.parametrize("optimizer", [fastbp.LBFGS(), fastbp.ConjugateGradient()])
def test_line_searches_of_version_2_begin_without_the_memory_they_had_not_kept(optimizer, path):
    X, Y = [[0, 1, 2], [1, 0, 3], [2, 2, 2]], [0, 1, 0]
    net = fastbp.Network([3, 4, 2], cost="cross_entropy", seed=0)
    net.fit(X, Y, epochs=3, optimizer=optimizer)
    net.save(path, training_state=True)
    arrays, words = container.decode(path.read_bytes())
    content = json.loads(words["fastbp"]) | {"version": 2}
    del content["training"]["steps"]
    arrays["optimizer.first"] = arrays["optimizer.second"] = np.empty(0, np.float32)
    path.write_bytes(container.encode(arrays, json.dumps(content)))
    loaded = fastbp.load(path)
    assert loaded._training.state.t[0] == loaded._training.steps[0] == 3 and not loaded._training.state.first.any()
    loaded.fit(X, Y, epochs=2)
    content["training"]["optimizer"]["hyperparameters"]["memory"] = 10**9
    path.write_bytes(container.encode(arrays, json.dumps(content)))
    if isinstance(optimizer, fastbp.LBFGS):
        with pytest.raises(fastbp.ModelFileError, match=f"its LBFGS remembers {10**9} steps"):
            fastbp.load(path)


@pytest.mark.parametrize("version", [4, 10**9, "2", None, [1]])
def test_a_file_of_a_newer_version_is_refused_and_says_so(version, path):
    fastbp.Network([2, 1], seed=0).save(path)
    arrays, words = container.decode(path.read_bytes())
    content = {**json.loads(words["fastbp"]), "version": version}
    path.write_bytes(container.encode(arrays, json.dumps(content)))
    with pytest.raises(
        fastbp.ModelFileError, match=r"format version .*; this fastbp reads 1 to 3: install a newer one"
    ):
        fastbp.load(path)


# The safetensors package


def nets():
    """A network of each dtype, with and without the state of a training; more than ten layers, to sort their names."""
    for dtype in ("float32", "float64"):
        net = fastbp.Network([3, *range(2, 12), 2], activation="tanh", dtype=dtype, cost=fastbp.Huber(0.3), seed=0)
        net.metadata = {"note": 'é "quoted" \\ \n \x7f'}
        yield net, False
        net.fit([[1, 2, 3]], [[1, 2]], epochs=1, optimizer=fastbp.SGD(0.1))
        yield net, True  # with empty moments
        net.fit([[1, 2, 3]], [[1, 2]], epochs=1)
        yield net, True


def test_the_package_reads_our_bytes_and_writes_the_same(path):
    package = pytest.importorskip("safetensors.numpy", reason="the safetensors package is not installed")
    for net, state in nets():
        net.save(path, training_state=state)
        content = path.read_bytes()
        arrays, words = container.decode(content)
        assert package.save(package.load(content), words) == content == container.encode(arrays, words["fastbp"])
        loaded = fastbp.load(path)
        assert_equal(loaded, net)
        assert not state or vars(loaded._training.state).keys() == vars(net._training.state).keys()
        for name in vars(net._training.state) if state else ():
            mine, theirs = (vars(each._training.state)[name] for each in (net, loaded))
            assert mine.tobytes() == theirs.tobytes() and mine.dtype == theirs.dtype
    arrays, word = {"b": np.zeros(1), "a": np.zeros((2, 0), np.int64)}, 'é "\\" \n \x01 \x7f \u2028'
    assert container.encode(arrays, word) == package.save(arrays, {"fastbp": word})


def test_the_package_finds_arrays_and_architecture(path):
    safetensors = pytest.importorskip("safetensors", reason="the safetensors package is not installed")
    net = fastbp.Network([3, 4, 2], seed=0)
    net.save(path)
    with safetensors.safe_open(path, "np") as file:
        content = json.loads(file.metadata()["fastbp"])
        assert sorted(file.keys()) == ["biases.1", "biases.2", "weights.1", "weights.2"]
        assert file.get_tensor("weights.2").tobytes() == net.weights[1].tobytes()
    assert content["architecture"]["sizes"] == [3, 4, 2] and content["version"] == serialization.FORMAT_VERSION


def test_a_header_may_list_the_arrays_in_any_order(path):
    """The format leaves it open, and other writers sort by name."""
    net, content = small_file(path)
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    path.write_bytes(rebuilt(dict(reversed(header.items())), content[8 + length :]))
    assert_equal(fastbp.load(path), net)


def test_an_array_of_another_dtype_is_refused(path):
    _, content = small_file(path)
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    header["more"] = {"dtype": "F16", "shape": [3], "data_offsets": [len(data), len(data) + 6]}
    path.write_bytes(rebuilt(header, data + bytes(6)))
    with pytest.raises(fastbp.ModelFileError, match="array 'more' is of dtype 'F16', which fastbp does not write"):
        fastbp.load(path)


def test_files_are_as_safetensors_aligns_them(path):
    """The header is a multiple of eight bytes, so that the arrays can be mapped."""
    for n in range(1, 12):
        net = fastbp.Network([1, n], seed=0)
        net.metadata["padding"] = "x" * n
        net.save(path)
        assert int.from_bytes(path.read_bytes()[:8], "little") % 8 == 0
