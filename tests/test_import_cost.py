"""What an import brings along: no more than it must."""

import json
import os
import subprocess
import sys

import pytest

HEAVY = ("tensorflow_datasets", "keras_tuner", "matplotlib", "sklearn", "PIL")
STEPS = {
    "kerasmith": "import kerasmith",
    "keras": "import keras",
    "layers": "from kerasmith import layers",
    "callbacks": "from kerasmith import callbacks",
    "zoo": "from kerasmith import zoo",
    "data": "from kerasmith.zoo import data",
    "tools": "from kerasmith.zoo import tools",
    "recipes": "from kerasmith.zoo import recipes",
}
SCRIPT = """
import json, sys, time
found = {}
for name, step in json.loads(sys.argv[1]).items():
    before, began = set(sys.modules), time.process_time()
    exec(step)
    seconds = time.process_time() - began
    found[name] = {"seconds": seconds, "modules": sorted(set(sys.modules) - before)}
json.dump(found, sys.stdout)
"""


@pytest.fixture(scope="module")
def brought(tmp_path_factory):
    """Import one after the other in a fresh process; tell what each brought."""
    # twice: the second time as users do, from modules that were compiled before
    cache = tmp_path_factory.mktemp("cache")
    places = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(cache)}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, json.dumps(STEPS)],
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, **places},
        )
        assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def packages(modules):
    return {name.partition(".")[0] for name in modules}


def test_kerasmith_itself_brings_nothing_but_itself(brought):
    ours = [m for m in brought["kerasmith"]["modules"] if m.startswith("kerasmith")]
    assert ours == ["kerasmith"]
    foreign = packages(brought["kerasmith"]["modules"]) - set(sys.stdlib_module_names)
    assert foreign <= {"kerasmith"}


@pytest.mark.parametrize("room", ["layers", "callbacks", "zoo"])
def test_a_room_brings_only_itself_on_top_of_keras(brought, room):
    foreign = packages(brought[room]["modules"]) - set(sys.stdlib_module_names)
    assert foreign <= {"kerasmith"}


@pytest.mark.parametrize("room", ["data", "tools", "recipes"])
def test_the_rooms_of_the_zoo_leave_heavy_packages_until_they_are_used(brought, room):
    assert not packages(brought[room]["modules"]) & set(HEAVY)


def test_layers_cost_a_tenth_of_a_second_on_top_of_keras(brought):
    assert brought["layers"]["seconds"] < 0.1
