"""What can go wrong at this face, beside the problems of the inner rooms; loads nothing of the web framework."""

from ashiato.connector.problems import Problem


class Malformed(Problem):
    """The sender's bytes cannot be read at all; nothing was changed."""

    code = "malformed"


class NotAuthenticated(Problem):
    """The request brought no key or token that this node knows."""

    code = "not-authenticated"


class TooLarge(Problem):
    """The body is larger than this route takes."""

    code = "too-large"


class UnsupportedMediaType(Problem):
    """The body is of a kind that this route does not take."""

    code = "unsupported-media-type"


class RangeNotSatisfiable(Problem):
    """The range begins behind the end of the data."""

    code = "range-not-satisfiable"


class IdentityProviderUnavailable(Problem):
    """The keys of the configured OpenID provider cannot be had now; try again, or use an API key."""

    code = "identity-provider-unavailable"
