"""What was inferred, from what, and how sure it is."""

from typing import Any, NamedTuple

CERTAIN, LIKELY, ASSUMED, GIVEN = "certain", "likely", "assumed", "given"


class Guess(NamedTuple):
    """A value with its origin.

    Attributes:
        value: The value; None is a value too where a key may be null.
        source: What it was read from, in a few words.
        sure: `CERTAIN`: nothing else is possible; `LIKELY`: all that was looked at says so; `ASSUMED`: usual, and
            nothing says otherwise; `GIVEN`: by the user.
    """

    value: Any
    source: str
    sure: str = CERTAIN


class Question(NamedTuple):
    """What the files do not tell, and what scores depend on.

    Attributes:
        subject: What is not known, and why.
        flags: What to add to the command.
    """

    subject: str
    flags: str

    def __str__(self) -> str:
        """Return the line that asks."""
        return f"{self.subject}\n    add {self.flags}"


class Unclear(Exception):  # noqa: N818, a question and no fault
    """Raised where something has to be asked before anything else can be looked at."""

    def __init__(self, question: Question) -> None:
        super().__init__(str(question))
        self.question = question
