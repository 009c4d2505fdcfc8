"""Text in columns."""


def in_columns(rows):
    """Give rows of text as lines whose columns are aligned.

    Example:

    >>> in_columns([("kernel", "units"), ("up.kernel", "8")])
    ['kernel     units', 'up.kernel  8']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            text.ljust(width) for text, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
