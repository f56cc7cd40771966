"""Where the node is and who we are: from options, the environment and one file, in this order."""

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ashiato.cli.problems import UsageProblem

CONFIG_NAMES = ("url", "api_key", "company", "ca_file")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a command needs to reach the node. `warning` is said on standard error."""

    url: str
    api_key: str
    company: str | None
    ca_file: str | None
    allow_plain_http: bool
    config: str
    warning: tuple[str, str] | None = None

    def own_slug(self) -> str:
        """The company's slug; raises `UsageProblem` where none is set."""
        if not self.company:
            raise UsageProblem("problem.no_company", config=self.config)
        return self.company


def config_path(environment: Mapping[str, str]) -> Path:
    """`~/.config/ashiato/cli.toml`, or below XDG_CONFIG_HOME."""
    root = environment.get("XDG_CONFIG_HOME") or os.path.join(environment.get("HOME") or "~", ".config")
    return Path(root).expanduser() / "ashiato" / "cli.toml"


def find_settings(
    url: str | None, api_key: str | None, company: str | None, environment: Mapping[str, str]
) -> Settings:
    """The settings; raises `UsageProblem` that says how to give what is missing."""
    path = config_path(environment)
    written = _read(path)
    found_url = url or environment.get("ASHIATO_URL") or written.get("url")
    if not found_url:
        raise UsageProblem("problem.no_url", config=str(path))
    found_key = api_key or environment.get("ASHIATO_API_KEY") or written.get("api_key")
    if not found_key:
        raise UsageProblem("problem.no_api_key", config=str(path))
    is_open = "api_key" in written and bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    return Settings(
        url=found_url.rstrip("/"),
        api_key=found_key,
        company=company or environment.get("ASHIATO_COMPANY") or written.get("company"),
        ca_file=environment.get("ASHIATO_CA_FILE") or written.get("ca_file"),
        allow_plain_http=environment.get("ASHIATO_UNSAFE_ALLOW_HTTP") == "1",
        config=str(path),
        warning=("problem.open_config", str(path)) if is_open else None,
    )


def _read(path: Path) -> dict[str, str]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageProblem("problem.bad_config", config=str(path), why=error.strerror) from None
    except ValueError as error:
        raise UsageProblem("problem.bad_config", config=str(path), why=error) from None
    for name, value in document.items():
        if name not in CONFIG_NAMES or not isinstance(value, str):
            why = f"it may hold {', '.join(CONFIG_NAMES)} as texts, not {name!r}"
            raise UsageProblem("problem.bad_config", config=str(path), why=why)
    return document
