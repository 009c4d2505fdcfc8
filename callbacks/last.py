"""What must come last: after every other callback's end of training."""


class Last:
    """Does what callbacks ask for once all callbacks have ended the training.

    Callbacks that end a training with other weights than its last (the best ones, or
    averaged ones) do so when Keras tells them that it ends, in the order of the list.
    What depends on the final weights would see those of the end or those of the
    training, by its place. The `History` that Keras itself adds stands behind the
    user's callbacks: its turn is that of this object.

    Make it in `on_train_begin`, and call `run` in `on_train_end`.

    Args:
        callback: The callback, which has its model and its parameters.

    Example:

    >>> import keras
    >>> class Told(keras.callbacks.Callback):
    ...     def __init__(self, rank):
    ...         super().__init__()
    ...         self.rank = rank
    ...     def on_train_begin(self, logs=None):
    ...         self.last = Last(self)
    ...     def on_train_end(self, logs=None):
    ...         self.last.run(self.rank, lambda: told.append(self.rank))
    >>> told = []
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> kept = [Told(2), Told(1)]
    >>> x = keras.ops.ones((2, 1))
    >>> _ = model.fit(x, x, epochs=1, verbose=0, callbacks=kept)
    >>> told
    [1, 2]
    """

    def __init__(self, callback):
        history = getattr(callback.model, "history", None)
        # a list of callbacks without a history leaves that of an earlier training
        if history is None or history.params is not callback.params:
            history = None
        self.queue = _queue_of(history)

    def run(self, rank, action):
        """Do something after all others, or now where that moment is past.

        Args:
            rank: Of several, the one with the lower rank comes first.
            action: Function without arguments.
        """
        if self.queue is None or self.queue.done:
            action()
        else:
            self.queue.actions.append((rank, action))


class _Queue:
    """Stands in for the end of training of one history."""

    def __init__(self, history):
        self.history, self.actions, self.done = history, [], False

    def __call__(self, logs=None):
        del self.history.on_train_end
        self.done = True
        self.history.on_train_end(logs)
        for _, action in sorted(self.actions, key=lambda entry: entry[0]):
            action()


def _queue_of(history):
    """Give the queue of a training that has just begun, `None` for none."""
    if history is None:
        return None
    queue = vars(history).get("on_train_end")
    # one of a training that was broken off has heard of actions, or is of old
    if not isinstance(queue, _Queue):
        queue = _Queue(history)
        history.on_train_end = queue
    return queue
