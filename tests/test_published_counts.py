"""Every architecture has the parameters and multiply-accumulates that are published."""

import decimal

import keras
import pytest
from published_counts import COUNTS

from kerasmith import zoo


def test_every_architecture_has_published_counts():
    assert set(COUNTS) >= set(zoo.names())


@pytest.mark.parametrize("name", zoo.names())
def test_it_counts_what_is_published(name):
    # in this scope variables have shapes and no values: nothing is allocated
    with keras.StatelessScope(initialize_variables=False):
        card = zoo.card(zoo.build(name))
    parameters, multiply_accumulates = COUNTS[name]
    assert card.trainable_parameters == parameters
    assert not card.uncounted
    assert rounded(card.multiply_accumulates, multiply_accumulates) == (
        multiply_accumulates
    )


def rounded(number, like):
    """Write a number in the unit and with the digits of a text."""
    if isinstance(like, int):
        return number
    text, unit = like.split()
    number = decimal.Decimal(number).scaleb({"G": -9, "M": -6}[unit])
    number = number.quantize(decimal.Decimal(text), decimal.ROUND_HALF_UP)
    return f"{number} {unit}"
