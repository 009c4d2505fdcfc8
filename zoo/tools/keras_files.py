"""Files of saved models: read without running what code may be in them."""

import json
import pathlib
import zipfile

import keras

from .parity import one_line


def read_config(path):
    """Read the config in a `.keras` file, which must hold no code.

    Args:
        path: The file.

    Returns:
        The config as nested dictionaries and lists.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no whole `.keras` file, or carries a Lambda with code.

    Example:

    >>> read_config("nowhere.keras")
    Traceback (most recent call last):
    FileNotFoundError: there is no file nowhere.keras.
    """
    if not pathlib.Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}.")
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, OSError) as error:
        raise ValueError(
            f"{path} is cut short or no .keras file ({one_line(error, 100)})."
        ) from error
    if any(node.get("class_name") == "__lambda__" for node in walk(config)):
        raise ValueError(
            f"{path} carries a Lambda with Python code, which is refused because it "
            "could do anything once loaded; put the code into a layer of your own."
        )
    return config


def load_model(path):
    """Load a `.keras` file, never the code in it.

    Safe mode is on whatever `keras.config` says.

    Args:
        path: The file.

    Returns:
        The model, not compiled.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is cut short, carries a Lambda with code, or needs a class
            that was not imported.

    Example:

    >>> load_model("nowhere.keras")
    Traceback (most recent call last):
    FileNotFoundError: there is no file nowhere.keras.
    """
    read_config(path)
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises a dozen kinds, with pages of config
        text = str(error)
        text = text.partition("Exception encountered: ")[2] or text
        raise ValueError(f"{path} cannot be loaded: {one_line(text)}") from error


def walk(config):
    """Go through all dictionaries in a config.

    Args:
        config: Nested dictionaries and lists.

    Yields:
        Each dictionary.

    Example:

    >>> [node["a"] for node in walk({"a": [{"a": 1}]})]
    [[{'a': 1}], 1]
    """
    if isinstance(config, dict):
        yield config
        config = list(config.values())
    if isinstance(config, list):
        for value in config:
            yield from walk(value)
