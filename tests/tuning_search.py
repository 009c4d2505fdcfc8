"""A search in a process that a test can kill: FOLDER WORKERS TRIALS SECONDS TUNER."""

import sys

from tuning_jobs import Counting, space

from kerasmith.zoo.tuning.search import Searching
from kerasmith.zoo.tuning.spec import Spec


def main(folder, workers, trials, seconds, tuner="random"):
    spec = Spec("killed", tuner, "loss", "min", space(), int(trials), threads=1)
    job = Counting(epochs=4, seconds=float(seconds))
    stream = sys.stdout
    searching = Searching(job, spec, folder, lambda text: print(text, file=stream))
    searching.oracle.lease = 5.0
    searching.run(int(workers))


if __name__ == "__main__":
    main(*sys.argv[1:])
