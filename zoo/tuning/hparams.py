"""What a search tried, for the HParams page of TensorBoard, on every backend."""

import importlib
import pathlib
import re
from typing import Any

import numpy as np

from ...callbacks.event_file import EventFile
from ...callbacks.files import replacing
from .record import RUNNING, finite
from .search_parameters import parameters

SCORE = "score"


def write_hparams(record, folder):
    """Write what TensorBoard shows as HParams, and the learning curves of all trials.

    Each trial is a run with its values, its score, its seconds and the mean of its
    executions' histories. Where it has several executions, each has a run below it.
    Needs the package `tensorboard`, and neither TensorFlow nor PyTorch.

    Args:
        record: `SearchRecord`.
        folder: Receives the folder `hparams`, which replaces an older one. Start
            `tensorboard --logdir` with either.

    Returns:
        The path of `hparams` as a `pathlib.Path`.

    Raises:
        ImportError: If `tensorboard` is not installed.
        OSError: If a file cannot be written.

    Example:

    >>> import keras_tuner, tempfile
    >>> from kerasmith.zoo.tuning.record import SearchRecord, TrialRecord
    >>> space = keras_tuner.HyperParameters()
    >>> units = space.Int("units", 4, 16)
    >>> trials = (TrialRecord("0", "COMPLETED", {"units": 4}, 0.8),)
    >>> record = SearchRecord("a", "Random", "accuracy", "max", space, trials, 9.0)
    >>> [run.name for run in write_hparams(record, tempfile.mkdtemp()).glob("*/")]
    ['0']
    """
    path = pathlib.Path(folder) / "hparams"
    texts = {one.name for one in parameters(record.space) if _kind(one) is str}
    with replacing(path) as beside:
        _write(beside, [_experiment(record)])
        for name, trial in _runs(record.trials).items():
            seconds, means = {"seconds": [trial.seconds]}, _means(trial)
            score = {SCORE: [trial.score]} if finite(trial.score) else {}
            messages = [_start(trial, name, texts), _end(trial)]
            _write(beside / name, messages, seconds | score | means)
            if len(trial.executions) > 1:
                for number, one in enumerate(trial.executions):
                    run = f"execution_{number}_seed_{one.seed}"
                    _write(beside / name / _plain(run), [], one.history)
    return path


def _write(folder, messages, history=None):
    """Write one run: its messages, then a number a metric and epoch."""
    file = EventFile(folder)
    for tag, about in messages:
        file.message(tag, about)
    for name, values in (history or {}).items():
        for epoch, value in enumerate(values):
            if finite(value):
                file.scalar(name, epoch, value)
    file.close()


def _runs(trials):
    """Give each trial a name that can be a folder, the id where it can."""
    runs = {}
    for number, trial in enumerate(trials):
        name = _plain(trial.id)
        runs[name if name not in runs else f"{name}_{number}"] = trial
    return runs


def _plain(name):
    return re.sub(r"[^\w-]", "_", str(name)) or "_"


def _means(trial):
    """Average the histories of the executions, each epoch over those that have it."""
    names = dict.fromkeys(name for one in trial.executions for name in one.history)
    found = {}
    for name in names:
        lines = [np.array(one.history.get(name, []), float) for one in trial.executions]
        means = []
        for epoch in range(max(map(len, lines))):
            values = [line[epoch] for line in lines if len(line) > epoch]
            values = [value for value in values if np.isfinite(value)]
            means.append(float(np.mean(values)) if values else None)
        found[name] = means
    return found


def _experiment(record):
    """Describe what is searched and what is measured."""
    api = _messages("api_pb2")
    names = [name for trial in record.trials for name in _means(trial)]
    told = f"{record.objective}, {record.direction}"
    metrics = [api.MetricInfo(name=api.MetricName(tag=SCORE), display_name=told)]
    for name in dict.fromkeys(["seconds", record.objective, *names]):
        metrics.append(api.MetricInfo(name=api.MetricName(tag=name)))
    experiment = api.Experiment(
        description=f"{record.tuner}: {record.name}",
        hparam_infos=[_information(api, one) for one in parameters(record.space)],
        metric_infos=metrics,
    )
    return "_hparams_/experiment", _packed(experiment=experiment)


def _information(api, parameter):
    """Describe a hyperparameter and its domain."""
    kind = _kind(parameter)
    names = {bool: "DATA_TYPE_BOOL", str: "DATA_TYPE_STRING"}
    about = api.HParamInfo(
        name=parameter.name,
        type=getattr(api, names.get(kind, "DATA_TYPE_FLOAT64")),
    )
    if parameter.choices:
        about.domain_discrete.extend([kind(value) for value in parameter.choices])
    else:
        about.domain_interval.min_value = parameter.low
        about.domain_interval.max_value = parameter.high
    return about


def _kind(parameter):
    """Tell whether its values are truths, numbers, or anything else, told as text."""
    if all(isinstance(value, bool) for value in parameter.choices):
        return bool if parameter.choices else float
    numbers = all(
        isinstance(value, int | float) and not isinstance(value, bool)
        for value in parameter.choices
    )
    return float if numbers else str


def _start(trial, name, texts):
    """Tell with which values a trial was started."""
    about = _messages("plugin_data_pb2").SessionStartInfo(group_name=name)
    for key, value in trial.values.items():
        value = value.item() if isinstance(value, np.generic) else value
        if key in texts or not isinstance(value, bool | int | float):
            about.hparams[key].string_value = str(value)
        elif isinstance(value, bool):
            about.hparams[key].bool_value = value
        else:
            about.hparams[key].number_value = value
    return "_hparams_/session_start_info", _packed(session_start_info=about)


def _end(trial):
    """Tell how a trial ended."""
    api = _messages("api_pb2")
    status = api.STATUS_SUCCESS if trial.scored else api.STATUS_FAILURE
    status = api.STATUS_RUNNING if trial.status == RUNNING else status
    about = _messages("plugin_data_pb2").SessionEndInfo(status=status)
    return "_hparams_/session_end_info", _packed(session_end_info=about)


def _packed(**about):
    data = _messages("plugin_data_pb2").HParamsPluginData(**about)
    return _messages("metadata").create_summary_metadata(data)


def _messages(module) -> Any:
    # made when they are imported, so that no type checker knows what is in them
    return importlib.import_module(f"tensorboard.plugins.hparams.{module}")
