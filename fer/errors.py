"""Exceptions of the package. Each message is one line: the rule, what was received, and the remedy."""


class FerError(Exception):
    """Base class of all errors that this package raises deliberately."""


class DataError(FerError):
    """A data set or one of its rows cannot be used."""


class SettingsError(FerError):
    """A setting or option is unknown, has the wrong type or is out of range."""


class ModelError(FerError):
    """A saved network or a run folder cannot be used."""


class ImageError(FerError):
    """An image cannot be decoded or has an unsupported format."""


class VideoError(FerError):
    """A video or camera cannot be opened or read."""


class SpaceError(FerError):
    """A Hugging Face Space cannot be built or uploaded."""


class OutputError(FerError):
    """An output file cannot be written."""


class InterruptedWork(FerError):
    """Work was stopped by Ctrl-C; what was done is kept."""
