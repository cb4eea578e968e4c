"""What can go wrong in production, by exit code: each message says what, where, and what to do."""


class ServingError(Exception):
    """An error whose message is for the user: it is printed without a traceback."""

    exit_code = 1


class WrongUsage(ServingError):
    """The command line does not fit the bundle."""

    exit_code = 2


class BundleDamaged(ServingError):
    """The bundle is not what its manifest says, or not of a format that this code reads."""

    exit_code = 3


class TextRefused(ServingError):
    """A text that cannot be answered."""

    exit_code = 3


class BundleMissing(ServingError):
    """There is no bundle, or this machine cannot load its model."""

    exit_code = 4
