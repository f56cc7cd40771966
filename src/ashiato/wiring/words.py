"""Who signs words in a company's name, which kinds of them apps may ask for, and who stamps the hour."""

import asyncio
import base64
import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import structlog

from ashiato.api.app_words import WordKinds
from ashiato.connector.ports import Moment
from ashiato.connector.signing import SignerUnavailable
from ashiato.connector.time_stamps import nonce_of, stamped_text
from ashiato.connector.words import WordKind
from ashiato.trust import jws
from ashiato.trust.signing import Signer, SigningFailed

if TYPE_CHECKING:
    from ashiato.clients.time_stamps import TimeStampAuthority

log = structlog.get_logger()


class WordDesk:
    """The port `connector.words.WordSigner`."""

    def __init__(
        self, signer_of: Callable[[str], Signer], authority: "Callable[[], TimeStampAuthority | None]"
    ) -> None:
        self._signer_of = signer_of
        self._authority = authority

    async def sign(self, participant_id: str, typ: str, body: bytes) -> str:
        """See the port."""
        signer = self._signer_of(participant_id)
        data = jws.signing_input(signer, typ, body)
        try:
            return jws.assemble(data, await signer.sign(data))
        except SigningFailed as error:
            raise SignerUnavailable(
                f"The keeper of our key does not sign now ({error.why}); try again."
            ) from error

    async def stamp(self, compact: str, moment: Moment) -> str:
        """See the port."""
        authority = self._authority()
        if authority is None:
            return ""
        # Whoever asked the authority loaded this already.
        from ashiato.clients.time_stamps import NoTimeStamp

        try:
            stamp = await authority.stamp(stamped_text(compact), nonce_of(moment.fresh_id()))
        except NoTimeStamp as error:
            log.warning("a word was signed without a time stamp", why=error.why)
            return ""
        return base64.b64encode(stamp.token).decode("ascii")


async def _footprint() -> WordKind:
    module = await asyncio.to_thread(importlib.import_module, "ashiato.apps.carbon.word_kinds")
    return cast(WordKind, module.footprint)


KINDS: WordKinds = {"carbon-footprint": _footprint}
