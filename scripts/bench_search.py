"""Compare CoarseToFine with searches of keras-tuner at equal budget.

    python -m kerasmith.scripts.bench_search
    python -m kerasmith.scripts.bench_search branin digits --file search.json

Each search runs the same number of trials on each problem with each of 20 seeds. The
searches are paired by seed and judged by a two-sided sign test. The file keeps what
was run; what stands in it is not run again. The table goes to the screen, a picture of
the progress beside the file.
"""

import argparse
import json
import pathlib
import statistics
import sys
import tempfile
from typing import Any

TRIALS = 40
# keras-tuner counts on from the seed, so that neighbouring seeds share their draws
SEEDS = tuple(range(1000, 21000, 1000))
OURS, RANDOM = "CoarseToFine", "RandomSearch"
TUNERS = (OURS, RANDOM, "BayesianOptimization")


def search(problem, tuner, seed, trials=TRIALS):
    """Search once.

    Args:
        problem: `bench_search_problems.Problem`.
        tuner: One of `TUNERS`.
        seed: Integer.
        trials: Number of trials.

    Returns:
        List of pairs, one a trial: the score that the search saw, and the one that it
        is judged by.

    Example:

    >>> from kerasmith.scripts.bench_search_problems import PROBLEMS
    >>> len(search(PROBLEMS["branin"], "RandomSearch", 1000, trials=3))
    3
    """
    import keras_tuner

    from kerasmith.zoo.tuning.coarse_to_fine import CoarseToFine

    kind: Any = CoarseToFine if tuner == OURS else getattr(keras_tuner, tuner)
    pairs = []

    class Search(kind):
        def run_trial(self, trial, *args, **kwargs):
            number = int(trial.trial_id)
            pairs.append(problem.evaluate(trial.hyperparameters.values, seed + number))
            return pairs[-1][0]

    space = keras_tuner.HyperParameters()
    problem.declare(space)
    with tempfile.TemporaryDirectory() as folder:
        searching = Search(
            max_trials=trials,
            seed=seed,
            hyperparameters=space,
            directory=folder,
            max_consecutive_failed_trials=trials,
        )
        searching.search(verbose=0)
    return pairs


def best_so_far(pairs, side=1):
    """Follow the best trial of a search.

    Args:
        pairs: What `search` gives.
        side: 0 for the score that the search saw, 1 for what it is judged by.

    Returns:
        List with the best trial so far, after each trial. Trials whose score is not a
        number are passed over.

    Example:

    >>> best_so_far([(2.0, 2.5), (float("nan"), 0.0), (1.0, 3.0)])
    [2.5, 2.5, 3.0]
    """
    curve, best = [], (float("inf"), float("inf"))
    for pair in pairs:
        if pair[0] < best[0]:
            best = pair
        curve.append(best[side])
    return curve


def sign_test(ours, theirs):
    """Count wins and judge them by a two-sided sign test.

    Args:
        ours: List of numbers, less is better.
        theirs: Numbers paired with them.

    Returns:
        Wins, ties, losses, and the chance of a count so uneven where none is better.

    Example:

    >>> sign_test([1, 1, 1, 2, 1], [2, 2, 2, 2, 2])
    (4, 1, 0, 0.125)
    """
    from scipy.stats import binomtest

    wins = sum(a < b for a, b in zip(ours, theirs, strict=True))
    losses = sum(a > b for a, b in zip(ours, theirs, strict=True))
    p = binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    return wins, len(ours) - wins - losses, losses, float(p)


def table(runs):
    """Write the comparison.

    Args:
        runs: Map from `"problem/tuner/seed"` to what `search` gave.

    Returns:
        Text, in Markdown.

    Example:

    >>> runs = {f"branin/{OURS}/1": [(1.0, 1.0)], f"branin/{RANDOM}/1": [(2.0, 2.0)]}
    >>> table(runs).splitlines()[-1]
    '| Branin | RandomSearch | 1.000 | 2.000 | 1 / 0 / 0 | 1 | 1 / 0 / 0 | 1 |'
    """
    from kerasmith.scripts.bench_search_problems import PROBLEMS

    lines = [
        "| problem | against | median, ours | median, theirs | wins / ties / losses "
        "| p | as the search saw it | p |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for key, problem in PROBLEMS.items():
        for tuner in TUNERS[1:]:
            if not _paired(runs, key, tuner):
                continue
            ours, theirs = _ends(runs, key, tuner, 1)
            lines.append(
                f"| {problem.name} | {tuner} | {statistics.median(ours):.3f} | "
                f"{statistics.median(theirs):.3f} | {_counts(ours, theirs)} | "
                f"{_counts(*_ends(runs, key, tuner, 0))} |"
            )
    return "\n".join(lines) + "\n"


def _counts(ours, theirs):
    wins, ties, losses, p = sign_test(ours, theirs)
    return f"{wins} / {ties} / {losses} | {p:.2g}"


def _ends(runs, problem, tuner, side):
    """Give the best of each of our searches, and of those paired with them."""
    pairs = _paired(runs, problem, tuner)
    return [
        [best_so_far(run, side)[-1] for run in runs]
        for runs in zip(*pairs, strict=True)
    ]


def _paired(runs, problem, tuner):
    """Give the runs of ours and of another search, seed by seed."""
    pairs = []
    for key, ours in runs.items():
        name, _, seed = key.rpartition("/")
        theirs = runs.get(f"{problem}/{tuner}/{seed}")
        if name == f"{problem}/{OURS}" and theirs is not None:
            pairs.append((ours, theirs))
    return pairs


def picture(runs, path):
    """Draw the best score so far: median and quartiles over the seeds.

    Args:
        runs: Map from `"problem/tuner/seed"` to what `search` gave.
        path: Where the PNG file goes.

    Example:

    >>> picture({}, "nowhere.png")
    """
    import matplotlib.figure
    import numpy as np

    from kerasmith.callbacks.files import replacing
    from kerasmith.scripts.bench_search_problems import PROBLEMS

    drawn = [key for key in PROBLEMS if _paired(runs, key, RANDOM)]
    if not drawn:
        return
    figure = matplotlib.figure.Figure((3.2 * len(drawn), 2.8), layout="constrained")
    places = figure.subplots(1, len(drawn), squeeze=False)[0]
    for axes, key in zip(places, drawn, strict=True):
        for side, label in enumerate((OURS, RANDOM)):
            pairs = _paired(runs, key, RANDOM)
            curves = np.array([best_so_far(pair[side]) for pair in pairs])
            low, middle, high = np.quantile(curves, (0.25, 0.5, 0.75), axis=0)
            numbers = np.arange(1, len(middle) + 1)
            axes.plot(numbers, middle, label=label, color=f"C{side}")
            axes.fill_between(numbers, low, high, alpha=0.2, color=f"C{side}", lw=0)
        axes.set(title=PROBLEMS[key].name, xlabel="trials")
        if key in ("branin", "digits"):
            axes.set_yscale("log")
    figure.axes[0].set_ylabel("best so far")
    figure.axes[0].legend(frameon=False)
    with replacing(path) as beside:
        figure.savefig(beside, dpi=72, format="png")


def main(arguments=None):
    """Run the comparison.

    Args:
        arguments: List of words; those of the command line, if `None`.

    Returns:
        Exit code.

    Example:

    >>> main(["branim"])
    Traceback (most recent call last):
    ValueError: there is no problem 'branim'; did you mean 'branin'? ...
    """
    from kerasmith.callbacks.files import write_text
    from kerasmith.scripts.bench_search_problems import PROBLEMS
    from kerasmith.zoo.choices import choose

    parser = argparse.ArgumentParser(description="CoarseToFine against others")
    parser.add_argument("problems", metavar="PROBLEM", nargs="*")
    parser.add_argument("--tuners", nargs="+", choices=TUNERS, default=TUNERS[:2])
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--file", type=pathlib.Path, default="search.json")
    options = parser.parse_args(arguments)
    problems = {
        name: choose("problem", name, PROBLEMS) for name in options.problems or PROBLEMS
    }
    runs = json.loads(options.file.read_text()) if options.file.exists() else {}
    for name, problem in problems.items():
        for seed in options.seeds:
            for tuner in options.tuners:
                key = f"{name}/{tuner}/{seed}"
                if key not in runs:
                    runs[key] = search(problem, tuner, seed)
                    write_text(options.file, json.dumps(runs))
    sys.stdout.write(table(runs))
    picture(runs, options.file.with_suffix(".png"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
