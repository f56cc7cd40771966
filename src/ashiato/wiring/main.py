"""The console script `ashiato`."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Ashiato: battery data, company to company, under contract.")
connector = typer.Typer(no_args_is_help=True, help="Run a connector.")
app.add_typer(connector, name="connector")

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


def main() -> None:
    """Run the command line."""
    app(prog_name="ashiato")


if __name__ == "__main__":
    main()
