"""What can go wrong, by exit code: each error is one message with cause, place, what is allowed and what to do."""

_LONGEST_NAME = 40  # characters; what is longer is no label or name of a column, but a text that strayed there


def quoted(word: str) -> str:
    """A label or a name as a message shows it. Messages go to logs and servers: a text is told by its length alone."""
    return repr(word) if len(word) <= _LONGEST_NAME else f"a text of {len(word):,} characters"


class TemperError(Exception):
    """An error whose message is for the user: it is printed without a traceback."""

    exit_code = 1


class ParamsError(TemperError):
    """Wrong usage, or a parameter that is unknown, missing or out of bounds."""

    exit_code = 2


class DataError(TemperError):
    """The data cannot be used as it is."""

    exit_code = 3


class MachineError(TemperError):
    """The machine lacks something: a program, a file, a base model, space, a library."""

    exit_code = 4


class Refused(TemperError):
    """A gate refused. What the stage wrote so far is kept beside the output, as `<out>.refused`."""

    exit_code = 5


class TrainingFailed(TemperError):
    """Training cannot go on, as with a loss that is not a number. What is good so far is kept as for Refused."""

    exit_code = 1
