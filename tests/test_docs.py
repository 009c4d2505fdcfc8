"""What the README and the pages say runs, word for word."""

import pathlib
import re
import shlex

import pytest

from kerasmith.scripts.main import parser

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@every_page
def test_python_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
        exec(compile(block, page.name, "exec"), names)


@every_page
def test_commands_are_understood(page):
    for line in re.findall(r"^ {4}(?:\S*/)?kerasmith (.*)$", page.read_text(), re.M):
        if "..." not in line:
            parser().parse_args(shlex.split(line, comments=True))


@every_page
def test_links_lead_somewhere(page):
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)#:]+)\)", prose):
        assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_make_commands_exist():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M)
    for page in PAGES:
        for command in re.findall(r"^ {4}make (\w+)", page.read_text(), re.M):
            assert command in targets
