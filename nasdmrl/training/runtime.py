"""How TensorFlow is started: quiet, deterministic, with the threads that the job was given."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

LOG_LEVEL_VARIABLE = "TF_CPP_MIN_LOG_LEVEL"


def start_tensorflow(threads: int | None = None) -> None:
    """Import TensorFlow with deterministic operations and at most `threads` CPU threads an operation.

    Call it before anything else uses TensorFlow. With the same number of threads on one kind of hardware, two
    processes then compute the same bits. A GPU's memory is taken as needed, so that jobs can share a card.
    """
    with _quiet_import(), _without_keras():
        import tensorflow as tf
    tf.get_logger().setLevel("ERROR")
    tf.config.experimental.enable_op_determinism()
    for device in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(device, True)
    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)


@contextmanager
def _quiet_import() -> Iterator[None]:
    """Keep out of logs what TensorFlow's libraries print while they load, unless that was asked for."""
    if os.environ.setdefault(LOG_LEVEL_VARIABLE, "2") in ("0", "1"):
        yield
        return
    stderr = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


@contextmanager
def _without_keras() -> Iterator[None]:
    """Keep TensorFlow from importing Keras with it: nothing here uses it, and it takes a third of the start.

    TensorFlow does without where Keras is not installed. Afterwards it can be imported, by an agent of one's own.
    """
    if "keras" in sys.modules:
        yield
        return
    sys.modules["keras"] = None  # type: ignore[assignment]  # as Python marks a module that is not to be found
    try:
        yield
    finally:
        del sys.modules["keras"]


def cores() -> int:
    """Cores that this process may use, which are those that Snakemake takes."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def device_name() -> str:
    """Name of the device that trains: the first GPU's, or `CPU`."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "CPU"
    return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")


def threads() -> int:
    """CPU threads of one operation; 0 means that TensorFlow chooses."""
    import tensorflow as tf

    return tf.config.threading.get_intra_op_parallelism_threads()
