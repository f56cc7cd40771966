"""What can go wrong on the way out, named by who must act."""

import re

_USER_INFORMATION = re.compile(r"//[^/]*@")


class EgressError(Exception):
    """Base of all errors of the egress: `url` was asked for, `why` is one sentence.

    The message leaves out what may be secret: user information, and the query of a presigned address.
    """

    def __init__(self, url: str, why: str) -> None:
        shown = _USER_INFORMATION.sub("//", url.partition("?")[0])[:512]
        super().__init__(f"{shown!r}: {why}")
        self.url = url
        self.why = why


class EgressRefused(EgressError):
    """The request must not be made (again): the operator or the counterparty must mend the address."""


class RedirectRefused(EgressRefused):
    """The server redirects to `location`, by its own claim; its owner must give the final address."""

    def __init__(self, url: str, status: int, location: str) -> None:
        super().__init__(url, f"the server redirects (status {status}); give its final address instead")
        self.status = status
        self.location = location


class ResponseTooLarge(EgressRefused):
    """The answer is larger than `limit_bytes`; the counterparty must send less, or the caller allow more."""

    def __init__(self, url: str, limit_bytes: int) -> None:
        super().__init__(url, f"the answer is larger than {limit_bytes} bytes")
        self.limit_bytes = limit_bytes


class Unreachable(EgressError):
    """The wire or the other side failed for now: try again later."""
