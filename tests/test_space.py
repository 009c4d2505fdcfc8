"""Architectures and recipes as spaces of a search."""

import keras_tuner
import pytest

from kerasmith import zoo
from kerasmith.zoo import recipes, registry, space_rows
from kerasmith.zoo.space import declare
from kerasmith.zoo.tools import search
from kerasmith.zoo.tools.symbolic import without_numbers

SMALLEST = {  # of a family: the architecture to try, and the examples for it
    "alexnet": ("alexnet_one_weird_trick", (67, 67, 3)),
    "inception": ("googlenet", (64, 64, 3)),
    "efficientnet": ("efficientnet_b0", (33, 33, 3)),
    "mobilenet": ("mobilenet_v2_035", (33, 33, 3)),
    "nin": ("nin_cifar10", (32, 32, 3)),
    "resnet": ("resnet20", (31, 33, 1)),
    "unet": ("unet_same", (32, 48, 1)),
    "vgg": ("vgg11", (64, 64, 3)),
    "vit": ("vit_tiny", (32, 32, 3)),
}


def sampled(declared, seed):
    """Draw every parameter of a space, as a search does."""
    hp = keras_tuner.HyperParameters()
    declared(hp)
    chosen = keras_tuner.HyperParameters()
    for number, row in enumerate(hp.space):
        chosen.merge([row])
        if chosen.is_active(row):
            chosen.values[row.name] = row.random_sample(seed * 1000 + number)
    return declared(chosen)


@pytest.mark.parametrize("family", registry.FAMILIES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_a_family_declares_is_what_it_takes(family, seed):
    names = [name for name in zoo.names() if registry.family(name) == family]
    name, shape = SMALLEST.get(family, (names[0], None))
    values = sampled(lambda hp: search.space(hp, name), seed)
    trained = {*space_rows.TRAINING, "learning_rate", "momentum", "nesterov"}
    trained |= {"weight_decay", "label_smoothing"}
    options = {key: value for key, value in values.items() if key not in trained}
    options |= {"input_shape": shape} if shape else {}
    options |= {"length": 32} if family == "transformer" else {}
    assert without_numbers(lambda: zoo.build(name, **options)).count_params()
    assert values["learning_rate"] > 0 and values["schedule"]


def test_a_family_searches_its_variants_too():
    seen = {
        sampled(lambda hp: search.space(hp, "lenet"), s)["variant"] for s in range(9)
    }
    assert seen == {"lenet5", "lenet5_modern"}


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_is_its_own_default(name):
    recipe = recipes.get(name)

    def declared(hp):
        return search.recipe_space(hp, recipe, vary=["learning_rate", "batch_size"])

    hp = keras_tuner.HyperParameters()
    same = search.with_values(recipe, declared(hp))
    assert recipes.to_config(same) == recipes.to_config(recipe)
    assert {"batch_size"} < {row.name for row in hp.space}
    for seed in range(3):
        values = sampled(lambda hp: search.recipe_space(hp, recipe), seed)
        changed = search.with_values(recipe, values)
        # what is chosen survives being written down
        again = recipes.from_config(recipes.to_config(changed), recipe)
        assert again == changed


def test_what_a_choice_opens_is_there_only_where_it_was_chosen():
    hp = keras_tuner.HyperParameters()
    hp.values["norm"] = "instance"
    chosen = declare(hp, {"norm": space_rows.NORM})
    assert chosen == {"norm": "instance"}
    by_name = {row.name: row for row in hp.space}
    assert not hp.is_active(by_name["groups"])
    assert by_name["groups"].conditions[0].values == ["group"]
    hp.values |= {"norm": "group", "groups": 8}
    assert declare(hp, {"norm": space_rows.NORM}) == {"norm": "group:8"}


def test_momentum_is_drawn_by_its_distance_to_one():
    def declared(hp):
        return search.space(hp, "lenet5", vary=["momentum"], fixed={"optimizer": "sgd"})

    drawn = sorted(sampled(declared, seed)["momentum"] for seed in range(60))
    assert 0.5 <= drawn[0] and drawn[-1] <= 0.999
    assert 0.95 < drawn[30] < 0.99  # the middle of the logarithms is 0.978


def test_a_fixed_setting_and_a_narrowed_one():
    hp = keras_tuner.HyperParameters()
    vary = {"norm": ("batch", "group"), "adaptive_learning_rate": (1e-4, 1e-3)}
    fixed = {"optimizer": "adam", "batch_size": 64, "dropout": "dropout:0.25"}
    chosen = search.space(hp, "lenet5", fixed=fixed, vary=vary)
    rows = {row.name: row for row in hp.space}
    assert list(rows["norm"].values) == ["batch", "group"]
    rate = rows["adaptive_learning_rate"]
    assert (rate.min_value, rate.max_value, rate.sampling) == (1e-4, 1e-3, "log")
    assert chosen.items() >= fixed.items() and "one_minus_momentum" not in rows


@pytest.mark.parametrize(
    "options, said",
    [
        ({"fixed": {"norn": "batch"}}, "did you mean 'norm'"),
        ({"fixed": {"batch_size": 17}}, "batch_size=17 is none of its values: 16, 32"),
        ({"fixed": {"norm": "group:3"}}, "groups=3.0 is none of its values"),
        ({"fixed": {"warmup": 0.9}}, "outside its range of 0 to 0.2"),
        ({"fixed": {"optimizer": "sgd", "momentum": 1.5}}, "outside its range of 0.5"),
        ({"vary": {"warmup": (0.1, 0.5)}}, "warmup=0.5 is outside"),
        ({"vary": {"warmup": (0.1,)}}, "give its least and greatest number"),
        ({"vary": ["norm"], "fixed": {"norm": "batch"}}, "both fixed and to vary"),
        ({"vary": ["groups"]}, "goes with norm: fix norm, too"),
    ],
)
def test_bad_input(options, said):
    with pytest.raises(ValueError, match=said):
        search.space(keras_tuner.HyperParameters(), "resnet20", **options)


def test_an_unknown_family():
    with pytest.raises(ValueError, match="did you mean 'resnet'"):
        search.space(keras_tuner.HyperParameters(), "resnett")


def test_parts_of_a_model_of_ones_own():
    def chosen(hp):
        return zoo.Parts.from_hyperparameters(hp, without=["drop_path"], norm="group")

    hp = keras_tuner.HyperParameters()
    parts = chosen(hp)
    assert parts.norm().groups == 2
    names = [row.name for row in hp.space]
    assert "groups" in names and "norm" not in names and "drop_path" not in names
    hp.values["groups"] = 8
    assert chosen(hp).norm().groups == 8
