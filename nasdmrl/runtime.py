"""How TensorFlow is started: quiet, deterministic, with the threads that the job was given."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

LOG_LEVEL_VARIABLE = "TF_CPP_MIN_LOG_LEVEL"


def start_tensorflow(threads: int | None = None) -> None:
    """Import TensorFlow with deterministic operations and at most `threads` CPU threads an operation.

    Call it before anything else uses TensorFlow. With the same number of threads on one kind of hardware, two
    processes then compute the same bits. A GPU's memory is taken as needed, so that jobs can share a card.
    """
    with _quiet_import():
        import tensorflow as tf
    tf.get_logger().setLevel("ERROR")
    tf.config.experimental.enable_op_determinism()
    gpus = tf.config.list_physical_devices("GPU")
    for device in gpus:
        tf.config.experimental.set_memory_growth(device, True)
    if not gpus:
        # Rewriting a graph takes half the time from a short training's trace to its first step, and on the CPU makes
        # its steps no faster: oneDNN's kernels are put in elsewhere.
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
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
