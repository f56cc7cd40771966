"""What can be wrong with a message, named by who must act."""


class MalformedMessage(ValueError):
    """The counterparty's bytes are not the message that the endpoint takes; the counterparty must mend them.

    `message_type` is the wire name of the message, `path` the offending member ("offer.permission[0].action";
    empty for the document itself), `problem` what is wrong with it.
    """

    def __init__(self, message_type: str, path: str, problem: str) -> None:
        super().__init__(f"{message_type}{'.' + path if path else ''}: {problem}")
        self.message_type = message_type
        self.path = path
        self.problem = problem


class UnsendableMessage(ValueError):
    """Our own code or settings made a message that the protocol's schema refuses; it must not leave."""

    def __init__(self, message_type: str, path: str, problem: str) -> None:
        super().__init__(
            f"{message_type}{'.' + path if path else ''} would be refused by every peer: {problem}"
        )
        self.message_type = message_type
        self.path = path
        self.problem = problem


class IllegalTransition(ValueError):
    """The sender may not send this message in this state; the process stays (HTTP 400, DSP 2025-1, 8.1.2)."""

    def __init__(self, state: str, message: str, why: str) -> None:
        super().__init__(f"{message} in state {state}: {why}")
        self.state = state
        self.message = message
        self.why = why


class MismatchedMessage(ValueError):
    """A message names another process, party or subject than the one it was sent to."""

    def __init__(self, field: str, expected: object, got: object) -> None:
        # What is quoted may be a whole policy of the counterparty's making; a sentence is bounded.
        super().__init__(f"{field} must be {expected!r:.200}, not {got!r:.200}")
        self.field = field
        self.expected = expected
        self.got = got
