"""The package's exceptions: each message is one line that states the rule, what was received and the remedy."""


class FerError(Exception):
    """The base of every error that this package raises on purpose."""


class DataError(FerError):
    """A data set, or a row of one, cannot be used."""


class SettingsError(FerError):
    """A setting is unknown, mistyped or out of range."""


class ModelError(FerError):
    """A saved network or a run folder cannot be used."""


class ImageError(FerError):
    """A picture cannot be decoded or is not of an accepted form."""


class VideoError(FerError):
    """A video or camera cannot be opened or read."""


class SpaceError(FerError):
    """A Hugging Face Space cannot be built or sent."""
