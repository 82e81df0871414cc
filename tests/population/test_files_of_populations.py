"""A population in one file: the same bits again, and training goes on."""

import json

import pytest
from population_samples import HELD_OUT, X, Y, learned, network, networks

import fastbp
from fastbp.files.container import decode, encode

OPTIONS = {"batch_size": 8, "validation_data": HELD_OUT}


def test_training_goes_on(tmp_path):
    nets = [network(0), network(1, (4, 4), activation="relu"), network(2, formulation="loops")]
    pop, path = fastbp.Population(nets), tmp_path / "nets.safetensors"
    pop.fit(X, Y, epochs=2, optimizer=[fastbp.Adam(0.03), fastbp.SGD(0.1), fastbp.LBFGS()], **OPTIONS)
    pop[1].metadata["rate"] = 0.1
    pop.save(path, training_state=True)
    loaded = fastbp.Population.load(path)
    assert [learned(net) for net in loaded] == [learned(net) for net in pop]
    for each in (pop, loaded):
        each.fit(X, Y, epochs=2, **OPTIONS)
    assert [learned(net) for net in loaded] == [learned(net) for net in pop]


def test_without_the_state_of_training(tmp_path):
    pop, path = fastbp.Population(networks(12)), tmp_path / "nets.safetensors"
    pop.fit(X, Y, epochs=1)
    pop.save(path)
    loaded = fastbp.Population.load(path)
    assert loaded.history == [None] * 12 and (loaded.parameters == pop.parameters).all()


def test_one_kind_of_file_for_each(tmp_path):
    many, one = tmp_path / "many.safetensors", tmp_path / "one.safetensors"
    fastbp.Population(networks(2)).save(many)
    network(0).save(one)
    with pytest.raises(fastbp.ModelFileError, match=r"it has a population: use fastbp.Population.load"):
        fastbp.load(many)
    with pytest.raises(fastbp.ModelFileError, match=r"it has no population; fastbp.load reads a single network"):
        fastbp.Population.load(one)


@pytest.mark.parametrize(
    "damage",
    [
        lambda arrays: arrays.pop("1/weights.1"),
        lambda arrays: arrays.update({"7/weights.1": arrays["1/weights.1"]}),
        lambda arrays: arrays.update({"weights.1": arrays["1/weights.1"]}),
        lambda arrays: arrays.update({"-1/weights.1": arrays["1/weights.1"]}),
    ],
)
def test_damaged_files(damage, tmp_path):
    path = tmp_path / "nets.safetensors"
    fastbp.Population(networks(2)).save(path)
    arrays, words = decode(path.read_bytes())
    damage(arrays)
    path.write_bytes(encode(arrays, words["fastbp"]))
    with pytest.raises(fastbp.ModelFileError, match=r"nets.safetensors: not a model that fastbp can read"):
        fastbp.Population.load(path)


def test_members_that_do_not_belong_together(tmp_path):
    path = tmp_path / "nets.safetensors"
    fastbp.Population(networks(1)).save(path)
    arrays, words = decode(path.read_bytes())
    fastbp.Population([fastbp.Network([4, 3])]).save(path)
    others, other_words = decode(path.read_bytes())
    both = [json.loads(text["fastbp"])["population"][0] for text in (words, other_words)]
    arrays |= {name.replace("0/", "1/"): array for name, array in others.items()}
    path.write_bytes(encode(arrays, json.dumps({"version": 3, "population": both})))
    with pytest.raises(fastbp.ModelFileError, match=r"networks\[1\] has n_in 4, but networks\[0\] has 5"):
        fastbp.Population.load(path)
