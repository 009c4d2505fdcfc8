"""The page of a search: its best configuration, what mattered, all that was tried.

It has no script and no outside resource; all that comes from users is escaped.
"""

import collections
import json
import os
import pathlib
import urllib.parse
from collections.abc import Mapping

from ..tools.page_parts import (
    header,
    pairs,
    picture,
    safe,
    section,
    show,
    spoken,
    table,
    verbatim,
    write_page,
)
from .importances import importance
from .record import FAILED, RUNNING, STOPPED, finite
from .score_scale import BEST, CUT, DONE, LOST, kinds_of, scale_of
from .search_curves import best_so_far, learning_curves
from .search_parameters import parameters, starting
from .search_pictures import (
    importance_bars,
    parallel_coordinates,
    parameters_against_score,
)

LONGEST = 1500  # characters of a reason
BETTER = {"max": "the larger the better", "min": "the smaller the better"}


def write_search_page(record, folder, *, retrained=None):
    """Write the page of a search, with its pictures inside and beside it.

    Args:
        record: `SearchRecord`. Of its facts, `command` is told as the way to repeat the
            search, mappings are tables there, and all others headline figures.
        folder: Receives parallel.png, parameters.png, learning_curves.png,
            progress.png, importance.png and, last, report.html; each is written beside
            and renamed. What there is nothing to draw for is left out.
        retrained: What became of the best configuration when it was trained again:
            the folder of that run, or a mapping of figures whose `folder` is that.

    Returns:
        The path of the page as a `pathlib.Path`.

    Raises:
        OSError: If a file cannot be written.

    Example:

    >>> import keras_tuner, tempfile
    >>> from kerasmith.zoo.tuning.record import SearchRecord
    >>> space = keras_tuner.HyperParameters()
    >>> units = space.Int("units", 4, 16)
    >>> record = SearchRecord("a", "Random", "accuracy", "max", space, (), 9.0)
    >>> write_search_page(record, tempfile.mkdtemp()).name
    'report.html'
    """
    folder = pathlib.Path(folder)
    title = f"Search of {record.name}"
    parts = [header("Hyperparameter search", title, _facts(record)), _best(record)]
    if retrained is not None:
        parts.append(_retrained(retrained, folder))
    parts += [*_drawn(record, folder), _trials(record), _troubles(record)]
    parts.append(_repeating(record))
    return write_page(folder / "report.html", title, parts)


def _facts(record):
    """Give the headline figures."""
    best, kinds = record.best, collections.Counter(kinds_of(record))
    told = "–"
    if best:
        told = show(record.objective, best.score)
        spread = best.spread
        told += "" if spread is None else f" ± {show(record.objective, spread)}"
    facts = {f"best {record.objective}": told, "trials": len(record.trials)}
    facts |= {"completed": kinds[DONE] + kinds[BEST], "failed": kinds[LOST]}
    facts |= {"stopped early": kinds[CUT]} if kinds[CUT] else {}
    facts |= {"running": kinds[""]} if kinds[""] else {}
    facts |= {"seconds": record.seconds, "tuner": record.tuner}
    facts["objective"] = f"{record.objective}, {BETTER[record.direction]}"
    others = {
        name: value
        for name, value in record.facts.items()
        if name != "command" and not isinstance(value, Mapping)
    }
    return facts | others


def _best(record):
    """Lay the best configuration beside the one that the search started from."""
    best, start = record.best, starting(record.space)
    if best is None:
        words = "No trial was trained to its end with a score, so there is no best one."
        return section("The best configuration", f"<p>{words}</p>\n")
    ranges = {one.name: one.range for one in parameters(record.space)}
    names = [*dict.fromkeys([*start, *best.values, *ranges])]
    rows = []
    for name in names:
        chosen, first = (_value(values, name) for values in (best.values, start))
        changed = best.values.get(name) != start.get(name)
        cell = f"<b>{chosen}</b>" if changed else chosen
        rows.append([safe(name), cell, first, safe(ranges.get(name, "fixed"))])
    caption = f"Trial {best.id} beside the starting configuration; bold is what differs"
    laid = table(caption, ["hyperparameter", "best", "start", "searched"], rows)
    return section("The best configuration", f"<p>{_gain(record, start)}</p>\n{laid}")


def _gain(record, start):
    """Say how the best trial and the starting configuration compare."""
    best = record.best
    told = f"Trial {safe(best.id)} has the best {safe(record.objective)}: "
    told += show(record.objective, best.score)
    if len(best.executions) > 1:
        told += f", the mean of {len(best.executions)} trainings"
    first = next(
        (t for t in record.trials if dict(t.values) == start and t.scored), None
    )
    if first is best:
        return f"{told}. It is the configuration that the search started from."
    if first:
        score = show(record.objective, first.score)
        return (
            f"{told}. The starting configuration, trial {safe(first.id)}, has {score}."
        )
    return f"{told}. The starting configuration was not tried as it is."


def _value(values, name):
    value = values.get(name, "–")
    return str(value) if isinstance(value, bool) else show("", value)


def _retrained(retrained, folder):
    """Tell of the training that followed, with a link to its own page."""
    about = dict(retrained) if isinstance(retrained, Mapping) else {"folder": retrained}
    run = about.pop("folder", None)
    told = "The best configuration was trained again"
    if run is not None:
        page = pathlib.Path(run)
        page = page if page.suffix == ".html" else page / "report.html"
        name = safe(run)
        if page.is_file():
            # both are resolved, or a link among them would lead elsewhere
            way = os.path.relpath(page.resolve(), folder.resolve())
            link = urllib.parse.quote(pathlib.PurePath(way).as_posix())
            name = f'<a href="{safe(link)}">{name}</a>'
        told += f", into {name}"
    rows = [[spoken(name, "time"), show(name, value)] for name, value in about.items()]
    laid = table("The training with the best configuration", ["", ""], rows)
    laid = laid if rows else ""
    return section("The training that followed", f"<p>{told}.</p>\n{laid}")


def _drawn(record, folder):
    """Draw the pictures; give their sections."""
    found = importance(record)
    order = [*found.shares]
    yield section("What mattered most", _mattered(found, folder))
    if record.trials and parameters(record.space):
        drawn = parameters_against_score(record, folder / "parameters.png", order=order)
        told = (
            "Each point is a trial; a bar through it reaches one standard deviation "
            "over its trainings, a long line is the median of a choice."
        )
        told += _beyond(record)
        yield _figure("Each hyperparameter against the score", drawn, told)
        drawn = parallel_coordinates(record, folder / "parallel.png", order=order)
        told = "Each line is a trial: its score on top, its values below."
        yield _figure("Parallel coordinates", drawn, told)
    drawn = learning_curves(record, folder / "learning_curves.png")
    if drawn:
        told = f"Each line is a training: its {record.objective} after each epoch."
        yield _figure("Learning curves", drawn, told)
    if record.trials:
        drawn = best_so_far(record, folder / "progress.png")
        told = (
            "Each point is a trial, in the order in which they began; the line is the "
            "best one so far among those trained to their end."
        )
        yield _figure("Progress", drawn, told)


def _figure(heading, drawn, told):
    return section(heading, picture(drawn, heading, told))


def _beyond(record):
    scale = scale_of(record)
    scores = [trial.score for trial in record.trials if trial.scored]
    count = int(scale.beyond(scores).sum())
    return f" Far worse than the others, and drawn at the edge: {count}." * bool(count)


def _mattered(found, folder):
    """Say what mattered most, and how far that can be told."""
    if not found.shares:
        return f"<p>{safe(found.doubt)}</p>\n"
    drawn = importance_bars(found, folder / "importance.png")
    first, share = next(iter(found.shares.items()))
    spread = found.spreads.get(first, 0.0)
    told = (
        f"{first} accounts for {100 * share:.0f} % (± {100 * spread:.0f} %) of what "
        f"the hyperparameters do to the score, as a random forest over {found.trials} "
        "trials sees it. The forest "
        f"explains {100 * (found.explained or 0):.0f} % of the variance of scores that "
        "it has not seen. Lines reach one standard deviation, over trials drawn anew. "
        "Weak effects are seen late: from few trials the strong ones look stronger."
    )
    return picture(drawn, "What mattered most", told)


def _trials(record):
    """Lay out all trials, the best first."""
    searched = parameters(record.space)
    head = ["trial", ">score", ">spread", "status", ">epochs", ">time"]
    head += [*(f">{safe(one.name)}" for one in searched), "worker"]
    rows = []
    for trial in record.ranked:
        row = [
            safe(trial.id),
            _score(record, trial.score),
            _score(record, trial.spread),
        ]
        row += [safe(trial.status.lower()), show("", trial.epochs)]
        row.append(show("seconds", trial.seconds))
        row += [_value(trial.values, one.name) for one in searched]
        # a line break there would double the height of every row
        rows.append([*row, safe(trial.worker.replace(" ", "\u00a0"))])
    told = "All trials, the best first; spread is the standard deviation over trainings"
    return section("Trials", table(told, head, rows))


def _score(record, score):
    return show(record.objective, float(score)) if finite(score) else "–"


def _troubles(record):
    """Tell what failed and what was stopped, with the reasons."""
    failed, stopped = [], []
    for trial in record.trials:
        reasons = {trial.reason, *(one.reason for one in trial.executions)} - {""}
        told = "; ".join(sorted(reasons)) or "no reason was recorded"
        row = [safe(trial.id), safe(trial.worker or "–"), _cut(told)]
        if trial.status == STOPPED:
            stopped.append(row)
        elif trial.status == FAILED or reasons or _lost(trial):
            failed.append(row)
    head = ["trial", "worker", "reason"]
    parts = ""
    if failed:
        parts += table(f"Trials with a failure: {len(failed)}", head, failed)
    if stopped:
        parts += table(f"Trials stopped early: {len(stopped)}", head, stopped)
    return section("Failures and early stops", parts) if parts else ""


def _lost(trial):
    return trial.status != RUNNING and not trial.scored


def _cut(reason):
    """Cut a reason to length; the end of a traceback says the most."""
    return safe(reason if len(reason) <= LONGEST else f"… {reason[-LONGEST:]}")


def _repeating(record):
    """Say how to repeat the search, and its best configuration exactly."""
    parts = ""
    command = record.facts.get("command")
    if command:
        told = command if isinstance(command, str) else " ".join(map(str, command))
        parts += "<p>The search again:</p>\n" + verbatim(told)
    if record.best:
        exact = json.dumps(dict(record.best.values), indent=1, default=str)
        parts += "<p>The best configuration, to the last digit:</p>\n" + verbatim(exact)
        seeds = sorted({one.seed for one in record.best.executions})
        told = ", ".join(str(seed) for seed in seeds)
        parts += f"<p>Its seeds or folds: {safe(told)}.</p>\n" if seeds else ""
    for name, value in record.facts.items():
        if isinstance(value, Mapping) and value:
            parts += pairs(value, str(name).replace("_", " "))
    return section("How to repeat it", parts) if parts else ""
