"""Tasks: what a training run asks of each is there."""

import importlib
import re

import pytest

from kerasmith import zoo
from kerasmith.zoo.tools import tasks


@pytest.mark.parametrize("name", tasks.TASKS)
def test_a_task_has_every_function_that_a_run_calls(name):
    module = importlib.import_module(f"kerasmith.zoo.tools.{name}")
    asked = re.findall(r"^    (\w+)\(", tasks.__doc__, re.MULTILINE)
    assert len(asked) == 10
    for function in asked:
        assert callable(getattr(module, function)), function


def test_a_network_without_recipes_is_told():
    recipe = zoo.recipes.with_settings(
        zoo.recipes.get("seq2seq_arithmetic"), {"model": "gpt"}
    )
    with pytest.raises(ValueError, match="gpt has no recipes: build it by"):
        tasks.task_of(recipe)


@pytest.mark.parametrize(
    "recipe, model, told",
    [
        ("lenet5_digits", "transformer_tiny", "reads texts, and lenet5_digits is a "),
        ("seq2seq_dates", "lenet5", "reads images, and seq2seq_dates is a recipe of t"),
    ],
)
def test_a_network_that_reads_something_else_is_told(recipe, model, told):
    recipe = zoo.recipes.get(recipe)
    with pytest.raises(ValueError, match=told):
        tasks.task_of(zoo.recipes.with_settings(recipe, {"model": model}))
