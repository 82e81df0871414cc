"""A damaged model file, or one that lies, gives a whole network or ModelFileError."""

import json
import random
import tracemalloc

import pytest
from model_files import load_or_refuse, rebuilt, replaced, small_file

import fastbp
from fastbp.files import serialization


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


def test_truncation_at_every_byte(path):
    _, content = small_file(path)
    for length in range(len(content)):
        assert load_or_refuse(path, content[:length]) is None, length


def test_metadata_of_a_truncated_header(path):
    _, content = small_file(path)
    for length in range(8 + int.from_bytes(content[:8], "little")):
        path.write_bytes(content[:length])
        with pytest.raises(fastbp.ModelFileError):
            serialization.metadata_of(path)
    path.write_bytes((2**63).to_bytes(8, "little") + content[8:])
    with pytest.raises(fastbp.ModelFileError, match="its header should be"):
        serialization.metadata_of(path)


@pytest.mark.parametrize("extra", [b"\0", b"x", b"\n" * 100])
def test_bytes_after_the_end(extra, path):
    _, content = small_file(path)
    assert load_or_refuse(path, content + extra) is None


def test_every_byte_changed(path):
    """A change in the header is refused or harmless; a change in the numbers gives other parameters."""
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
    """The path to every entry of nested dictionaries and lists."""
    yield at
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*at, key))


def removed(value, at):
    changed = value.copy()
    if len(at) == 1:
        del changed[at[0]]
    else:
        changed[at[0]] = removed(value[at[0]], at[1:])
    return changed


def lying_files(content):
    """Files of valid JSON in which one entry is replaced by an odd value or left out, also inside the metadata."""
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
    lies = [lie for at, lie in lying_files(content) if at == ("fastbp", "metadata")]
    assert len(lies) > len(ODD)
    for lie in lies:
        loaded = load_or_refuse(path, lie)
        assert loaded is None or isinstance(loaded.metadata, dict)


def test_a_dtype_that_is_not_that_of_the_arrays_is_refused(path):
    """A float32 file must not be loaded as a float64 network."""
    _, content = small_file(path)
    assert b"float32" in content
    assert load_or_refuse(path, content.replace(b"float32", b"float64")) is None


HUGE = 10**9


def with_sizes(header, sizes):
    """The header with other sizes in its architecture."""
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
