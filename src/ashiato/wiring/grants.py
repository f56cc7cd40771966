"""What the operator opened to each participant: secrets, a folder, networks. It stands in the settings only."""

from pathlib import Path

from ashiato.clients.ways_out import WaysOut
from ashiato.connector.sources import UnknownSecret
from ashiato.wiring.settings import ParticipantSettings, resolve_secret


class ParticipantSecrets:
    """The secrets that the operator configured, by participant; what a name stands for is read when it is used."""

    def __init__(self) -> None:
        self.references: dict[str, dict[str, str]] = {}

    def get(self, participant_id: str, name: str) -> str:
        """See `connector.sources.Secrets`."""
        reference = self.references.get(participant_id, {}).get(name)
        if reference is None:
            raise UnknownSecret(name)
        return resolve_secret(reference)


class Grants:
    """The grants of every participant; who has none has none."""

    def __init__(self, ways_out: WaysOut) -> None:
        self._ways_out = ways_out
        self.secrets = ParticipantSecrets()
        self.folders: dict[str, Path] = {}
        self.app_folders: dict[str, Path] = {}
        self.locations: dict[str, str] = {}

    def give(self, participant_id: str, settings: ParticipantSettings) -> None:
        """From now on the participant has what its settings open to it."""
        self.secrets.references[participant_id] = settings.secrets
        self._ways_out.open_networks(participant_id, settings.own_networks)
        if settings.files_directory:
            self.folders[participant_id] = Path(settings.files_directory)
        if settings.location:
            self.locations[participant_id] = settings.location
        if settings.apps_directory:
            self.app_folders[participant_id] = Path(settings.apps_directory)
