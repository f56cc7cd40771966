"""How a function becomes a command: it gets a session, and what goes wrong becomes a sentence and an exit code."""

import inspect
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from ashiato.cli.client import Client, Document, segment
from ashiato.cli.output import Output
from ashiato.cli.problems import CliProblem, ExitCode
from ashiato.cli.settings import Settings, find_settings
from ashiato.cli.texts import say

PAGE_ITEMS_COUNT = 500


class Session:
    """One run of a command: where the node is, who we are, how to answer."""

    def __init__(self, settings: Settings, output: Output) -> None:
        self.settings = settings
        self.output = output
        self.client = Client(settings)

    def path(self, *parts: str) -> str:
        """A path of the company's own part of the API; ids are quoted."""
        return "/".join(["/v1", segment(self.settings.own_slug()), *(segment(part) for part in parts)])

    def get(self, *parts: str, **query: object) -> Document:
        """What stands there."""
        return self.client.document("GET", self.path(*parts), query=query)

    def put(self, document: object, *parts: str) -> Document:
        """What stands there afterwards."""
        return self.client.document("PUT", self.path(*parts), document)

    def post(self, document: object, *parts: str) -> Document:
        """What comes of it."""
        return self.client.document("POST", self.path(*parts), document)

    def delete(self, *parts: str) -> None:
        """Gone afterwards."""
        self.client.request("DELETE", self.path(*parts))
        self.output.done("done.deleted", what=parts[-1])

    def list_all(self, path: str, columns: tuple[str, ...], limit_count: int, **query: object) -> None:
        """Print up to so many items of a list, page by page."""
        items: list[Document] = []
        cursor: str | None = ""
        while cursor is not None and len(items) < limit_count:
            wanted_count = min(PAGE_ITEMS_COUNT, limit_count - len(items))
            page = self.client.document("GET", path, query={**query, "limit": wanted_count, "cursor": cursor})
            items += page["items"]
            cursor = page["next_cursor"]
        self.output.table(items, columns, cursor)


_URL = Annotated[str | None, typer.Option("--url", help=say("option.url"))]
_API_KEY = Annotated[str | None, typer.Option("--api-key", help=say("option.api_key"))]
_COMPANY = Annotated[str | None, typer.Option("--company", help=say("option.company"))]
_JSON = Annotated[bool, typer.Option("--json", help=say("option.json"))]
_OPTIONS: tuple[tuple[str, Any, object], ...] = (
    ("url", _URL, None),
    ("api_key", _API_KEY, None),
    ("company", _COMPANY, None),
    ("as_json", _JSON, False),
)


def group(parent: typer.Typer, name: str) -> typer.Typer:
    """A group of commands below `parent`."""
    made = typer.Typer(
        help=say(name),
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    parent.add_typer(made, name=name)
    return made


def group_of(parent: typer.Typer, name: str) -> typer.Typer:
    """The group of that name below `parent`, for who adds commands of another program to it."""
    found = next(one for one in parent.registered_groups if one.name == name)
    if found.typer_instance is None:
        raise KeyError(name)
    return found.typer_instance


def command(
    parent: typer.Typer, name: str, text_key: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Makes a function of a session (its first parameter) the command `name` of `parent`.

    The command has the options of every command beside its own: where the node is, who we are, --json.
    """

    def make(function: Callable[..., None]) -> Callable[..., None]:
        def run(**arguments: Any) -> None:
            given = {name: arguments.pop(name) for name, _, _ in _OPTIONS}
            output = Output(as_json=given["as_json"])
            try:
                settings = find_settings(given["url"], given["api_key"], given["company"], os.environ)
                if settings.warning is not None:
                    key, config = settings.warning
                    output.note(key, config=config)
                function(Session(settings, output), **arguments)
                sys.stdout.flush()
            except CliProblem as problem:
                output.problem(problem)
                raise typer.Exit(problem.exit_code) from None
            except KeyboardInterrupt:
                output.problem(CliProblem("problem.interrupted"))
                raise typer.Exit(ExitCode.INTERRUPTED) from None
            except BrokenPipeError:
                # Who reads has had enough (`| head`): what is still buffered must not fail at the end of the program.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

        _dress(run, function)
        parent.command(name, help=say(text_key))(run)
        return function

    return make


def _dress(run: Callable[..., None], function: Callable[..., None]) -> None:
    """Gives `run` the parameters of `function` without the session, and the options of every command."""
    _, *own = inspect.signature(function).parameters.values()
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, annotation, default in _OPTIONS
    ]
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    parameters = [*own, *shared]
    run.__name__ = function.__name__
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # the way inspect itself documents
