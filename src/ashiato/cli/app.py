"""The program that the console script mounts: every command, none of which knows anything but the management API."""

import typer

from ashiato.cli.commanding import command
from ashiato.cli.commands import (
    carbon,
    chain,
    contract_texts,
    contracts,
    credentials,
    declarations,
    footprints,
    hub,
    keys,
    offering,
    operating,
    processes,
    requests,
    rights,
    trusting,
    vaulting,
)
from ashiato.cli.getting import get_dataset
from ashiato.cli.texts import say
from ashiato.cli.verifying import verify


def make_app() -> typer.Typer:
    """A program with every command of this room; who mounts it may add commands of its own."""
    made = typer.Typer(
        help=say("program"),
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    command(made, "get", "get")(get_dataset)
    made.command("verify", help=say("verify"))(verify)
    for module in (
        offering,
        contracts,
        contract_texts,
        rights,
        trusting,
        processes,
        requests,
        vaulting,
        operating,
        keys,
        credentials,
        chain,
        carbon,
        declarations,
        hub,
        footprints,
    ):
        module.add_to(made)
    return made


app = make_app()
