"""Cut texts into characters, words or parts of words, with TensorFlow's own
operations, so that a pipeline and an exported model cut as the training did.

White space is what Unicode calls so (property White_Space, 25 characters; the four
information separators that Python counts too, U+001C to U+001F, are none).
Punctuation is every character of the categories P and S; all others are letters here.
"""

import tensorflow as tf

UNKNOWN_TEXT = "\ufffd"

_SPACES = (
    r"[\t-\r \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}"
    r"\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+"
)
_LETTERS = r"[^ \p{P}\p{S}]+"
_PUNCTUATION = r"[\p{P}\p{S}]"
_WORD = rf"{_LETTERS}(?:['’-]{_LETTERS}|[.,]\p{{Nd}}(?:{_LETTERS})?)*"
# TensorFlow lowers them otherwise on a Turkish or Lithuanian machine
_LOCAL_CAPITALS = "IJĮÌÍĨİ"
# no text holds it once its white space is single spaces
_CUT = "\n"


def as_strings(texts):
    """Make a string tensor of texts.

    Args:
        texts: Text, list or array of texts (`str` or UTF-8 `bytes`), or a string
            tensor of shape `()` or `(batch,)`.

    Returns:
        String tensor of shape `()` or `(batch,)`.

    Raises:
        TypeError: If something is no text.
        ValueError: If there are more dimensions.

    Example:

    >>> as_strings(["one", "two"]).shape.as_list()
    [2]
    """
    if isinstance(texts, tf.RaggedTensor):
        raise TypeError("texts need to be a string tensor, received a RaggedTensor.")
    if not tf.is_tensor(texts):
        alone = isinstance(texts, (str, bytes))
        texts = tf.constant(
            _as_bytes(texts) if alone else [_as_bytes(text) for text in texts],
            tf.string,
        )
    if texts.dtype != tf.string:
        raise TypeError(f"texts need to be strings, received {texts.dtype.name}.")
    if texts.shape.rank not in (0, 1):
        raise ValueError(
            "texts need to be one text or a list of them, received a tensor of shape "
            f"{texts.shape}: reshape it to (-1,)."
        )
    return texts


def clean(texts, lowercase=False):
    """Replace what is no UTF-8, and NUL, by U+FFFD; and capitals if wanted.

    Small letters are those of Unicode, in whatever country the machine stands.

    Args:
        texts: String tensor.
        lowercase: Whether to turn capitals into small letters.

    Returns:
        String tensor of the same shape, valid UTF-8.

    Example:

    >>> clean(tf.constant([b"\\xc3\\x89t\\xe9"]), lowercase=True).numpy()[0].decode()
    'ét\ufffd'
    """
    texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8")
    # TensorFlow's `lower` would end the text there
    texts = tf.strings.regex_replace(texts, r"\x00", UNKNOWN_TEXT)
    if not lowercase:
        return texts
    for capital in _LOCAL_CAPITALS:
        texts = tf.strings.regex_replace(texts, capital, capital.lower())
    return tf.strings.lower(texts, encoding="utf-8")


def characters(texts):
    """Cut texts into their Unicode characters.

    Args:
        texts: String tensor of shape `(batch,)`.

    Returns:
        Ragged string tensor `(batch, characters)`.

    Example:

    >>> [c.decode() for c in characters(tf.constant(["né"])).numpy()[0]]
    ['n', 'é']
    """
    return tf.strings.unicode_split(texts, "UTF-8")


def words(texts):
    """Cut texts into words and single punctuation characters.

    An apostrophe or hyphen between letters, and a point or comma between a letter
    and a digit, belong to the word: don't, well-known, 3.14.

    Args:
        texts: String tensor of shape `(batch,)`, valid UTF-8.

    Returns:
        Ragged string tensor `(batch, words)`.

    Example:

    >>> words(tf.constant(["I don't pay 3.50!"])).to_list()
    [[b'I', b"don't", b'pay', b'3.50', b'!']]
    """
    marked = _mark(_single_spaces(texts), rf"({_WORD}|{_PUNCTUATION})")
    return _cut(tf.strings.regex_replace(marked, " ", ""))


def parts(texts):
    """Cut texts into runs of letters and runs of punctuation.

    A run that follows white space, or begins the text, begins with a space. All runs
    joined are the text, its white space made single spaces.

    Args:
        texts: String tensor of shape `(batch,)`, valid UTF-8.

    Returns:
        Ragged string tensor `(batch, runs)`.

    Example:

    >>> parts(tf.constant(["I don't (yet)..."])).to_list()
    [[b' I', b' don', b"'", b't', b' (', b'yet', b')...']]
    """
    texts = tf.strings.regex_replace(_single_spaces(texts), "^(.)", r" \1")
    return _cut(_mark(texts, rf"( ?{_LETTERS}| ?{_PUNCTUATION}+)"))


def join_words(texts):
    """Put the punctuation of words that spaces join back where it belongs.

    Closing marks go to the word before, opening ones to the word behind, a pair of
    straight quotes to what is between; slashes lose both spaces.

    Args:
        texts: String tensor of any shape.

    Returns:
        String tensor of the same shape.

    Example:

    >>> print(join_words(tf.constant('She said : " no ( yet ) ! "')).numpy().decode())
    She said: "no (yet)!"
    """
    for pattern, instead in (
        (r" ([.,;:!?%…)\]}”’»])", r"\1"),
        (r"([(\[{¿¡“‘„«]) ", r"\1"),
        (r" / ", "/"),
        (r'" ([^"]*) "', r'"\1"'),
    ):
        texts = tf.strings.regex_replace(texts, pattern, instead)
    return texts


def _as_bytes(text):
    """Give UTF-8; half a surrogate pair becomes bytes that `clean` replaces."""
    if isinstance(text, bytes):
        return text
    if isinstance(text, str):
        return text.encode("utf-8", "surrogatepass")
    raise TypeError(f"texts need to be str or bytes, received {type(text).__name__}.")


def _single_spaces(texts):
    texts = tf.strings.regex_replace(texts, _SPACES, " ")
    return tf.strings.regex_replace(texts, "^ | $", "")


def _mark(texts, pattern):
    return tf.strings.regex_replace(texts, pattern, rf"\1{_CUT}")


def _cut(texts):
    pieces = tf.strings.split(texts, _CUT)
    return tf.ragged.boolean_mask(pieces, pieces != "")
