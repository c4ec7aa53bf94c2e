"""Errors that a user can fix: each message says what is wrong, where, and how to fix it."""


class NasdmrlError(Exception):
    """Base of the errors that the command line prints as one message, without a traceback."""


class ConfigError(NasdmrlError):
    """A configuration file or value is not usable."""


class DataError(NasdmrlError):
    """An archive, a record file or a decoded dataset is missing, damaged or not what it should be."""


class NetworkError(NasdmrlError):
    """A network's text or rows cannot be read."""
