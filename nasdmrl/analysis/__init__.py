"""From logs to figures and tables: pure functions of files, without TensorFlow."""
