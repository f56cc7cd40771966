from collections.abc import Mapping
from pathlib import Path

import pytest

from ashiato.cli.problems import UsageProblem
from ashiato.cli.settings import Settings, find_settings
from tests.cli.running import run

GIVEN = {"ASHIATO_URL": "https://env.example", "ASHIATO_API_KEY": "env-key", "ASHIATO_COMPANY": "env-co"}


def config(home: Path, text: str, mode: int = 0o600) -> Path:
    path = home / ".config" / "ashiato" / "cli.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def found(home: Path, environment: Mapping[str, str], *options: str | None) -> Settings:
    url, api_key, company = options or (None, None, None)
    return find_settings(url, api_key, company, {"HOME": str(home), **environment})


def test_an_option_wins_over_the_environment_and_the_environment_over_the_file(tmp_path: Path) -> None:
    config(
        tmp_path,
        'url = "https://file.example/"\napi_key = "file-key"\ncompany = "file-co"\nca_file = "ca.pem"',
    )
    of_file = found(tmp_path, {})
    assert (of_file.url, of_file.api_key, of_file.company, of_file.ca_file) == (
        "https://file.example",
        "file-key",
        "file-co",
        "ca.pem",
    )
    of_environment = found(tmp_path, GIVEN)
    assert (of_environment.url, of_environment.api_key, of_environment.company) == tuple(GIVEN.values())
    of_options = found(tmp_path, GIVEN, "https://option.example", "option-key", "option-co")
    assert (of_options.url, of_options.api_key, of_options.company) == (
        "https://option.example",
        "option-key",
        "option-co",
    )


def test_the_file_is_looked_for_where_the_desktop_says(tmp_path: Path) -> None:
    config(tmp_path, 'url = "https://file.example"\napi_key = "k"')
    moved = {"XDG_CONFIG_HOME": str(tmp_path / ".config"), "HOME": "/nowhere"}
    assert find_settings(None, None, None, moved).url == "https://file.example"


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("ASHIATO_URL", "No address: set ASHIATO_URL"),
        ("ASHIATO_API_KEY", "No API key: set ASHIATO_API_KEY"),
        ("ASHIATO_COMPANY", "No company: set ASHIATO_COMPANY"),
    ],
)
def test_what_is_missing_is_named_with_the_way_out(tmp_path: Path, missing: str, told: str) -> None:
    environment = {name: value for name, value in GIVEN.items() if name != missing}
    ran = run(["asset", "list"], {"HOME": str(tmp_path), **environment})
    assert ran.exit_code == 2
    assert ran.err.startswith(told)
    assert str(tmp_path / ".config" / "ashiato" / "cli.toml") in ran.err


def test_the_operators_commands_need_no_company(tmp_path: Path) -> None:
    environment = {"ASHIATO_URL": "http://127.0.0.1:1", "ASHIATO_API_KEY": "k", "HOME": str(tmp_path)}
    assert run(["participant", "list"], environment).exit_code == 3


@pytest.mark.parametrize("text", ["url = ", "url = 5", 'uri = "https://x"', "[url]"])
def test_a_file_that_is_not_what_it_should_be_is_named(tmp_path: Path, text: str) -> None:
    path = config(tmp_path, text)
    with pytest.raises(UsageProblem, match="is not what it should be") as refused:
        found(tmp_path, GIVEN)
    assert str(path) in str(refused.value)


def test_a_key_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    path = config(tmp_path, 'api_key = "k"', mode=0o644)
    assert found(tmp_path, GIVEN).warning == ("problem.open_config", str(path))
    path.chmod(0o600)
    assert found(tmp_path, GIVEN).warning is None
    path.write_text('company = "x"', encoding="utf-8")
    path.chmod(0o644)
    assert found(tmp_path, GIVEN).warning is None


@pytest.mark.parametrize(
    "url", ["connector.example", "ftp://x", "https://", "https://x:port", "https://x/?a=1"]
)
def test_an_address_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    ran = run(["asset", "list"], {"HOME": str(tmp_path), **GIVEN, "ASHIATO_URL": url})
    assert ran.exit_code == 2
    assert "is no address" in ran.err


@pytest.mark.parametrize(
    "host", ["connector.example", "192.168.1.5", "127.0.0.1.evil.example", "localhost.evil.example"]
)
def test_a_key_is_not_shown_to_everybody_on_the_way(tmp_path: Path, host: str) -> None:
    ran = run(["asset", "list"], {"HOME": str(tmp_path), **GIVEN, "ASHIATO_URL": f"http://{host}:1"})
    assert ran.exit_code == 2
    assert "plain http" in ran.err


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_plain_http_is_for_this_machine(tmp_path: Path, host: str) -> None:
    ran = run(["asset", "list"], {"HOME": str(tmp_path), **GIVEN, "ASHIATO_URL": f"http://{host}:1"})
    assert ran.exit_code == 3


def test_plain_http_elsewhere_needs_a_word_that_sounds_like_what_it_is(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), **GIVEN, "ASHIATO_URL": "http://nobody.invalid"}
    assert run(["asset", "list"], {**environment, "ASHIATO_UNSAFE_ALLOW_HTTP": "1"}).exit_code == 3
    assert run(["asset", "list"], {**environment, "ASHIATO_UNSAFE_ALLOW_HTTP": "yes"}).exit_code == 2
