"""The problems of the use cases, as this storey says them."""

from ashiato.facts.problems import Invalid, NotFound, NotPermitted, Problem, QuotaExceeded, WrongState

__all__ = ["Invalid", "NotFound", "NotPermitted", "Problem", "QuotaExceeded", "WrongState"]
