"""How TensorFlow is started."""

import subprocess
import sys

CODE = """
import sys
from nasdmrl.training.runtime import start_tensorflow
start_tensorflow(threads=1)
print(any(name.split(".")[0] == "keras" for name in sys.modules))
import keras, tensorflow
print(tuple(keras.layers.Dense(3)(tensorflow.ones((1, 2))).shape), tensorflow.keras.__version__ == keras.__version__)
"""


def test_tensorflow_starts_without_keras_which_can_be_imported_later():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["False", "(1, 3) True"]
    assert "Warning" not in done.stderr
