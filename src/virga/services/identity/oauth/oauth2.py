# SPDX-License-Identifier: Apache-2.0
"""OAuth 2 client credentials (RFC 6749, 4.4): an application credential is the client, and what comes back is a token as any other."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import parse_qs, unquote

from virga.ground.errors import Problem
from virga.ground.http.call import Answer, Call
from virga.ground.http.table import Route
from virga.services.identity import wire
from virga.services.identity.actions import auth
from virga.services.identity.oauth import answers

NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}


def _refused(call: Call, code: int, error: str, text: str) -> Answer:
    headers = NO_STORE | ({"www-authenticate": f'Keystone uri="{call.request.base}/identity"'} if code == 401 else {})
    return Answer(answers.RefusedAnswer(error=error, error_description=text), code, headers)


def _client(call: Call, form: dict[str, list[str]]) -> tuple[str, str] | None:
    """Id and secret: from HTTP Basic (RFC 6749, 2.3.1); nothing else is taken, so that no secret ends in a log of bodies."""
    kind, _, text = call.request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        id, colon, secret = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (unquote(id), unquote(secret)) if colon and id and secret else None


def token(call: Call) -> Answer:
    """POST /v3/OS-OAUTH2/token"""
    try:
        form = parse_qs(call.request.body.decode(), max_num_fields=50)
    except (UnicodeDecodeError, ValueError):
        return _refused(call, 400, "invalid_request", "The body is not a form.")
    kind = form.get("grant_type", [""])
    if kind == [""]:
        return _refused(call, 400, "invalid_request", "The parameter grant_type is required.")
    if kind != ["client_credentials"]:
        return _refused(call, 400, "unsupported_grant_type", "The parameter grant_type is not client_credentials.")
    client = _client(call, form)
    if client is None:
        return _refused(
            call,
            401,
            "invalid_client",
            "Client authentication failed: HTTP Basic with an application credential is needed.",
        )
    method = wire.AppCredentialMethod(id=client[0][:64], secret=client[1][:4096])
    try:
        issued = auth.log_in(
            call, wire.Auth(identity=wire.Methods(methods=["application_credential"], application_credential=method))
        )
    except Problem as e:
        if type(e).__name__ in {"Unavailable", "Broken"}:
            raise
        return _refused(call, 401, "invalid_client", "Client authentication failed.")
    if isinstance(issued, auth.AuthReceipt):
        return _refused(call, 401, "invalid_client", "Client authentication failed.")
    seconds = int(issued[1].payload.expires - call.now())
    body = answers.BearerAnswer(issued[0], seconds, "Bearer")
    return Answer(body, 200, NO_STORE)


ROUTES = (
    Route(
        "POST",
        "/v3/OS-OAUTH2/token",
        token,
        answer=answers.BearerAnswer | answers.RefusedAnswer,
        codes=(400, 401),
        tx="none",
        slow=True,
        public=True,
        accepts=("application/x-www-form-urlencoded",),
    ),
)
