"""A vocabulary inside graphs: `tf.data`, functions and SavedModels."""

import json
import os
import subprocess
import sys

import keras
import pytest
import tensorflow as tf

from kerasmith.zoo.data import Vocabulary

TEXTS = ["The newest, THE LOWEST.", "", "aaaa b\u00e9 \u3000 👍🏽 ☂", "x" * 300]
TEXTS += ["TITLE I\u0300 J\u0301, \u0130 \u00cc"]
KINDS = ("characters", "words", "subwords")
# neither Keras nor Kerasmith can be imported here
PLAIN = """
import json, sys
for package in ("keras", "tf_keras", "kerasmith"):
    sys.modules[package] = None
import tensorflow as tf
texts, answers = json.loads(sys.argv[2]), {}
for kind in ("characters", "words", "subwords", "small"):
    module = tf.saved_model.load(f"{sys.argv[1]}/{kind}")
    ids = module.signatures["encode"](tf.constant(texts))["ids"]
    again = module.encode(tf.constant(texts[:1]))
    back = module.signatures["decode"](ids)["texts"]
    answers[kind] = [
        ids.numpy().tolist(), again.numpy().tolist(), [t.decode() for t in back.numpy()]
    ]
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def vocabularies():
    small = Vocabulary.learn(TEXTS, lowercase=True)
    return {kind: Vocabulary.learn(TEXTS * 2, kind) for kind in KINDS} | {
        "small": small
    }


def exported(vocabulary):
    """Wrap a vocabulary as a serving model would."""
    module = tf.Module()
    module.vocabulary = vocabulary
    strings = tf.TensorSpec([None], tf.string, name="texts")

    @tf.function(input_signature=[strings])
    def encode(texts):
        return vocabulary.encode(texts, start=True, end=True)

    @tf.function(input_signature=[strings])
    def encode_named(texts):
        return {"ids": vocabulary.encode(texts, start=True, end=True)}

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32, name="ids")])
    def decode(ids):
        return {"texts": vocabulary.decode(ids)}

    module.encode, module.named, module.decode = encode, encode_named, decode
    return module


def test_plain_tensorflow_runs_it_on_a_turkish_machine(vocabularies, tmp_path):
    for kind, vocabulary in vocabularies.items():
        module = exported(vocabulary)
        signatures = {"encode": module.named, "decode": module.decode}
        tf.saved_model.save(module, str(tmp_path / kind), signatures)
    done = subprocess.run(
        [sys.executable, "-c", PLAIN, str(tmp_path), json.dumps(TEXTS)],
        capture_output=True,
        text=True,
        timeout=300,
        # where capital I is another letter
        env={**os.environ, "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    for kind, vocabulary in vocabularies.items():
        ids, first, texts = answers[kind]
        here = vocabulary.encode(TEXTS, start=True, end=True)
        assert ids == here.numpy().tolist()
        alone = vocabulary.encode(TEXTS[:1], start=True, end=True)
        assert first == alone.numpy().tolist()
        assert texts == [text.decode() for text in vocabulary.decode(here).numpy()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_pipeline_gives_what_a_list_gives(vocabularies, kind):
    vocabulary = vocabularies[kind]
    texts = tf.data.Dataset.from_tensor_slices(TEXTS)
    batches = texts.batch(3).map(lambda t: vocabulary.encode(t, length=9, end=True))
    assert batches.element_spec.shape.as_list() == [None, 9]
    here = vocabulary.encode(TEXTS, length=9, end=True)
    assert tf.reduce_all(tf.concat(list(batches), 0) == here)
    for one, ids in zip(TEXTS, texts.map(vocabulary.encode), strict=True):
        assert ids.numpy().tolist() == vocabulary.encode([one])[0].numpy().tolist()
    back = batches.map(vocabulary.decode)
    assert back.element_spec.shape.as_list() == [None]
    told = [text for batch in back for text in batch.numpy()]
    assert told == vocabulary.decode(here).numpy().tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_a_function_takes_batches_of_any_size(vocabularies, kind):
    vocabulary = vocabularies[kind]
    encode = tf.function(
        vocabulary.encode, input_signature=[tf.TensorSpec([None], tf.string)]
    )
    for texts in (TEXTS, TEXTS[2:3], [""], []):
        ids = encode(tf.constant(texts, tf.string))
        assert ids.numpy().tolist() == vocabulary.encode(texts).numpy().tolist()


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="only TensorFlow's models can be exported with texts as their inputs",
)
def test_keras_exports_it_with_a_model(vocabularies, tmp_path):
    vocabulary = vocabularies["subwords"]
    ids = keras.Input((None,), dtype="int32")
    embedded = keras.layers.Embedding(len(vocabulary), 3, mask_zero=True)(ids)
    model = keras.Model(ids, keras.layers.GlobalAveragePooling1D()(embedded))
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.track(vocabulary)
    archive.add_endpoint(
        "serve",
        lambda texts: model(vocabulary.encode(texts, end=True)),
        [tf.TensorSpec([None], tf.string)],
    )
    archive.write_out(str(tmp_path / "model"), verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    expected = model(vocabulary.encode(TEXTS, end=True))
    found = loaded.serve(tf.constant(TEXTS))
    tf.debugging.assert_near(found, expected, atol=1e-6)
