"""What the settings of a connector refuse, with the sentence that says how to mend them."""

from pathlib import Path

import pytest

from ashiato.wiring.settings import (
    BadSettings,
    ParticipantSettings,
    ProtocolSettings,
    Settings,
    StoreSettings,
    check_settings,
)


def settings(
    store: StoreSettings, *participants: ParticipantSettings, private_key_file: str = ""
) -> Settings:
    protocol = ProtocolSettings(public_url="https://maker.example", private_key_file=private_key_file)
    return Settings(store=store, protocol=protocol, participants=participants)


def kept(folder: Path, **more: str) -> StoreSettings:
    url = f"sqlite:///{folder}/data/connector.db"
    return StoreSettings(**{"url": url, "directory": f"{folder}/data", **more})


def company(slug: str, folder: Path | str, **secrets: str) -> ParticipantSettings:
    return ParticipantSettings(slug=slug, files_directory=str(folder), secrets=secrets)


def test_folders_beside_each_other_are_taken(tmp_path: Path) -> None:
    given = settings(
        kept(tmp_path), company("maker", tmp_path / "maker"), company("cells", tmp_path / "maker-2")
    )
    assert check_settings(given) is given


@pytest.mark.parametrize("place", [".", "data", "data/received", "data/received/../x", "../{name}/data"])
def test_a_folder_that_touches_the_store_is_refused(tmp_path: Path, place: str) -> None:
    folder = tmp_path / place.format(name=tmp_path.name)
    with pytest.raises(BadSettings, match="the store's directory"):
        check_settings(settings(kept(tmp_path), company("maker", folder)))


def test_a_folder_that_reaches_the_store_by_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "offered").symlink_to(tmp_path / "data")
    with pytest.raises(BadSettings, match="the store's directory"):
        check_settings(settings(kept(tmp_path), company("maker", tmp_path / "offered")))


@pytest.mark.parametrize(
    ("store", "listener", "secrets", "told"),
    [
        ({"key_file": "{root}/maker/keys.json"}, {}, {}, "the key file"),
        ({"url": "sqlite:///{root}/maker/connector.db"}, {}, {}, "the database"),
        ({"key_passphrase": "file:{root}/maker/word"}, {}, {}, "store.key_passphrase"),
        ({}, {"private_key_file": "{root}/maker/tls.pem"}, {}, "the private key"),
        ({}, {}, {"erp": "file:{root}/maker/erp"}, "the secret 'erp' of 'maker'"),
    ],
)
def test_a_folder_that_contains_a_secret_file_is_refused(
    tmp_path: Path, store: dict[str, str], listener: dict[str, str], secrets: dict[str, str], told: str
) -> None:
    def at(given: dict[str, str]) -> dict[str, str]:
        return {name: text.format(root=tmp_path) for name, text in given.items()}

    given = settings(
        kept(tmp_path, **at(store)), company("maker", tmp_path / "maker", **at(secrets)), **at(listener)
    )
    with pytest.raises(BadSettings, match=told):
        check_settings(given)


@pytest.mark.parametrize("other", ["shared", "shared/cells"])
def test_a_folder_that_is_or_contains_that_of_another_participant_is_refused(
    tmp_path: Path, other: str
) -> None:
    with pytest.raises(BadSettings, match="that of"):
        check_settings(
            settings(
                kept(tmp_path), company("maker", tmp_path / "shared"), company("cells", tmp_path / other)
            )
        )


@pytest.mark.parametrize("location", ["jp", "JPN", "Japan", "JP\n", "EU-DE"])
def test_a_location_that_is_no_country_code_is_refused(tmp_path: Path, location: str) -> None:
    abroad = ParticipantSettings(slug="maker", location=location)
    with pytest.raises(BadSettings, match="location of 'maker'"):
        check_settings(settings(kept(tmp_path), abroad))
    here = ParticipantSettings(slug="maker", location="JP")
    assert check_settings(settings(kept(tmp_path), here)).participants == (here,)
