"""A uvicorn connection that an application can drop at once, unsent bytes included."""

import contextlib
import socket
import struct

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ashiato.api.data_answers import ABORT_EXTENSION

# Linger for zero seconds: closing resets the connection and forgets what the kernel has not sent yet.
_FORGET = struct.pack("ii", 1, 0)


class AbortableHttpProtocol(HttpToolsProtocol):
    """For `uvicorn.Config(http=...)`. Without it a cut answer ends too, but what is buffered for a slow reader still flows."""

    def on_message_begin(self) -> None:
        """Lends each request the way to drop its connection, and to see whether it still stands."""
        super().on_message_begin()
        self.scope["extensions"] = {ABORT_EXTENSION: {"drop": self._drop, "is_open": self._is_open}}

    def _is_open(self) -> bool:
        return not self.transport.is_closing()

    def _drop(self) -> None:
        connection = self.transport.get_extra_info("socket")
        if connection is not None:
            # A connection that is gone already needs no reset.
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _FORGET)
        self.transport.abort()
