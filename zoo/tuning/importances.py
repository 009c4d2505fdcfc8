"""What mattered most in a search: the share of each hyperparameter in its scores."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from .search_parameters import parameters

TREES, RESAMPLED_TREES, RESAMPLINGS = 200, 64, 12
POINTS = 512
LEAST_TRIALS, LEAST_PER_PARAMETER = 8, 2
LEAST_EXPLAINED = 0.1


@dataclasses.dataclass(frozen=True)
class Importance:
    """How much each hyperparameter mattered, as far as it can be told.

    Args:
        shares: Mapping of names to shares of 1, the largest first; empty where
            nothing can be told.
        spreads: Mapping of names to the standard deviation of their share, over
            trials drawn anew.
        explained: Share of the scores' variance that the forest predicts for trials
            that it has not seen (R²), or `None`.
        trials: Number of trials with a score.
        doubt: Why nothing can be told, empty where something can.

    Example:

    >>> Importance({}, {}, None, 3, "too few trials").shares
    {}
    """

    shares: Mapping[str, float]
    spreads: Mapping[str, float]
    explained: float | None
    trials: int
    doubt: str = ""


def importance(record, *, seed=0):
    """Estimate how much each hyperparameter mattered for the score.

    A random forest is fitted to the trials that have a score. A parameter's importance
    is its total effect on what the forest predicts, all other parameters drawn from
    the whole space: half the mean square of the difference that drawing the parameter
    anew makes (Jansen, 1999). That is functional ANOVA (Hutter et al., 2014,
    https://proceedings.mlr.press/v32/hutter14.html) with the interactions counted for
    each parameter in them, and asks of the space, not of the corner in which a search
    spends most of its trials. Whether a conditional parameter is there counts for the
    parameter that decides it.

    From few trials a forest tells of the strong parameters only: a true share of 0.2
    was told as 0.04 from 20 trials, 0.09 from 40, 0.17 from 200.

    Scores far outside of the others, as of trainings that diverged, are drawn in to
    three interquartile ranges from the quartiles.

    Args:
        record: `SearchRecord`.
        seed: Seed of the forest and of the draws.

    Returns:
        `Importance`. It holds no shares where the trials are fewer than 8 or than
        twice the parameters, or where the forest explains less than a tenth of the
        scores of trials that it has not seen.

    Example:

    >>> import keras_tuner
    >>> from kerasmith.zoo.tuning.record import SearchRecord
    >>> space = keras_tuner.HyperParameters()
    >>> units = space.Int("units", 4, 16)
    >>> importance(SearchRecord("a", "Random", "loss", "min", space, (), 1.0)).doubt
    'Too few trials have a score: 0; what mattered can be told from 8 on.'
    """
    searched = parameters(record.space)
    trials = [trial for trial in record.trials if trial.scored]
    scores = _drawn_in(np.array([trial.score for trial in trials], float))
    doubt = _doubt(len(trials), len(searched), scores)
    if doubt:
        return Importance({}, {}, None, len(trials), doubt)
    encode = _encoder(searched, trials)
    random = np.random.default_rng(seed)
    points, moved = _draws(record.space, searched, encode, random)
    inputs = encode([trial.values for trial in trials])
    forest = _forest(inputs, scores, TREES, seed, oob_score=True)
    explained = float(forest.oob_score_)
    if explained < LEAST_EXPLAINED:
        return Importance({}, {}, explained, len(trials), _unexplained(explained))
    found = _shares(forest, points, moved)
    again = []
    for number in range(RESAMPLINGS):
        rows = random.integers(0, len(trials), len(trials))
        resampled = _forest(inputs[rows], scores[rows], RESAMPLED_TREES, seed + number)
        again.append(_shares(resampled, points, moved))
    spreads = np.std(again, axis=0, ddof=1)
    order = np.argsort(-found, kind="stable")
    names = [searched[i].name for i in order]
    return Importance(
        dict(zip(names, found[order].tolist(), strict=True)),
        dict(zip(names, spreads[order].tolist(), strict=True)),
        explained,
        len(trials),
    )


def _doubt(trials, searched, scores):
    """Say why nothing can be told, if so."""
    least = max(LEAST_TRIALS, LEAST_PER_PARAMETER * searched)
    if not searched:
        return "No hyperparameter was searched."
    if trials < least:
        return (
            f"Too few trials have a score: {trials}; what mattered can be told from "
            f"{least} on."
        )
    if np.ptp(scores) == 0:
        return "All scores are equal: nothing mattered."
    return ""


def _unexplained(explained):
    return (
        "What mattered cannot be told: from their hyperparameters alone the scores of "
        f"unseen trials cannot be predicted (R² {explained:.2f} out of bag). The "
        "differences may be chance, or the trials too few."
    )


def _drawn_in(scores):
    """Draw outliers in."""
    if not scores.size:
        return scores
    low, high = np.quantile(scores, [0.25, 0.75])
    room = 3 * (high - low)
    return np.clip(scores, low - room, high + room) if room else scores


def _encoder(searched, trials):
    """Give the function that turns configurations into rows of numbers."""
    absent = [p.conditional or bool(np.isnan(p.places(trials)).any()) for p in searched]

    def encode(configurations):
        columns = []
        for parameter, missing in zip(searched, absent, strict=True):
            values = [one.get(parameter.name) for one in configurations]
            places = np.array([parameter.place(value) for value in values], float)
            there = np.isfinite(places)
            if parameter.ordered:
                columns.append(np.where(there, places, 0.5))
            else:
                columns += [
                    np.array([value == choice for value in values], float)
                    for choice in parameter.choices
                ]
            if missing:
                columns.append(there.astype(float))
        return np.stack(columns, axis=1)

    return encode


def _draws(space, searched, encode, random):
    """Draw points of the space, and for each parameter those with it drawn anew."""
    names = list(dict.fromkeys(one.name for one in space.space))
    first, second = random.random((2, POINTS, len(names)))
    points = encode(_configurations(space, names, first))
    moved = []
    for parameter in searched:
        place = names.index(parameter.name)
        mixed = first.copy()
        mixed[:, place] = second[:, place]
        moved.append(encode(_configurations(space, names, mixed)))
    return points, moved


def _configurations(space, names, draws):
    """Turn numbers from 0 to 1 into configurations, of active parameters only."""
    return [
        _configuration(space, dict(zip(names, row.tolist(), strict=True)))
        for row in draws
    ]


def _configuration(space, draw):
    values = {}
    for one in space.space:  # parents come before their children
        if all(condition.is_active(values) for condition in one.conditions):
            values[one.name] = one.prob_to_value(draw[one.name])
    return values


def _forest(inputs, scores, trees, seed, **options):
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(trees, random_state=seed, **options)
    return forest.fit(inputs, scores)


def _shares(forest, points, moved):
    """Give the total effects as shares of their sum."""
    rows = np.concatenate([points, *moved])
    told, *others = forest.predict(rows).reshape(len(rows) // POINTS, POINTS)
    effects = [np.mean((other - told) ** 2) / 2 for other in others]
    return np.array(effects) / (np.sum(effects) or 1.0)
