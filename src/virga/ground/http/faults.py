# SPDX-License-Identifier: Apache-2.0
"""Problems as each service's own error body. The status of a problem is the same everywhere but for quotas."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from virga.ground import errors as e
from virga.ground.wire import Meta, Shape

STATUS: dict[type[e.Problem], int] = {
    e.Invalid: 400,
    e.Unauthorized: 401,
    e.Forbidden: 403,
    e.NotFound: 404,
    e.MethodNotAllowed: 405,
    e.NotAcceptable: 406,
    e.Conflict: 409,
    e.TooLarge: 413,
    e.UnsupportedMedia: 415,
    e.RangeUnsatisfiable: 416,
    e.TooMany: 429,
    e.Broken: 500,
    e.Unavailable: 503,
    e.NoSpace: 507,
}
TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    409: "Conflict",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    416: "Requested Range Not Satisfiable",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
    507: "Insufficient Storage",
}
Body = Callable[[int, e.Problem], Any]


@dataclass(frozen=True)
class Faults:
    """`body(code, problem)` makes the JSON; `over_quota` is the code of a passed limit."""

    body: Body
    over_quota: int = 403

    def answer(self, problem: e.Problem) -> tuple[int, Any]:
        code = self.over_quota if isinstance(problem, e.OverQuota) else status(type(problem))
        return code, self.body(code, problem)


def status(kind: type[e.Problem]) -> int:
    """The code of a problem, or of the nearest one that it is a kind of."""
    return next((STATUS[each] for each in kind.__mro__ if each in STATUS), 500)


def keystone(code: int, problem: e.Problem) -> Any:
    """`{"error": {"code", "message", "title"}}`"""
    return {"error": {"code": code, "message": problem.message, "title": TITLES[code]}}


NOVA_NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    500: "computeFault",
    501: "notImplemented",
    503: "serviceUnavailable",
}


def nova(code: int, problem: e.Problem) -> Any:
    """`{"badRequest": {"code": 400, "message": …}}`; versions that are not spoken come in the errors form."""
    if code == 406:
        return {
            "errors": [{"status": 406, "title": "Not Acceptable", "code": "", "detail": problem.message, "links": []}]
        }
    if code == 401:
        return keystone(code, problem)
    return {NOVA_NAMES.get(code, "computeFault"): {"code": code, "message": problem.message}}


def neutron(code: int, problem: e.Problem) -> Any:
    """`{"NeutronError": {"type", "message", "detail"}}`"""
    if code == 401:
        return keystone(code, problem)
    names = {
        400: "HTTPBadRequest",
        403: "PolicyNotAuthorized",
        404: "HTTPNotFound",
        405: "HTTPMethodNotAllowed",
        409: "Conflict",
    }
    return {
        "NeutronError": {
            "type": problem.type or names.get(code, type(problem).__name__),
            "message": problem.message,
            "detail": "",
        }
    }


def glance(code: int, problem: e.Problem) -> Any:
    """`{"message", "code": "404 Not Found", "title"}`, as Glance answers a client that accepts JSON."""
    if code == 401:
        return keystone(code, problem)
    return {"message": problem.message, "code": f"{code} {TITLES[code]}", "title": TITLES[code]}


def placement(code: int, problem: e.Problem) -> Any:
    """`{"errors": [{"status", "title", "detail", "code", "request_id"}]}` (API-SIG, "Errors")."""
    if code == 401:
        return keystone(code, problem)
    fault: dict[str, Any] = {
        "status": code,
        "title": TITLES[code],
        "detail": _schema_words(problem.message),
        "code": problem.facts.get("code", "placement.undefined_code"),
        "request_id": problem.facts.get("request_id", ""),
    }
    return {"errors": [fault]}


class _KeystoneError(Shape):
    code: int
    message: str
    title: str


class KeystoneFault(Shape):
    error: _KeystoneError


class NovaError(Shape):
    code: int
    message: str


class _NeutronError(Shape):
    type: str
    message: str
    detail: str


class NeutronFault(Shape):
    NeutronError: _NeutronError


class GlanceFault(Shape):
    message: str
    code: str
    title: str


class _PlacementError(Shape):
    status: int
    title: str
    detail: str
    code: str
    request_id: str


class PlacementFault(Shape):
    errors: list[_PlacementError]


SHAPES: dict[Body, Any] = {
    keystone: KeystoneFault,
    nova: Annotated[dict[str, NovaError], Meta(min_length=1, max_length=1)],
    neutron: NeutronFault,
    glance: GlanceFault,
    placement: PlacementFault,
}
"""What each of them makes, but for 401, which is Keystone's everywhere, and Nova's 406."""


_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`")
_UUID = re.compile(r"Expected `str` matching regex '\^\[0-9a-fA-F\]\{8\}[^']*'")
_MISSING = re.compile(r"Object missing required field `([^`]*)`")


def _schema_words(message: str) -> str:
    """What is wrong with a body, in the words with which placement's own schemas begin: its clients look for them."""
    if message.startswith("The body is not JSON"):
        return f"Malformed JSON: {message}"
    if not message.startswith(("Invalid input for", "Object ", "Expected `")):
        return message
    message = _UNKNOWN.sub(r"Additional properties are not allowed ('\1' was unexpected)", message)
    message = _UUID.sub("the value is not a 'uuid'", message)
    message = _MISSING.sub(r"'\1' is a required property", message)
    return f"JSON does not validate: {message}"
