"""The console script `ashiato`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ashiato.cli.app import make_app
from ashiato.cli.commanding import group_of

app = make_app()
connector = typer.Typer(no_args_is_help=True, help="Run a connector.")
app.add_typer(connector, name="connector")
# The group that holds what the node is asked about footprints; the app itself is a program of its own.
carbon = group_of(app, "carbon")
hub = group_of(app, "hub")

SettingsFile = Annotated[Path, typer.Option("--settings", help="The settings file (TOML).")]


@connector.command()
def serve(
    settings: SettingsFile = Path("ashiato.toml"),
    ready_file: Annotated[
        Path | None,
        typer.Option(help="Write addresses and process id as JSON here once everything is served."),
    ] = None,
) -> None:
    """Serve the companies that the settings name, until SIGTERM or Ctrl-C."""
    from ashiato.wiring import serving

    raise typer.Exit(serving.serve(settings, ready_file))


@connector.command()
def init(
    slug: Annotated[str, typer.Option(help="The path segment of your company, e.g. cathode.")],
    public_url: Annotated[str, typer.Option(help="How other companies reach you: https://…")],
    name: Annotated[str, typer.Option(help="The name of your company.")] = "",
    settings: SettingsFile = Path("ashiato.toml"),
) -> None:
    """Write a settings file with fresh API keys."""
    from ashiato.wiring import serving

    raise typer.Exit(serving.init(settings, slug, name or slug, public_url))


@hub.command("run")
def run_hub(
    settings: SettingsFile = Path("ashiato-hub.toml"),
    ready_file: Annotated[
        Path | None,
        typer.Option(help="Write addresses and process id as JSON here once everything is served."),
    ] = None,
) -> None:
    """Run the hub that the settings describe, until SIGTERM or Ctrl-C."""
    from ashiato.wiring import hub_serving

    raise typer.Exit(hub_serving.run(settings, ready_file))


@hub.command("init")
def init_hub(
    public_url: Annotated[str, typer.Option(help="How parties reach the hub: https://…")],
    name: Annotated[str, typer.Option(help="The name of the hub.")] = "Hub",
    settings: SettingsFile = Path("ashiato-hub.toml"),
) -> None:
    """Write a settings file with a fresh operator's key."""
    from ashiato.wiring import hub_serving

    raise typer.Exit(hub_serving.init(settings, name, public_url))


@hub.command("backup")
def back_up_hub(
    to: Annotated[Path, typer.Option(help="The folder to write, which must not exist.")],
    settings: SettingsFile = Path("ashiato-hub.toml"),
) -> None:
    """Write a backup of the hub, which may be running."""
    from ashiato.wiring import hub_serving

    raise typer.Exit(hub_serving.back_up(settings, to))


@hub.command("restore")
def restore_hub(
    source: Annotated[Path, typer.Option("--from", help="The folder of a backup.")],
    settings: SettingsFile = Path("ashiato-hub.toml"),
) -> None:
    """Bring a backup into the empty store that the settings name."""
    from ashiato.wiring import hub_serving

    raise typer.Exit(hub_serving.restore(settings, source))


@carbon.command()
def pack(
    file: Annotated[Path, typer.Argument(help="The program file to write, in the folder of apps.")],
    manifest: Annotated[
        Path | None, typer.Option(help="Write the manifest for `ashiato app put` here.")
    ] = None,
) -> None:
    """Write the app as one program file and print its digest."""
    from ashiato.wiring import carbon_packing

    typer.echo(carbon_packing.write(file, manifest))


@carbon.command()
def run() -> None:
    """Compute every inventory of the company, with ASHIATO_APP_URL and ASHIATO_APP_TOKEN of the app."""
    from ashiato.wiring import carbon_program

    raise typer.Exit(carbon_program.main())


@carbon.command()
def follow() -> None:
    """Stay, and compute again whatever changes under an inventory, with ASHIATO_APP_URL and ASHIATO_APP_TOKEN of the app."""
    from ashiato.wiring import carbon_program

    raise typer.Exit(carbon_program.follow())


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the last step.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of the timeline.")
    ] = False,
    language: Annotated[
        Literal["en", "ja"] | None,
        typer.Option(help="The language of the timeline; by default that of LANG."),
    ] = None,
) -> None:
    """Walk through the exchange: companies as real processes, one contract, real data."""
    from ashiato.wiring import demo as walk

    raise typer.Exit(walk.run(once=once, as_json=as_json, language=language))


def main() -> None:
    """Run the command line."""
    app(prog_name="ashiato")


if __name__ == "__main__":
    main()
