"""What the catalog keeps."""

import msgspec

from ashiato.statements.publications import Publication, Shown


class CatalogRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One publication with what the hub itself verified of its owner when it came.

    `owner_roles` and `owner_certifications` are claims of the owner's credentials, never its own word. `crawled_from` is the
    address of the catalog where the hub found it, "" for what its owner published here. `digest` is the hash of the publication.
    """

    publication: Publication
    digest: str
    owner_roles: tuple[str, ...] = ()
    owner_certifications: tuple[str, ...] = ()
    crawled_from: str = ""
    received_ms: int = 0

    @property
    def is_listing(self) -> bool:
        """Whether only that it exists may be told."""
        return self.publication.shown is Shown.LISTED


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A record as the store returns it: `number` is its place in the order of the catalog, the newest has the highest.

    `seen_ms` is when its owner's connector was last heard of.
    """

    number: int
    record: CatalogRecord
    seen_ms: int
