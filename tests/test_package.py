"""The wheel: built through the sdist, complete, imported from elsewhere."""

import pathlib
import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = PROJECT["tool"]["setuptools"]["packages"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build in a copy, so that nothing is left behind in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    ignored = shutil.ignore_patterns(".*", "runs", "build", "dist", "*.egg-info")
    shutil.copytree(ROOT, source, ignore=ignored)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder]
    built = subprocess.run([*command, source], capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_every_module_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    found = {name for name in names if ".dist-info/" not in name}
    expected = {"kerasmith/py.typed"}
    for package in PACKAGES:
        folder = package.partition(".")[2].replace(".", "/")
        for path in (ROOT / folder).glob("*.py"):
            expected.add(f"{package.replace('.', '/')}/{path.name}")
    assert found == expected
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_wheel_works_elsewhere(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = (
        "import kerasmith, sys; from kerasmith import zoo; "
        "print(kerasmith.__file__); print(zoo.lenet().count_params())"
    )
    # the folder comes before site-packages, where the checkout is installed
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, 'site'); {code}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    place, parameters = done.stdout.split()
    assert pathlib.Path(place).is_relative_to(tmp_path)
    assert parameters == "60840"


def test_packages_are_the_folders_on_disk():
    rooms = ("layers", "callbacks", "zoo", "scripts")
    folders = {"kerasmith"}
    for room in rooms:
        for path in (ROOT / room).rglob("__init__.py"):
            folders.add(".".join(("kerasmith", *path.parent.relative_to(ROOT).parts)))
    assert set(PACKAGES) == folders


def test_the_version_is_one():
    import kerasmith

    assert PROJECT["project"]["version"] == kerasmith.__version__


def test_constraints_pin_what_is_depended_on_without_addresses():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all("==" in line and "/" not in line for line in pins)
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in pins}
    project = PROJECT["project"]
    wanted = [*project["dependencies"]]
    for name in ("jax", "torch", "export", "dev"):
        wanted += project["optional-dependencies"][name]
    for requirement in wanted:
        name = requirement.partition(">")[0].lower().replace("_", "-")
        assert name in pinned, f"{requirement} is not in constraints.txt"
