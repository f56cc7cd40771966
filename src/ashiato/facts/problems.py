"""What can go wrong in a use case, named by who must act. The faces map each once to HTTP."""


class Problem(Exception):
    """Base of all problems of the use cases: `code` for machines, one sentence that says what to do for people."""

    code = "problem"

    def __init__(self, sentence: str, **fields: object) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.fields = fields


class NotFound(Problem):
    """There is no such thing, or the caller may not know that there is."""

    code = "not-found"


class Invalid(Problem):
    """The one who sent this must mend it; nothing was changed."""

    code = "invalid"


class WrongState(Problem):
    """The process is in a state in which this act is not possible; nothing was changed."""

    code = "wrong-state"


class NotPermitted(Problem):
    """The policy says no; `fields["reasons"]` says why."""

    code = "not-permitted"


class QuotaExceeded(Problem):
    """The counterparty has too many open processes with us; it must end some, or wait."""

    code = "quota-exceeded"
