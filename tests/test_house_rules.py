"""House rules, read from the sources: each refusal names what to do instead.

Each rule has a list of files that are allowed to break it. The lists may only
shrink: an entry that is needed no more fails, too.
"""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
ROOMS = ("layers", "callbacks", "zoo", "scripts")
LIBRARY = [ROOT / "__init__.py", *(p for r in ROOMS for p in (ROOT / r).rglob("*.py"))]
TESTS = list((ROOT / "tests").rglob("*.py"))

# rule: files that may break it, with the reason
ALLOWED = {
    "backend": {"scripts/bench_classifiers.py": "plain PyTorch is the peer there"},
    "private keras": {},
    "print": {},
    "assert": {},
    "long file": {},
    "upward import": {},
    "absolute import": {},
}


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def imports(path):
    """Give every module that a file imports, relative ones spelled out."""
    package = ["kerasmith", *path.relative_to(ROOT).parent.parts]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*start, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def breaks_backend(path):
    """Only data sets, tools and native kernels may import a backend: use keras.ops."""
    free = ("zoo/data/", "zoo/tools/", "layers/native/")
    return not name_of(path).startswith(free) and any(
        module.partition(".")[0] in ("tensorflow", "jax", "torch")
        for module in imports(path)
    )


def breaks_private_keras(path):
    """Nothing of keras.src is public: find it under `keras`, or do without."""
    tree = ast.parse(path.read_text())
    attributes = [
        ast.unparse(n) for n in ast.walk(tree) if isinstance(n, ast.Attribute)
    ]
    return any(
        name == "keras.src" or name.startswith("keras.src.")
        for name in [*imports(path), *attributes]
    )


def breaks_print(path):
    """A library does not print: return it, warn, or write it in scripts/."""
    return any(
        isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "pprint")
        for node in ast.walk(ast.parse(path.read_text()))
    )


def breaks_assert(path):
    """python -O takes assertions away: raise ValueError or TypeError with a remedy."""
    tree = ast.parse(path.read_text())
    return any(isinstance(node, ast.Assert) for node in ast.walk(tree))


def breaks_long_file(path):
    """A file of more than 400 lines holds more than one concept: split it."""
    return len(path.read_text().splitlines()) > 400


def room_of(module):
    """Give the rank of the room that a module of ours lies in, `None` for others."""
    parts = module.split(".")
    if parts[0] == "kerasmith" and len(parts) > 1 and parts[1] in ROOMS:
        return ROOMS.index(parts[1])
    return None


def breaks_upward_import(path):
    """Imports go scripts -> zoo -> callbacks -> layers: move what both need down."""
    room = room_of(f"kerasmith.{name_of(path).split('/')[0]}")
    ranks = [room_of(module) for module in imports(path)]
    return room is not None and any(r is not None and r > room for r in ranks)


def breaks_absolute_import(path):
    """In layers/, callbacks/, zoo/ write `from ..layers import MaxNorm`.

    And nowhere `import layers`: a second copy registers every class twice.
    """
    absolute = [
        alias.name.partition(".")[0]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import)
        for alias in node.names
    ] + [
        (node.module or "").partition(".")[0]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and not node.level
    ]
    relative_only = name_of(path).startswith(("layers/", "callbacks/", "zoo/"))
    return bool({*ROOMS, *(["kerasmith"] if relative_only else [])} & set(absolute))


RULES = [
    ("backend", breaks_backend, LIBRARY),
    ("private keras", breaks_private_keras, LIBRARY + TESTS),
    ("print", breaks_print, LIBRARY),
    ("assert", breaks_assert, LIBRARY),
    ("long file", breaks_long_file, LIBRARY + TESTS),
    ("upward import", breaks_upward_import, LIBRARY),
    ("absolute import", breaks_absolute_import, LIBRARY + TESTS),
]


@pytest.mark.parametrize("rule, breaks, files", RULES, ids=[rule[0] for rule in RULES])
def test_the_house_rule(rule, breaks, files):
    found = {name_of(path) for path in files if breaks(path)}
    allowed = set(ALLOWED[rule])
    assert not found - allowed, f"{sorted(found - allowed)}: {breaks.__doc__}"
    assert not allowed - found, (
        f"{sorted(allowed - found)} keep the rule now: take them off ALLOWED[{rule!r}]"
    )


@pytest.mark.parametrize(
    "breaks, place, source",
    [
        (breaks_backend, "layers/some.py", "from tensorflow import io"),
        (breaks_backend, "callbacks/some.py", "import torch.nn"),
        (breaks_private_keras, "layers/some.py", "import keras\nx = keras.src.backend"),
        (breaks_private_keras, "layers/some.py", "from keras.src import backend"),
        (breaks_print, "layers/some.py", "print(1)"),
        (breaks_assert, "layers/some.py", "assert 1"),
        (breaks_long_file, "layers/some.py", "\n" * 401),
        (breaks_upward_import, "layers/some.py", "from .. import zoo"),
        (breaks_upward_import, "callbacks/some.py", "from ..zoo.parts import Parts"),
        (breaks_upward_import, "zoo/data/some.py", "from ...scripts import main"),
        (breaks_upward_import, "zoo/some.py", "def f():\n from ..scripts import main"),
        (breaks_absolute_import, "zoo/some.py", "from kerasmith import layers"),
        (breaks_absolute_import, "scripts/some.py", "import layers"),
    ],
)
def test_a_rule_sees_who_breaks_it(breaks, place, source, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(source)
    assert breaks(path)
