"""What can go wrong at the command line, with the exit code that a script sees."""

from enum import IntEnum

from ashiato.cli.texts import say


class ExitCode(IntEnum):
    """0 is success."""

    REFUSED = 1
    """The node or the partner said no, or the order failed."""
    USAGE = 2
    """The command, a setting or a file of the caller must be mended."""
    UNREACHABLE = 3
    """The node cannot be reached."""
    INTERRUPTED = 130


class CliProblem(Exception):
    """One sentence for a person, and a document for a program."""

    exit_code = ExitCode.REFUSED

    def __init__(self, key: str, **fields: object) -> None:
        super().__init__(say(key, **fields))
        self.key = key
        self.fields = fields

    def document(self) -> dict[str, object]:
        """What --json prints."""
        return {"problem": self.key.removeprefix("problem."), "detail": str(self), "fields": self.fields}


class UsageProblem(CliProblem):
    """The caller must mend the command, a setting or a file."""

    exit_code = ExitCode.USAGE


class Unreachable(CliProblem):
    """The node cannot be reached, or what answers is no node."""

    exit_code = ExitCode.UNREACHABLE


class Refused(CliProblem):
    """The node answered with a problem document."""

    def __init__(self, status_code: int, problem: dict[str, object]) -> None:
        key = {401: "problem.not_authenticated", 404: "problem.not_found"}.get(status_code, "problem.refused")
        # A 404 with fields speaks of a thing that is not there; without them, of an address that this key does not open.
        if status_code == 404 and problem.get("fields"):
            key = "problem.refused"
        super().__init__(key, detail=str(problem.get("detail", "")))
        self.status_code = status_code
        self.problem = problem

    def document(self) -> dict[str, object]:
        """The node's own problem document."""
        return self.problem


class Failed(CliProblem):
    """An order ended without the data."""
