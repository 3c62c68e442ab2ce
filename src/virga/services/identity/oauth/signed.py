# SPDX-License-Identifier: Apache-2.0
"""A request signed as RFC 5849 says, checked by oauthlib. HMAC, or the secrets themselves
(PLAINTEXT, which wants TLS); a timestamp five minutes off, or a nonce seen before, is refused."""

from __future__ import annotations

from urllib.parse import urlsplit

from virga.ground.act import Act
from virga.ground.errors import Invalid, Unauthorized
from virga.ground.http.call import Call
from virga.services.identity import store

LATE_SECONDS = 300.0


def parameters(call: Call) -> dict[str, str]:
    """The `oauth_…` parameters of the Authorization header. Raises Invalid."""
    from oauthlib.oauth1.rfc5849 import signature

    header = call.request.headers.get("authorization", "")
    try:
        found = signature.collect_parameters(headers={"Authorization": header}, exclude_oauth_signature=False)
    except ValueError:
        raise Invalid("The header 'Authorization: OAuth …' is not well formed.", field="Authorization") from None
    params = {k: v for k, v in found if k.startswith("oauth_")}
    if len(params) != len([k for k, _ in found if k.startswith("oauth_")]):
        raise Invalid("A parameter of OAuth is there twice.", field="Authorization")
    for name in ("oauth_consumer_key", "oauth_signature", "oauth_signature_method", "oauth_timestamp", "oauth_nonce"):
        if not params.get(name):
            raise Invalid(f"Expecting to find {name} in request.", field=name)
    return params


def check(call: Call, params: dict[str, str], secret: str, token_secret: str) -> None:
    """Raise Unauthorized unless the request is signed with both secrets, fresh, and for the first time."""
    from oauthlib.common import Request
    from oauthlib.oauth1.rfc5849 import signature

    checks = {
        "HMAC-SHA1": signature.verify_hmac_sha1,
        "HMAC-SHA256": signature.verify_hmac_sha256,
        "HMAC-SHA512": signature.verify_hmac_sha512,
        "PLAINTEXT": signature.verify_plaintext,
    }
    verify = checks.get(params["oauth_signature_method"])
    if verify is None:
        raise Unauthorized("Invalid signature method: HMAC-SHA1, HMAC-SHA256, HMAC-SHA512 or PLAINTEXT is needed.")
    scheme = urlsplit(call.request.base).scheme
    uri = f"{scheme}://{call.request.headers.get('host', '')}{call.request.path}"
    header = {"Authorization": call.request.headers.get("authorization", "")}
    request = Request(uri, http_method=call.request.method)
    request.params = signature.collect_parameters(uri_query=call.request.raw_query, headers=header)
    request.signature = params["oauth_signature"]
    try:
        fits = verify(request, secret, token_secret)
    except ValueError:
        fits = False
    now, stamp = call.now(), params["oauth_timestamp"]
    fresh = stamp.isascii() and stamp.isdigit() and len(stamp) < 12 and abs(int(stamp) - now) <= LATE_SECONDS
    if not fits or not fresh or not _first(call, params):
        raise Unauthorized("Invalid signature, or a request that is too old or was made before.")


def _first(act: Act, params: dict[str, str]) -> bool:
    """Whether no process of the cloud has seen the request before."""
    what = "\n".join(params[name] for name in ("oauth_consumer_key", "oauth_timestamp", "oauth_nonce"))
    with act.db.write() as tx:
        return store.spend(tx, "oauth1", what, act.now() + 2 * LATE_SECONDS)
