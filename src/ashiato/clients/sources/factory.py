"""From an asset to its source."""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from pathlib import Path

from ashiato.clients.egress import Egress
from ashiato.clients.sources.altered import AlteredSource
from ashiato.clients.sources.files import FileSource, KnownHashes
from ashiato.clients.sources.http import HttpSource
from ashiato.clients.sources.records import RecordSource
from ashiato.clients.sources.s3 import S3Source
from ashiato.clients.sources.sql import sql_source
from ashiato.clients.sources.supply_inbox import SupplyDesk, SupplyInboxSource
from ashiato.connector.ports import Store
from ashiato.connector.records import Asset
from ashiato.connector.sources import (
    BadSource,
    FilePlace,
    HttpPlace,
    RecordPlace,
    S3Place,
    Secrets,
    Source,
    SqlPlace,
    SupplyInboxPlace,
    place_of,
)
from ashiato.policy.transformations import Transformation


class AssetSources:
    """Every kind of source. `folders` are what the operator opened, by participant; who has none has no files.

    `egress_of` gives the way out to a participant's own systems, whose rules may allow more than those for counterparties.
    `sql_threads` are apart from `disk_threads`, so that slow queries never hold up files.
    """

    def __init__(
        self,
        *,
        store: Store,
        egress_of: Callable[[str], Egress],
        secrets: Secrets,
        folders: Mapping[str, Path],
        disk_threads: Executor,
        sql_threads: Executor,
        clock_ms: Callable[[], int],
        desk: SupplyDesk | None = None,
    ) -> None:
        self._store = store
        self._egress_of = egress_of
        self._secrets = secrets
        self._folders = folders
        self._disk_threads = disk_threads
        self._sql_threads = sql_threads
        self._clock_ms = clock_ms
        self._desk = desk
        self._hashes = KnownHashes()

    def source(self, participant_id: str, asset: Asset, changes: tuple[Transformation, ...] = ()) -> Source:
        """The source of the asset for one request, altered where there are changes; raises `BadSource`."""
        source = self._unaltered(participant_id, asset)
        return AlteredSource(source, changes, self._disk_threads) if changes else source

    def _unaltered(self, participant_id: str, asset: Asset) -> Source:
        folder = self._folders.get(participant_id)
        match place_of(asset.source):
            case RecordPlace():
                return RecordSource(self._store, participant_id, asset.asset_id, asset.media_type)
            case FilePlace(path):
                if folder is None:
                    raise BadSource("kind", "the operator has opened no folder to this participant")
                return FileSource(folder, path, asset.media_type, self._disk_threads, self._hashes)
            case S3Place() as place:
                return S3Source(
                    self._egress_of(participant_id),
                    self._secrets,
                    participant_id,
                    place,
                    asset.media_type,
                    self._clock_ms,
                )
            case SqlPlace() as place:
                return sql_source(place, participant_id, folder, self._secrets, self._sql_threads)
            case SupplyInboxPlace():
                if self._desk is None:
                    raise BadSource("kind", "this program takes no requests for data")
                return SupplyInboxSource(self._desk, participant_id)
            case HttpPlace() as place:
                egress = self._egress_of(participant_id)
                return HttpSource(egress, self._secrets, participant_id, place, asset.media_type)
