"""Every example in a docstring runs, and everything public has one."""

import doctest
import importlib
import inspect
import pathlib
import pkgutil
import tomllib

import keras
import pytest

ROOT = pathlib.Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = PROJECT["tool"]["setuptools"]["packages"]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

# public things whose docstring needs no example, and why
WITHOUT_EXAMPLE = {
    "kerasmith.zoo.named_parts.PartKeywords": "types for editors of what Parts says",
    "kerasmith.zoo.tools.calls.symbols": "serves the functions of its own file",
    **{
        f"kerasmith.zoo.tuning.{name}": "starts a process, or is one"
        for name in (
            "process.begin",
            "process.start",
            "process.stop",
            "worker.be_worker",
            "worker.work",
        )
    },
}


def module_names():
    """Name every module of the library, without importing any.

    Of the kernels, those for the backend in use: the others may not be installed.
    """
    names = list(PACKAGES)
    for package in PACKAGES:
        folder = ROOT.joinpath(*package.split(".")[1:])
        names += [
            f"{package}.{module.name}"
            for module in pkgutil.iter_modules([str(folder)])
            if not module.ispkg
        ]
    native, used = "kerasmith.layers.native.", keras.backend.backend()
    return sorted(
        name
        for name in names
        if not name.startswith(native) or name[len(native) :].split(".")[0] == used
    )


def public_things():
    """Map the full name of every public class and function to the thing itself.

    Of `layers` that is what it offers: what layers share among each other is not.
    """
    found = {}
    offered = importlib.import_module("kerasmith.layers").__all__
    for name in module_names():
        module = importlib.import_module(name)
        for key, thing in vars(module).items():
            ours = getattr(thing, "__module__", None) == name
            inside = name.startswith("kerasmith.layers.") and key not in offered
            if ours and callable(thing) and not key.startswith("_") and not inside:
                found[f"{name}.{key}"] = thing
    return found


@pytest.mark.parametrize("name", module_names())
def test_the_examples_of_a_module_run(name, tmp_path, monkeypatch):
    module = importlib.import_module(name)
    monkeypatch.chdir(tmp_path)
    complaints = []
    for test in doctest.DocTestFinder().find(module, name):
        doctest.DocTestRunner(optionflags=FLAGS).run(test, out=complaints.append)
    assert not complaints, "".join(complaints)
    assert not list(tmp_path.iterdir()), "an example left files behind"


def test_everything_public_has_an_example():
    without = {
        name
        for name, thing in public_things().items()
        if ">>>" not in (inspect.getdoc(thing) or "")
    }
    missing, needless = without - set(WITHOUT_EXAMPLE), set(WITHOUT_EXAMPLE) - without
    assert not missing, "public, but without an example that runs: write one"
    assert not needless, "take these off WITHOUT_EXAMPLE"


def own_methods(thing):
    """Name the public methods that a class adds to those of its bases."""
    inherited = {name for base in thing.__mro__[1:] for name in vars(base)}
    return [
        name
        for name, value in vars(thing).items()
        if inspect.isfunction(value) and not name.startswith("_") | (name in inherited)
    ]


def test_every_public_method_is_described():
    silent = [
        f"{name}.{method}"
        for name, thing in public_things().items()
        if inspect.isclass(thing)
        for method in own_methods(thing)
        if not inspect.getdoc(getattr(thing, method))
    ]
    assert not silent


def test_every_module_says_what_it_is():
    silent = [n for n in module_names() if not importlib.import_module(n).__doc__]
    assert not silent
