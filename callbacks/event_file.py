"""Files that TensorBoard reads, written without TensorFlow."""

import importlib
import os
import pathlib
import time
from typing import Any

import numpy as np


class EventFile:
    """Writes scalars and histograms for TensorBoard.

    Needs the package `tensorboard`, and neither TensorFlow nor PyTorch.

    Args:
        folder: Folder of the run; TensorBoard merges several files in it.

    Attributes:
        path: The file.

    Raises:
        ImportError: If `tensorboard` is not installed.

    Example:

    >>> import tempfile
    >>> file = EventFile(tempfile.mkdtemp())
    >>> file.scalar("loss", 3, 0.25)
    >>> file.close()
    >>> file.path.stat().st_size > 60
    True
    """

    def __init__(self, folder):
        try:
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError as problem:
            raise ImportError(
                "log_dir needs the package tensorboard: pip install tensorboard."
            ) from problem
        name = f"events.out.tfevents.{time.time():.6f}.{os.getpid()}.kerasmith"
        self.path = pathlib.Path(folder) / name
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.records = RecordWriter(open(self.path, "ab"))
        self._write(file_version="brain.Event:2")

    def scalar(self, tag, step, value):
        """Write a number.

        Args:
            tag: Its name; what stands before a `/` groups names.
            step: The step.
            value: The number; `None` writes nothing.
        """
        from tensorboard.plugins.scalar import metadata

        if value is not None:
            about = metadata.create_summary_metadata(display_name=tag, description="")
            self._add(tag, step, np.asarray(value, "float32"), about)

    def histogram(self, tag, step, values, bins=30):
        """Write how values are spread.

        Args:
            tag: Its name.
            step: The step.
            values: Array; entries that are not finite are left out.
            bins: Number of bins.
        """
        from tensorboard.plugins.histogram import metadata

        values = np.asarray(values, "float64")
        values = values[np.isfinite(values)]
        if values.size:
            counts, edges = np.histogram(values, bins)
            table = np.stack([edges[:-1], edges[1:], counts], 1)
            about = metadata.create_summary_metadata(display_name=tag, description="")
            self._add(tag, step, table, about)

    def message(self, tag, about):
        """Write what a plugin of TensorBoard is to know, which has no value.

        Args:
            tag: Its name.
            about: The plugin's `SummaryMetadata`.
        """
        self._add(tag, 0, np.zeros(0, "float32"), about)

    def _add(self, tag, step, value, about):
        types, summary = _messages("types"), _messages("summary").Summary
        tensor = _messages("tensor").TensorProto(
            dtype=types.DT_FLOAT if value.dtype == np.float32 else types.DT_DOUBLE,
            tensor_content=value.tobytes(),
        )
        for size in value.shape:
            tensor.tensor_shape.dim.add(size=size)
        entry = summary.Value(tag=tag, tensor=tensor, metadata=about)
        self._write(step=step, summary=summary(value=[entry]))

    def _write(self, **entries):
        event = _messages("event").Event(wall_time=time.time(), **entries)
        self.records.write(event.SerializeToString())

    def flush(self):
        """Bring to the disk what was written."""
        self.records.flush()

    def close(self):
        """Close the file."""
        self.records.close()


def _messages(kind) -> Any:
    # made when they are imported, so that no type checker knows what is in them
    return importlib.import_module(f"tensorboard.compat.proto.{kind}_pb2")
