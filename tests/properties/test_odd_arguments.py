"""Every public function and method with one odd argument each: it works, or raises a clear error."""

import inspect

import pytest
from conftest import state_of
from hostile import FOREVER, odd_calls, refused, wrongs
from right_arguments import ELSEWHERE, FUNCTIONS, METHODS, OF_EXTRAS, POPULATION, PROPERTIES, net

import fastbp

pytestmark = pytest.mark.filterwarnings("ignore:the network is not at a minimum")


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net().save("net.safetensors")
    yield
    fastbp.set_num_threads(None)


@pytest.mark.parametrize("name", sorted(set(fastbp.__all__) - ELSEWHERE))
def test_functions(name):
    function = getattr(fastbp, name)
    wrong, times = wrongs(name, function, FUNCTIONS.get(name, {}))
    assert wrong == []
    assert times > 0 or not inspect.signature(function).parameters


@pytest.mark.parametrize("name", sorted(METHODS))
def test_methods(name):
    wrong, times, right = [], 0, METHODS[name]
    for parameter, odd, arguments in odd_calls(getattr(fastbp.Network, name), right):
        if parameter == "epochs" and isinstance(odd, int) and odd > FOREVER:
            continue
        ours = net()
        before = state_of(ours)
        quiet = {"progress": False} if name == "fit" and parameter != "progress" else {}
        try:
            if refused(getattr(ours, name), arguments | quiet, parameter):
                times += 1
                # A user's function may raise during the training; everything else is found before.
                assert callable(odd) or state_of(ours) == before, "the refusal changed the network"
        except Exception as error:
            wrong.append(f"{name}({parameter}={odd!r:.60}): {type(error).__name__}: {error}")
    assert wrong == []
    assert times > 0


@pytest.mark.parametrize("name", sorted(POPULATION))
def test_methods_of_a_population(name):
    wrong, times, right = [], 0, POPULATION[name]
    fastbp.Population([net()]).save("nets.safetensors")
    for parameter, odd, arguments in odd_calls(getattr(fastbp.Population, name), right):
        if parameter == "epochs" and isinstance(odd, int) and odd > FOREVER:
            continue
        pop = fastbp.Population([net(), net()])
        pop.fit(**{**POPULATION["fit"], "progress": False})
        before = [state_of(ours) for ours in pop]
        quiet = {"progress": False} if name == "fit" and parameter != "progress" else {}
        try:
            if refused(getattr(pop, name), arguments | quiet, parameter):
                times += 1
                assert callable(odd) or [state_of(ours) for ours in pop] == before, "the refusal changed a member"
        except Exception as error:
            wrong.append(f"{name}({parameter}={odd!r:.60}): {type(error).__name__}: {error}")
    assert wrong == []
    assert times > 0
    assert {name for name in dir(fastbp.Population) if not name.startswith("_")} == set(POPULATION) | {
        "parameters", "history",
    }  # fmt: skip


def test_sizes_that_no_machine_has_room_for():
    for sizes in ([3, 2**63], [3, 2**62], [3, 2**40], [10**7] * 3, [10**400, 2]):
        with pytest.raises(ValueError, match=r"at most|parameters needs .* bytes, and this machine has"):
            fastbp.Network(sizes)


def test_numbers_that_no_float_can_hold():
    for make in (fastbp.SGD, fastbp.LBFGS, fastbp.Huber, lambda huge: fastbp.StepDecay(huge)):
        with pytest.raises(ValueError, match=r"(learning_rate|memory|delta|every) is 1000"):
            make(10**400)


def test_every_method_of_a_network_is_here():
    methods = {name for name in dir(fastbp.Network) if not name.startswith("_")}
    assert methods == set(METHODS) | PROPERTIES | OF_EXTRAS
    assert set(FUNCTIONS) <= set(fastbp.__all__) - ELSEWHERE


def test_right_arguments_are_taken():
    """Otherwise every refusal above could be about a wrong name."""
    for name, right in METHODS.items():
        getattr(net(), name)(**right)
    for name, right in FUNCTIONS.items():
        arguments = {n: v() if v is net else v for n, v in right.items()}
        assert not refused(getattr(fastbp, name), arguments, next(iter(arguments))), name
