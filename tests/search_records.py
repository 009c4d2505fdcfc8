"""Records of searches that nobody ran: planted scores over spaces of any kind."""

import math

import keras_tuner
import numpy as np

from kerasmith.zoo.tuning.record import Execution, SearchRecord, TrialRecord

NAN = math.nan


def usual_space():
    """Give eight parameters: logarithmic, conditional, chosen from a list."""
    space = keras_tuner.HyperParameters()
    space.Float("learning_rate", 1e-5, 1e-1, sampling="log", default=1e-3)
    space.Choice("optimizer", ["adam", "sgd", "rmsprop"])
    space.Int("stem_width", 8, 64, step=8, default=16)
    space.Float("dropout", 0.0, 0.5, default=0.1)
    space.Boolean("augment")
    space.Choice("norm", ["batch_norm", "group:8", "layer", "none"])
    space.Float("weight_decay", 1e-6, 1e-2, sampling="log", default=1e-4)
    with space.conditional_scope("optimizer", ["sgd"]):
        space.Float("momentum", 0.5, 0.99, sampling="reverse_log", default=0.9)
    return space


def one_parameter():
    """Give a learning rate and nothing else."""
    space = keras_tuner.HyperParameters()
    space.Float("learning_rate", 1e-4, 1e-2, sampling="log")
    return space


def wide_space(count=20):
    """Give many parameters with long names, and values that are long, too."""
    space = keras_tuner.HyperParameters()
    for i in range(count):
        name = f"a_rather_long_name_of_the_parameter_number_{i}"
        if i % 3 == 0:
            space.Float(name, 1e-7, 1.0, sampling="log")
        elif i % 3 == 1:
            space.Choice(name, [f"kerasmith.layers.SomeLayer{j}" for j in range(i)])
        else:
            space.Int(name, 1, 10**i)
    return space


def draw(space, random):
    """Draw a configuration, of active parameters only."""
    values = {}
    for one in space.space:
        if all(condition.is_active(values) for condition in one.conditions):
            values[one.name] = one.prob_to_value(float(random.random()))
    return values


def planted(values, noise=0.0):
    """Score a configuration of the usual space: the learning rate matters most."""
    rate = math.log10(values["learning_rate"]) + 2.7
    score = 0.97 - 0.05 * rate**2 - 0.12 * abs(values["dropout"] - 0.2)
    score -= 0.03 * (values["norm"] == "none")
    return float(np.clip(score + noise, 0.1, 1.0))


def trained(score, random, epochs, seed):
    """Give the history of a training that reached a score."""
    steps = np.arange(1, epochs + 1)
    speed = random.uniform(0.2, 1.2)
    rise = 0.1 + (score - 0.1) * (1 - np.exp(-speed * steps)) / (
        1 - np.exp(-speed * epochs)
    )
    noise = random.normal(0, 0.004, epochs)
    noise[-1] = 0
    history = {"val_accuracy": np.clip(rise + noise, 0, score).tolist()}
    history["val_loss"] = (2.3 * (1 - rise)).tolist()
    return Execution(seed, score, history, float(random.uniform(20, 90)))


def usual(trials=40, executions=2, seed=0, failing=True, **more):
    """Give the record of a usual search."""
    random, space, found = np.random.default_rng(seed), usual_space(), []
    for i in range(trials):
        values = draw(space, random)
        name, worker = f"{i:02}", f"worker {i % 2}"
        if failing and i % 13 == 5:
            reason = "ResourceExhaustedError: out of memory at batch 3"
            lost = Execution(0, None, {"val_accuracy": [0.1, 0.2, NAN]}, 7.0, reason)
            made = TrialRecord(name, "FAILED", values, NAN, (lost,), worker, reason)
        else:
            stopped = failing and i % 9 == 4
            runs = tuple(
                trained(
                    planted(values, random.normal(0, 0.006)),
                    random,
                    3 if stopped else 12,
                    k,
                )
                for k in range(executions)
            )
            score = float(np.mean([run.score for run in runs]))
            status = "STOPPED" if stopped else "COMPLETED"
            reason = "below the median at epoch 3" if stopped else ""
            made = TrialRecord(name, status, values, score, runs, worker, reason)
        found.append(made)
    about = {"objective": "val_accuracy", "direction": "max", "seconds": 1843.0}
    about |= {"facts": {"workers": 2, "seeds": executions}} | more
    return SearchRecord(
        "resnet20_digits", "CoarseToFine", space=space, trials=tuple(found), **about
    )


def scored(space, scores, objective="val_loss", direction="min", seed=0):
    """Give the record of a search with these scores; NaN is one that failed."""
    random = np.random.default_rng(seed)
    trials = tuple(
        TrialRecord(
            str(i),
            "COMPLETED" if score == score else "FAILED",
            draw(space, random),
            score,
        )
        for i, score in enumerate(scores)
    )
    return SearchRecord("a", "Random", objective, direction, space, trials, 9.0)
