"""Every architecture has the parameters and multiply-accumulates that are published."""

import decimal
import pathlib

import pytest
from published_counts import COUNTS

from kerasmith import zoo
from kerasmith.zoo.tools import zoo_page

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "zoo.md"
REMEDY = "kerasmith list --page docs/zoo.md"


def test_every_architecture_has_published_counts():
    assert set(COUNTS) >= set(zoo.names())


@pytest.mark.parametrize("name", zoo.names())
def test_it_counts_what_is_published(name):
    card = zoo_page.symbolic_card(name)
    parameters, multiply_accumulates = COUNTS[name]
    assert card.trainable_parameters == parameters
    assert not card.uncounted
    assert rounded(card.multiply_accumulates, multiply_accumulates) == (
        multiply_accumulates
    )
    assert zoo_page.row(name, card) in PAGE.read_text().splitlines(), REMEDY


def test_the_page_of_the_zoo_holds_nothing_else():
    text = PAGE.read_text()
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    rows = {line.split("`")[1]: line for line in lines}
    assert set(rows) == set(zoo.names())
    assert text == zoo_page.zoo_page(rows), REMEDY


def rounded(number, like):
    """Write a number in the unit and with the digits of a text."""
    if isinstance(like, int):
        return number
    text, unit = like.split()
    number = decimal.Decimal(number).scaleb({"G": -9, "M": -6}[unit])
    number = number.quantize(decimal.Decimal(text), decimal.ROUND_HALF_UP)
    return f"{number} {unit}"
