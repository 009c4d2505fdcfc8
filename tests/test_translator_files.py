"""The folder of a translator: whole, or one clear error."""

import json
import os
import shutil
import subprocess
import sys

import keras
import pytest
from translator_models import TEXTS, drawn, network, shared, vocabularies

from kerasmith import zoo
from kerasmith.zoo.data import Vocabulary
from kerasmith.zoo.tools import Translator

NEW_PROCESS = """
import json, sys
from kerasmith.zoo import Translator
translator = Translator.load(sys.argv[1])
print(json.dumps(translator(json.loads(sys.argv[2]), best=3)))
"""


def test_a_new_process_on_another_backend_says_the_same(tmp_path):
    other = "jax" if keras.backend.backend() == "tensorflow" else "tensorflow"
    translator = shared("seq2seq")
    texts = [text for text in TEXTS if isinstance(text, str)]
    folder = translator.save(tmp_path / "a" / "translator")
    assert folder == tmp_path / "a" / "translator"
    done = subprocess.run(
        [sys.executable, "-c", NEW_PROCESS, str(folder), json.dumps(texts)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "KERAS_BACKEND": other},
    )
    found = json.loads(done.stdout.splitlines()[-1])
    expected = translator(texts, best=3)
    for row, other_row in zip(expected, found, strict=True):
        for (text, score), (other_text, other_score) in zip(
            row, other_row, strict=True
        ):
            assert other_text == text
            assert other_score == pytest.approx(score, abs=1e-4)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("translators") / "saved"
    return shared("seq2seq").save(folder)


def test_what_is_loaded_is_what_was_saved(saved, tmp_path):
    names = sorted(entry.name for entry in saved.iterdir())
    assert names == sorted(
        [
            "model.keras",
            "source_vocabulary.json",
            "target_vocabulary.json",
            "translator.json",
        ]
    )
    twin = Translator.load(saved)
    assert twin.settings == shared("seq2seq").settings
    assert twin.target_vocabulary.tokens == vocabularies()[1].tokens
    letters = vocabularies()[0]
    model = zoo.seq2seq(vocabulary=len(letters), width=5, embedding=3)
    settings = {"length": 7, "width": 2, "length_penalty": 0.0, "source_length": 9}
    one = Translator(model, letters, **settings)
    assert one.target_vocabulary is letters
    one.save(tmp_path / "one")
    assert not (tmp_path / "one" / "target_vocabulary.json").exists()
    one.save(tmp_path / "one")  # its own folder is replaced
    again = Translator.load(tmp_path / "one")
    assert again.settings == settings
    assert again.target_vocabulary is again.source_vocabulary


def test_nothing_of_others_is_replaced(tmp_path):
    (tmp_path / "notes.txt").write_text("kept")
    with pytest.raises(FileExistsError, match=r"notes\.txt, which is none of a"):
        shared("seq2seq").save(tmp_path)
    with pytest.raises(FileExistsError, match="is a file; name a folder"):
        shared("seq2seq").save(tmp_path / "notes.txt")
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]


def test_a_write_that_fails_leaves_the_old_folder(saved, tmp_path, monkeypatch):
    folder = tmp_path / "translator"
    shutil.copytree(saved, folder)
    before = {entry.name: entry.read_bytes() for entry in folder.iterdir()}

    def full(self, path):
        raise OSError("no space left on device")

    monkeypatch.setattr(Vocabulary, "save", full)
    with pytest.raises(OSError, match="no space left"):
        shared("seq2seq").save(folder)
    assert {entry.name: entry.read_bytes() for entry in folder.iterdir()} == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["translator"]


def cut(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def told(**changes):
    def change(path):
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


@pytest.mark.parametrize(
    "name, change, error, message",
    [
        (
            "translator.json",
            lambda p: p.unlink(),
            FileNotFoundError,
            "no translator in",
        ),
        ("translator.json", cut, ValueError, "is cut short or tells of no translator"),
        (
            "translator.json",
            told(version=2),
            ValueError,
            "of version 2; this Kerasmith",
        ),
        (
            "translator.json",
            told(format="a"),
            ValueError,
            "tells of a 'a' of version 1",
        ),
        ("translator.json", told(settings={}), ValueError, "does not tell all"),
        (
            "model.keras",
            lambda p: p.unlink(),
            FileNotFoundError,
            "lacks its model.keras",
        ),
        ("model.keras", cut, ValueError, "cut short or no .keras file"),
        (
            "source_vocabulary.json",
            cut,
            ValueError,
            "not the vocabulary that was saved",
        ),
        (
            "target_vocabulary.json",
            lambda p: p.unlink(),
            FileNotFoundError,
            "lacks its target_vocabulary.json",
        ),
        (
            "model.keras",
            lambda p: drawn(network("seq2seq"), 5, 1, 1).save(p),
            ValueError,
            "other weights than those",
        ),
    ],
)
def test_a_folder_that_is_not_whole_is_one_clear_error(
    saved, name, change, error, message, tmp_path
):
    folder = tmp_path / "translator"
    shutil.copytree(saved, folder)
    change(folder / name)
    with pytest.raises(error, match=message) as raised:
        Translator.load(folder)
    assert "\n" not in str(raised.value)
