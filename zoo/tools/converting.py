"""Conversion in a second process, whose backend is TensorFlow.

JAX and PyTorch write no SavedModel. Their models are saved as `.keras` files, and a
worker module of ours loads them in a new process and writes what was asked for. The
job it finds there is a JSON file with the `models` (names and files), the `modules`
to import first, the path `answer` for the kind and message of an error, and all
else that the worker needs.
"""

import importlib
import json
import os
import pathlib
import sys
import tempfile

import keras

from . import keras_files, parity


def stages_of(preprocess):
    """List the layers of a preprocessing, those of pipelines one by one.

    Args:
        preprocess: Layer, `keras.layers.Pipeline`, `keras.Sequential` or `None`.

    Returns:
        Tuple of layers.

    Example:

    >>> pipeline = keras.layers.Pipeline([keras.layers.Rescaling(1 / 255)])
    >>> [stage.scale == 1 / 255 for stage in stages_of(pipeline)]
    [True]
    """
    if preprocess is None:
        return ()
    if isinstance(preprocess, (keras.layers.Pipeline, keras.Sequential)):
        return tuple(stage for layer in preprocess.layers for stage in stages_of(layer))
    return (preprocess,)


def models_of(service):
    """Name what has to be saved of a service.

    Args:
        service: `serving.Service`.

    Returns:
        Dictionary of the `model` and, where there are stages, a `preprocess`.

    Example:

    >>> from kerasmith.zoo.tools import serving
    >>> model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten()])
    >>> list(models_of(serving.Service(model, (), tuple("abcd"), True)))
    ['model']
    """
    models = {"model": service.model}
    if service.stages:
        image = keras.Input(service.shape("saved_model"))
        models["preprocess"] = keras.Sequential([image, *service.stages])
    return models


def convert_elsewhere(worker, models, details):
    """Have a worker convert models in a new process with TensorFlow as the backend.

    Args:
        worker: Name of a module whose `main(job)` calls `work_off`.
        models: Dictionary of Keras models, saved here and loaded there.
        details: Dictionary of what else the worker needs, ready for JSON.

    Raises:
        ValueError: If a model cannot be saved, or loaded there, or converted.
        OSError: If a file cannot be written.
        RuntimeError: If the process broke off.

    Example:

    >>> lambda_ = keras.layers.Lambda(lambda x: x, name="code")
    >>> code = keras.Sequential([keras.Input((2,)), lambda_])
    >>> convert_elsewhere("none", {"model": code}, {})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: ...model.keras carries a Lambda with Python code, which is refused ...
    """
    with tempfile.TemporaryDirectory() as folder:
        room = pathlib.Path(folder)
        for name, model in models.items():
            _save(model, room / f"{name}.keras")
        needed = set().union(*(modules(room / f"{name}.keras") for name in models))
        job = {
            **details,
            "models": {name: str(room / f"{name}.keras") for name in models},
            "modules": sorted(needed),
            "answer": str(room / "answer.json"),
        }
        complaint = parity.run_job(
            ["-c", f"import sys; from {worker} import main; main(sys.argv[1])"],
            job,
            room,
            KERAS_BACKEND="tensorflow",
            JAX_PLATFORMS="cpu",  # Keras imports JAX where it is installed
            PYTHONPATH=os.pathsep.join(sys.path),
        )
        if not (room / "answer.json").exists():
            raise RuntimeError(f"the conversion broke off: {complaint}")
        kind, message = json.loads((room / "answer.json").read_text(encoding="utf-8"))
    if kind:
        raise {"OSError": OSError}.get(kind, ValueError)(message)


def work_off(job, work):
    """Do the work of a job in this process, and leave an error as its answer.

    Args:
        job: Path of the JSON file.
        work: Function of the dictionary of loaded models and that of the job.

    Example:

    >>> work_off("nowhere.json", None)
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'nowhere.json'
    """
    job = json.loads(pathlib.Path(job).read_text(encoding="utf-8"))
    answer = (None, None)
    try:
        for module in job["modules"]:
            _import(module)
        loaded = {name: keras_files.load_model(p) for name, p in job["models"].items()}
        work(loaded, job)
    except (OSError, ValueError) as error:
        answer = ("OSError" if isinstance(error, OSError) else "ValueError", str(error))
    pathlib.Path(job["answer"]).write_text(json.dumps(answer), encoding="utf-8")


def _save(model, path):
    try:
        model.save(path)
    except Exception as error:  # whatever a custom layer raises
        raise ValueError(
            "the model cannot be saved, and so not be converted by another process: "
            f"{parity.one_line(error)}"
        ) from error


def _import(module):
    try:
        importlib.import_module(module)
    except Exception as error:  # a module may raise anything
        raise ValueError(
            f"the model needs the module {module!r}, which a new process cannot import "
            f"({parity.one_line(error)}); move its classes to one that it can."
        ) from error


def modules(path):
    """List the modules that hold the custom classes and functions of a file.

    Args:
        path: `.keras` file of a model whose classes are imported here.

    Returns:
        Set of names.

    Raises:
        ValueError: If it holds classes of the program itself, which a new process
            cannot import.

    Example:

    >>> modules("nowhere.keras")
    Traceback (most recent call last):
    FileNotFoundError: there is no file nowhere.keras.
    """
    config = keras_files.read_config(path)
    config.pop("compile_config", None)
    found = set()
    for node in keras_files.walk(config):
        name, module = node.get("registered_name"), node.get("module")
        if not name:
            continue
        if node.get("class_name") == "function":  # Keras does not note their module
            function = keras.saving.get_registered_object(node["config"])
            module = getattr(function, "__module__", "builtins")
        if module in (None, "__main__"):
            raise ValueError(
                f"the model holds {node.get('class_name')!r} of the program itself, "
                "which the process that converts it cannot import; move it to a module "
                "of its own, or export with the TensorFlow backend."
            )
        if module.partition(".")[0] not in ("keras", "builtins"):
            found.add(module)
    return found
