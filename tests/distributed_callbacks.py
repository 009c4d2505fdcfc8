"""All callbacks on two replicas: whole in one process, broken off and resumed in two.

python distributed_callbacks.py FOLDER
TF_CONFIG=... python distributed_callbacks.py FOLDER
"""

import contextlib
import json
import os
import pathlib
import sys

import tensorflow as tf

from kerasmith.zoo.tools.distribution import distributing

KIND = "multiworker" if "TF_CONFIG" in os.environ else "mirrored"


def main(group, folder):
    # devices are opened before all else
    from all_callbacks import (
        DATA,
        BreaksOff,
        backwards,
        compiled,
        make_model,
        make_network,
        train,
    )

    from kerasmith import callbacks
    from kerasmith.zoo.tools.distribution import spread
    from kerasmith.zoo.tools.divided import as_batches

    def make():
        return spread(group, make_model(), make_network, compiled, as_batches(DATA))

    if KIND == "multiworker":
        with contextlib.suppress(KeyboardInterrupt):
            train(folder / "run", list, BreaksOff(), make=make)
            raise AssertionError("nothing broke it off")
    found = train(folder / "run", backwards, make=make)
    slow = callbacks.DiscriminativeLearningRates({"body": 0.25})
    DATA.seek(0)
    found["slow"] = make().fit(DATA, epochs=2, verbose=0, callbacks=[slow]).history
    found["weights"] = [weight.tolist() for weight in found["weights"]]
    (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    # what it rewrites runs a few times only
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    with distributing(KIND) as opened:
        main(opened, pathlib.Path(sys.argv[1]))
