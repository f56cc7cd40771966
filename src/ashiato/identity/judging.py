"""Which of the credentials that a counterparty presented count, and why the others do not (DCP 1.0, 5.4.3)."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from sys import intern
from typing import Protocol, TypeVar

import msgspec

from ashiato.facts.instants import parse_datetime
from ashiato.identity.evidence import CannotFetch, Evidence, Fetched
from ashiato.identity.organizations import JudgedOrganization, judge_organization
from ashiato.identity.signed_tokens import LEEWAY_S, CannotResolve
from ashiato.trust import jws
from ashiato.trust.claims import claims_of
from ashiato.trust.credentials import (
    MAX_CREDENTIAL_CHARS,
    StatusEntry,
    UnverifiedCredential,
    VerifiedCredential,
    parse_credential,
    verify_credential,
)
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import OutOfTime, TokenRefused
from ashiato.trust.status_lists import (
    BARRING,
    StatusList,
    is_barred,
    parse_status_list,
    status_list_from,
)
from ashiato.trust.trust_list import TrustBook, TrustedIssuer, TrustVerdict, trusts

# With ten thousand counterparties known, all of it together stays below 100 MB (`make bench BENCH=policy`).
MOST_VERIFIED_COUNT = 8_000
_MOST_STATUS_LIST_BYTES = 64 * 1024 * 1024
# Of these kinds the older one is written by some issuers for the subject alone.
_SUBJECT_SCHEMA_KINDS = frozenset({"JsonSchemaValidator2018"})
_SCHEMA_KINDS = _SUBJECT_SCHEMA_KINDS | {"JsonSchema"}

K = TypeVar("K")
V = TypeVar("V")


class JudgingRules(msgspec.Struct, frozen=True, kw_only=True):
    """How long a status list is fresh, and how soon one is asked for again that could not be had. Seconds.

    `loose_vc11` as in `trust.credentials.parse_credential`.
    """

    status_fresh_s: int = 300
    retry_s: int = 5
    loose_vc11: bool = False


class TrustLists(Protocol):
    """Port: the trust lists in force."""

    def of(self, participant_id: str) -> tuple[TrustBook, ...]:
        """Those of one participant: the same object as long as nothing in it changed."""


class SchemaCheck(Protocol):
    """Port: JSON Schema."""

    def violation(self, schema: bytes, value: object) -> str | None:
        """What in `value` breaks the schema, or why the schema cannot be used; None when all is well."""


@lru_cache(1024)
def _shared(types: tuple[str, ...]) -> tuple[str, ...]:
    """The same object for equal types, since all counterparties hold credentials of the same few."""
    return types


class JudgedCredential(msgspec.Struct, frozen=True):
    """One credential: whether it counts, and else why not, in one sentence for our own people."""

    types: tuple[str, ...]
    issuer: str
    why: str = ""
    until_ms: int | None = None

    @property
    def counts(self) -> bool:
        """Whether its claims count."""
        return not self.why


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What a whole presentation proves, and until when that may be relied on; None: nothing in it goes stale."""

    credentials: tuple[JudgedCredential, ...] = ()
    organization: JudgedOrganization | None = None
    claims: Mapping[str, frozenset[str]] = {}
    until_ms: int | None = None


class CredentialJudge:
    """Judges credentials, in the order in which the least is asked of others:

    1. The text has the form of a credential, and it is about the holder.
    2. Its issuer stands on a trust list in force; nothing is fetched for others.
    3. The issuer's DID document is had; it signed the credential with a key for assertions, and its dates hold.
    4. A trust list recognises the issuer for each of the credential's types, with these values.
    5. Its status lists are had, signed by the issuer or whom the trust list admits for it, and say nothing against it; it
       satisfies the schemas that it names.
    6. Its claims are taken.
    7. The key with which the holder proved itself may be bound to an organisation (`organizations.judge_organization`).
    """

    def __init__(
        self, evidence: Evidence, trust_lists: TrustLists, schemas: SchemaCheck, rules: JudgingRules
    ) -> None:
        self._evidence = evidence
        self._trust_lists = trust_lists
        self._schemas = schemas
        self._rules = rules
        self._verified: OrderedDict[bytes, tuple[DidDocument, VerifiedCredential]] = OrderedDict()
        self._status_lists: OrderedDict[str, tuple[DidDocument, Fetched, StatusList]] = OrderedDict()

    def generation(self, participant_id: str) -> object:
        """See `standings.Judge`."""
        return self._trust_lists.of(participant_id)

    async def judge(
        self,
        participant_id: str,
        holder: str,
        credentials: Sequence[str],
        now_ms: int,
        key_thumbprint: str = "",
    ) -> Judgement:
        """What the texts of these credentials of `holder` prove to `participant_id` at this instant.

        `key_thumbprint` is the key of which `holder` proved the possession; without one no organisation is looked for.
        """
        books = self._trust_lists.of(participant_id)
        # 1. and 2.
        cases = [_Case(text, holder, books, now_ms, self._rules.loose_vc11) for text in credentials]
        # 3. and 4.
        documents = await self._documents({case.issuer for case in cases if case.is_open}, now_ms)
        for case in cases:
            if case.is_open:
                self._verify(case, documents[case.issuer], books, now_ms)
        # 5.
        links = {url for case in cases if case.is_open for url in case.links}
        linked = await self._evidence.linked(links, now_ms) if links else {}
        delegates = {did for case in cases if case.is_open for did in case.verdict.status_issuers}
        documents |= await self._documents(delegates - documents.keys(), now_ms)
        for case in cases:
            if case.is_open:
                self._check(case, linked, documents, now_ms)
        # 6.
        claims = claims_of(case.verified for case in cases if case.is_open and case.verified)
        until_ms = [case.until_ms for case in cases]
        # 7.
        organization = await self._organization(holder, key_thumbprint, books, now_ms)
        if organization is not None:
            claims = {**claims, **organization.claims}
            until_ms.append(organization.until_ms)
        return Judgement(
            credentials=tuple(case.judged for case in cases),
            claims=claims,
            organization=organization,
            until_ms=min((one for one in until_ms if one is not None), default=None),
        )

    async def _organization(
        self, holder: str, key_thumbprint: str, books: Sequence[TrustBook], now_ms: int
    ) -> JudgedOrganization | None:
        if not key_thumbprint:
            return None
        document = (await self._documents({holder}, now_ms))[holder]
        if isinstance(document, CannotResolve):
            return JudgedOrganization(why=document.why, until_ms=self._soon_ms(now_ms))
        # The document is asked again as often as a status is: a key that leaves it takes its organisation along.
        fresh_until_ms = now_ms + max(self._rules.status_fresh_s, 1) * 1000
        return judge_organization(document, key_thumbprint, books, now_ms, fresh_until_ms)

    async def _documents(self, dids: set[str], now_ms: int) -> dict[str, DidDocument | CannotResolve]:
        return dict(await self._evidence.documents(dids, now_ms)) if dids else {}

    def _verify(
        self,
        case: "_Case",
        document: DidDocument | CannotResolve,
        books: Sequence[TrustBook],
        now_ms: int,
    ) -> None:
        if isinstance(document, CannotResolve):
            case.refuse(document.why, self._soon_ms(now_ms) if document.is_temporary else None)
            return
        credential = case.credential
        if credential is None:
            return
        try:
            verified = self._verified_before(case.text, document, now_ms)
            if verified is None:
                verified = verify_credential(credential, document, now_ms=now_ms, leeway_s=LEEWAY_S)
                key = hashlib.sha256(case.text.encode()).digest()
                _remember(self._verified, key, (document, verified))
                while len(self._verified) > MOST_VERIFIED_COUNT:
                    self._verified.popitem(last=False)
        except TokenRefused as error:
            # What is not valid yet may become so: it is looked at again when its time has come.
            is_early = isinstance(error, OutOfTime) and credential.valid_from_ms > now_ms
            case.refuse(error.sentence, credential.valid_from_ms if is_early else None)
            return
        until_ms = verified.valid_until_ms
        if until_ms is not None and now_ms >= until_ms:
            # The leeway is for clocks that differ at the start: what must end by an instant ends at it.
            case.refuse("the credential is expired; its holder must renew it", None)
            return
        case.verified = verified
        case.limit(until_ms)
        verdicts = [trusts(book, verified, now_ms) for book in books]
        case.verdict = next((verdict for verdict in verdicts if verdict.is_trusted), verdicts[0])
        if not case.verdict.is_trusted:
            case.refuse(case.verdict.reason, case.until_ms)

    def _verified_before(self, text: str, document: DidDocument, now_ms: int) -> VerifiedCredential | None:
        """The credential with the same bytes whose signature was verified with the same keys, if it is valid still."""
        known = self._verified.get(hashlib.sha256(text.encode()).digest())
        is_same = known is not None and known[0] is document and known[1].is_valid_at(now_ms)
        return known[1] if known is not None and is_same else None

    def _check(
        self,
        case: "_Case",
        linked: Mapping[str, Fetched | CannotFetch],
        documents: Mapping[str, DidDocument | CannotResolve],
        now_ms: int,
    ) -> None:
        credential = case.verified
        if credential is None:
            return
        try:
            for entry in case.barring:
                self._check_status(case, credential, entry, linked[entry.list_url], documents, now_ms)
            for schema in credential.schemas:
                body = self._had(case, linked[schema.id], "schema", now_ms).body
                self._check_schema(case, schema.type, body)
        except _DoesNotCount as error:
            case.refuse(error.why, case.until_ms)
        except TokenRefused as error:
            case.refuse(f"its status is unknown: {error.sentence}", case.until_ms)

    def _check_status(
        self,
        case: "_Case",
        credential: VerifiedCredential,
        entry: StatusEntry,
        found: Fetched | CannotFetch,
        documents: Mapping[str, DidDocument | CannotResolve],
        now_ms: int,
    ) -> None:
        fetched = self._had(case, found, "status list", now_ms)
        fresh_until_ms = fetched.fetched_ms + self._rules.status_fresh_s * 1000
        # One that is used in need is asked for again soon.
        case.limit(fresh_until_ms if fresh_until_ms > now_ms else self._soon_ms(now_ms))
        status_list = self._status_list(entry.list_url, fetched, documents, now_ms)
        case.limit(status_list.valid_until_ms)
        delegates = case.verdict.status_issuers
        if is_barred(entry, credential, status_list, now_ms=now_ms, leeway_s=LEEWAY_S, delegates=delegates):
            raise _DoesNotCount(f"the credential is {_WORDS[entry.purpose]}")

    def _soon_ms(self, now_ms: int) -> int:
        return now_ms + self._rules.retry_s * 1000

    def _had(self, case: "_Case", found: Fetched | CannotFetch, what: str, now_ms: int) -> Fetched:
        if isinstance(found, CannotFetch):
            # Whatever stopped it may be over soon.
            case.limit(self._soon_ms(now_ms))
            raise _DoesNotCount(f"its {what} cannot be had: {found.why}")
        return found

    def _status_list(
        self,
        url: str,
        fetched: Fetched,
        documents: Mapping[str, DidDocument | CannotResolve],
        now_ms: int,
    ) -> StatusList:
        known = self._status_lists.get(url)
        is_same = known is not None and known[1].body is fetched.body
        if known is not None and is_same and documents.get(known[2].issuer) is known[0]:
            self._status_lists.move_to_end(url)
            return known[2]
        try:
            text = fetched.body.decode("ascii").strip()
        except UnicodeDecodeError:
            raise _DoesNotCount("its status list is not a JWT") from None
        unverified = parse_status_list(text, loose_vc11=self._rules.loose_vc11)
        document = documents.get(unverified.issuer)
        if not isinstance(document, DidDocument):
            raise _DoesNotCount(f"its status list is signed by {unverified.issuer}, who may not sign it")
        verified = verify_credential(unverified, document, now_ms=now_ms, leeway_s=LEEWAY_S)
        status_list = status_list_from(verified, fetched_from=url)
        _remember(self._status_lists, url, (document, fetched, status_list))
        while sum(len(one.bits) for _, _, one in self._status_lists.values()) > _MOST_STATUS_LIST_BYTES:
            self._status_lists.popitem(last=False)
        return status_list

    def _check_schema(self, case: "_Case", kind: str, body: bytes) -> None:
        if kind not in _SCHEMA_KINDS:
            raise _DoesNotCount(f"its schema is of an unknown kind {kind[:60]!r}")
        document = case.document()
        violation = self._schemas.violation(body, document)
        if violation is not None and kind in _SUBJECT_SCHEMA_KINDS:
            violation = self._schemas.violation(body, document.get("credentialSubject"))
        if violation is not None:
            raise _DoesNotCount(f"it breaks its schema: {violation}")


_WORDS = {"revocation": "revoked", "suspension": "suspended"}
_NOT_ASKED = TrustVerdict(is_trusted=False, reason="")


class _DoesNotCount(Exception):
    """A credential that proves nothing here, with the reason."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class _Case:
    """One credential under judgement."""

    def __init__(
        self, text: str, holder: str, books: Sequence[TrustBook], now_ms: int, loose_vc11: bool
    ) -> None:
        self.text = text
        self.credential: UnverifiedCredential | None = None
        self.verified: VerifiedCredential | None = None
        self.verdict = _NOT_ASKED
        self.until_ms: int | None = None
        self._why = ""
        try:
            self.credential = parse_credential(text, loose_vc11=loose_vc11)
        except TokenRefused as error:
            self._why = error.sentence
            return
        if self.credential.subject != holder:
            self._why = f"it is about {self.credential.subject}, who is not {holder}"
            return
        is_named = False
        for one in (one for book in books for one in (book.own, *(other for other, _ in book.recognized))):
            entries = [entry for entry in one.content.issuers if entry.issuer == self.issuer]
            is_named = is_named or bool(entries)
            for date_ms in (one.issued_ms, one.expires_ms, *_dates_ms(entries)):
                self.limit(date_ms if date_ms > now_ms else None)
        if not is_named:
            self._why = f"{self.issuer} stands on no trust list in force"

    @property
    def is_open(self) -> bool:
        """Whether nothing speaks against the credential so far."""
        return not self._why

    @property
    def issuer(self) -> str:
        """Who signed it, or says so."""
        return "" if self.credential is None else self.credential.issuer

    @property
    def barring(self) -> Iterator[StatusEntry]:
        """The entries of whose bits one that is set takes the credential's effect."""
        if self.verified is not None:
            yield from (entry for entry in self.verified.statuses if entry.purpose in BARRING)

    @property
    def links(self) -> Iterator[str]:
        """What must be fetched to judge it."""
        yield from (entry.list_url for entry in self.barring)
        if self.verified is not None:
            yield from (schema.id for schema in self.verified.schemas)

    @property
    def judged(self) -> JudgedCredential:
        """The outcome."""
        types = () if self.credential is None else _shared(self.credential.types)
        return JudgedCredential(
            types=types, issuer=intern(self.issuer), why=self._why, until_ms=self.until_ms
        )

    def document(self) -> Mapping[str, object]:
        """The whole credential as its issuer wrote it."""
        if self.credential is None:
            return {}
        payload = jws.parse_members(self.credential.signed.payload, "payload", max_bytes=MAX_CREDENTIAL_CHARS)
        inner = payload.get("vc", payload)
        return inner if isinstance(inner, Mapping) else {}

    def refuse(self, why: str, until_ms: int | None) -> None:
        """It does not count; it is looked at again at `until_ms`, None: when other trust lists are in force."""
        self._why = why
        self.until_ms = until_ms

    def limit(self, until_ms: int | None) -> None:
        """It must be judged again at that instant at the latest."""
        if until_ms is not None:
            self.until_ms = until_ms if self.until_ms is None else min(self.until_ms, until_ms)


def _dates_ms(entries: Sequence[TrustedIssuer]) -> Iterator[int]:
    for entry in entries:
        yield from (
            parse_datetime(text) for text in (entry.valid_from, entry.valid_until) if text is not None
        )


def _remember(known: OrderedDict[K, V], key: K, value: V) -> None:
    known[key] = value
    known.move_to_end(key)
