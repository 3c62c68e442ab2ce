# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, in words of the domain. Status codes and bodies are given in `ground/http/faults.py`, per service."""

from __future__ import annotations


class Problem(Exception):
    """An answer other than success. `message` is one sentence for a person; `type` a name some APIs put in the body
    (Neutron's `NetworkNotFound`); `facts` the machine-readable reason (ids that block, the limit and its use)."""

    def __init__(self, message: str, *, type: str | None = None, **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.type = type
        self.facts = facts


def told(error: Exception) -> str:
    """What a failure is kept as: a problem's message; of any other exception its kind, and on lines of their own its words, which may
    hold paths, addresses and secrets of this machine (OSSA-2019-003)."""
    return error.message if isinstance(error, Problem) else f"{type(error).__name__}\n{error}"


def public(message: str) -> str:
    """The part of a kept failure that everybody may read; the whole is for administrators."""
    return message.partition("\n")[0]


class Invalid(Problem):
    """The request itself is wrong; `field` names the part."""


class Unauthorized(Problem):
    """Nobody we know is asking."""


class Forbidden(Problem):
    """Known, visible, and not allowed; `rule` names the policy."""


class NotFound(Problem):
    """There is no such thing in what the caller can see."""


class Conflict(Problem):
    """The thing is in a state, or in a use, that forbids this."""


class OverQuota(Problem):
    """A limit would be passed; facts: limit, used, wanted."""


class TooLarge(Problem):
    """The body is longer than accepted."""


class TooMany(Problem):
    """Too many requests of one party wait already; facts: limit."""


class UnsupportedMedia(Problem):
    """The body's content type is not one that the row takes."""


class NotAcceptable(Problem):
    """A version is asked for that is not spoken here."""


class MethodNotAllowed(Problem):
    """The path exists, the verb does not; facts: allow."""


class RangeUnsatisfiable(Problem):
    """The range lies beyond the data."""


class Unavailable(Problem):
    """An engine is away; the same request may succeed later."""


class NoSpace(Problem):
    """The disk is full; nothing was written."""


class Broken(Problem):
    """Ours: a bug."""
