# SPDX-License-Identifier: Apache-2.0
"""What an OpenID Connect provider says of a user, and whether to believe it. Signatures, issuer, audience, expiry and nonce are
checked by PyJWT; the provider's keys are kept, and asked for again when a token names one that is not known, at most every half
minute. The network is used for logins only, never for a check of our own tokens."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from virga.ground import log
from virga.ground.errors import Unauthorized, Unavailable
from virga.services.identity.federation.settings import Oidc

MOST = 1 << 20
AGAIN_SECONDS, AWAY_SECONDS = 30.0, 3.0
Claims = dict[str, Any]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """No redirects: what is asked is what answers."""

    def redirect_request(self, *_: Any) -> None:
        return None


class OidcProvider:
    """One trusted provider; `idp` is its id in our API."""

    def __init__(self, idp: str, own: Oidc) -> None:
        self.idp, self.own = idp, own
        self.audiences = own.audiences or [own.client_id]
        tls = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=own.cacert or None))
        self._http = urllib.request.build_opener(urllib.request.ProxyHandler({}), tls, _NoRedirect())
        self._lock = threading.Lock()
        self._about: dict[str, Any] = {}
        self._keys: dict[str, Any] = {}
        self._keys_until = self._keys_again = self._away_until = 0.0
        self.log = log.get("oidc")

    # -- asking the provider ---------------------------------------------------------------------------------------

    def _ask(self, url: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> Any:
        """JSON of an address of the provider. Raises Unavailable when it is away, Unauthorized when it refuses."""
        if not url.startswith(("https://", "http://")):
            raise Unavailable(f"Identity provider {self.idp} names an address that is none.")
        if time.monotonic() < self._away_until:
            raise Unavailable(f"Identity provider {self.idp} does not answer; other logins are not harmed. Try again.")
        data = urllib.parse.urlencode(form).encode() if form is not None else None
        request = urllib.request.Request(url, data=data, headers={"Accept": "application/json", **(headers or {})})  # noqa: S310
        try:
            with self._http.open(request, timeout=self.own.timeout) as answer:
                return json.loads(answer.read(MOST))
        except urllib.error.HTTPError as e:
            text = e.read(2000).decode(errors="replace")
            if e.code in {400, 401, 403}:
                self.log.info("provider_refused", idp=self.idp, url=url, code=e.code, said=text[:300])
                raise Unauthorized("The identity provider does not vouch for this login.") from None
            raise Unavailable(f"Identity provider {self.idp} answered {e.code}; try again.") from None
        except (OSError, ValueError) as e:
            self._away_until = (
                time.monotonic() + AWAY_SECONDS
            )  # a dead provider costs one wait, not one for every login
            self.log.warning("provider_away", idp=self.idp, url=url, why=str(e)[:200])
            raise Unavailable(
                f"Identity provider {self.idp} does not answer; other logins are not harmed. Try again."
            ) from None

    def endpoint(self, name: str) -> str:
        """An address of the provider: by setting, else by its own description, whose issuer must be the very one.
        Raises Unavailable."""
        configured = getattr(self.own, name, "")
        if configured:
            return str(configured)
        with self._lock:
            known = self._about
        if not known:
            about = self._ask(self.own.issuer.rstrip("/") + "/.well-known/openid-configuration")
            if not isinstance(about, dict) or about.get("issuer") != self.own.issuer:
                raise Unavailable(
                    f"Identity provider {self.idp} describes itself as another issuer than {self.own.issuer}."
                )
            with self._lock:
                known = self._about = about
        return str(known.get(name) or "")

    def _key(self, kid: str | None) -> Any:
        import jwt

        now = time.monotonic()
        with self._lock:
            keys = self._keys
            stale = now >= self._keys_until or (kid not in keys and not (kid is None and len(keys) == 1))
            request = stale and (not keys or now >= self._keys_again)
            if request:
                self._keys_again = now + AGAIN_SECONDS
        if request:
            try:
                found = jwt.PyJWKSet.from_dict(self._ask(self.endpoint("jwks_uri")))
            except Unavailable:
                if not keys:
                    with self._lock:
                        self._keys_again = 0.0
                    raise
            except (jwt.PyJWKSetError, jwt.InvalidKeyError, AttributeError):
                raise Unavailable(f"Identity provider {self.idp} gives keys that nobody can read.") from None
            else:
                keys = {k.key_id or "": k for k in found.keys if k.public_key_use in (None, "sig")}
                with self._lock:
                    self._keys, self._keys_until = keys, now + self.own.keys_seconds
        key = keys.get(kid) if kid is not None else next(iter(keys.values())) if len(keys) == 1 else None
        if key is None:
            raise Unauthorized("The token of the identity provider is signed by a key that it does not publish.")
        return key

    # -- believing -------------------------------------------------------------------------------------------------

    def claims(self, bearer: str) -> Claims:
        """What the provider says of the user of an access or ID token. Raises Unauthorized."""
        if not 8 <= len(bearer) <= 16384:
            raise Unauthorized("The bearer token is no token.")
        if bearer.count(".") == 2:
            return self.verified(bearer, self.audiences)
        return self._introspected(bearer)

    def verified(self, token: str, audiences: list[str], nonce: str | None = None) -> Claims:
        """The claims of a signed token that is from this issuer, for one of `audiences`, alive, and (with `nonce`) for this login.
        Raises Unauthorized."""
        import jwt

        try:
            head = jwt.get_unverified_header(token)
            if head.get("alg") not in self.own.algorithms:
                raise Unauthorized("The token of the identity provider is signed in a way that is not accepted here.")
            kid = head.get("kid")
            key = self._key(kid if isinstance(kid, str) else None)
            claims: Claims = jwt.decode(
                token,
                key.key,
                algorithms=list(self.own.algorithms),
                audience=audiences,
                issuer=self.own.issuer,
                leeway=self.own.leeway_seconds,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as e:
            self.log.info("token_refused", idp=self.idp, why=str(e)[:200])
            raise Unauthorized("The token of the identity provider is not valid here.") from None
        if nonce is not None and claims.get("nonce") != nonce:
            raise Unauthorized("The token of the identity provider is for another login.")
        return claims

    def _introspected(self, bearer: str) -> Claims:
        """The claims of an opaque token, asked of the provider (RFC 7662), with what it tells of the user there (UserInfo)."""
        url = self.endpoint("introspection_endpoint")
        if not url or not self.own.client_secret:
            raise Unauthorized(
                "The access token says nothing by itself, and this cloud may not ask the identity provider about it."
            )
        answer = self._ask(url, {"token": bearer, "token_type_hint": "access_token"}, {"Authorization": self._basic()})
        if not isinstance(answer, dict) or answer.get("active") is not True:
            raise Unauthorized("The identity provider does not know the access token (any more).")
        aud = answer.get("aud")
        meant = {aud} if isinstance(aud, str) else set(aud or ())
        if not (meant or {answer.get("client_id")}) & set(self.audiences):
            raise Unauthorized("The access token is for another service than this cloud.")
        itself = answer.get("sub") in (None, answer.get("client_id"))  # a client's own token, of no user
        if answer.get("iss") not in (None, self.own.issuer) or not isinstance(
            answer.get("client_id") if itself else answer.get("sub"), str
        ):
            raise Unauthorized("The access token is not from the expected issuer, or of nobody.")
        if isinstance(answer.get("exp"), (int, float)) and answer["exp"] + self.own.leeway_seconds < time.time():
            raise Unauthorized("The access token has expired.")
        claims = answer | {"iss": self.own.issuer, "sub": answer["client_id"] if itself else answer["sub"]}
        scopes = str(answer.get("scope") or "").split()
        if not itself and "openid" in scopes and (url := self.endpoint("userinfo_endpoint")):
            more = self._ask(url, headers={"Authorization": f"Bearer {bearer}"})
            if not isinstance(more, dict) or more.get("sub") != answer["sub"]:
                raise Unauthorized("The identity provider tells of two different users.")
            claims = more | claims
        return claims

    def _basic(self) -> str:
        pair = (
            f"{urllib.parse.quote(self.own.client_id, safe='')}:{urllib.parse.quote(self.own.client_secret, safe='')}"
        )
        return "Basic " + base64.b64encode(pair.encode()).decode()

    # -- the code flow, for browsers -------------------------------------------------------------------------------

    def login_url(self, redirect: str, state: str, nonce: str, challenge: str) -> str:
        """Where a browser goes to log in (OpenID Connect Core 3.1.2.1, with PKCE)."""
        query = {
            "response_type": "code",
            "client_id": self.own.client_id,
            "redirect_uri": redirect,
            "scope": self.own.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        url = self.endpoint("authorization_endpoint")
        return url + ("&" if "?" in url else "?") + urllib.parse.urlencode(query)

    def redeem(self, code: str, redirect: str, verifier: str, nonce: str) -> Claims:
        """The claims behind a code that the browser brought, with those of UserInfo. Raises Unauthorized."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect, "code_verifier": verifier}
        headers = {}
        if self.own.client_secret:
            headers["Authorization"] = self._basic()
        else:
            form["client_id"] = self.own.client_id
        answer = self._ask(self.endpoint("token_endpoint"), form, headers)
        if not isinstance(answer, dict) or not isinstance(answer.get("id_token"), str):
            raise Unauthorized("The identity provider gave no ID token.")
        claims = self.verified(answer["id_token"], [self.own.client_id], nonce)
        url = self.endpoint("userinfo_endpoint")
        if url and isinstance(answer.get("access_token"), str):
            more = self._ask(url, headers={"Authorization": f"Bearer {answer['access_token']}"})
            if isinstance(more, dict) and more.get("sub") == claims["sub"]:
                claims = more | claims
        return claims


def assertion(claims: Claims) -> dict[str, list[str]]:
    """Claims under the names by which mappings know them: `OIDC-email`, `HTTP_OIDC_EMAIL`, `OIDC_CLAIM_email` (mod_auth_openidc's
    prefixes in Keystone's documents), and objects inside as JSON."""
    out: dict[str, list[str]] = {}
    fixed = ("iss", "sub", "aud", "azp")  # written last: no other claim's name may come out as theirs
    for name, value in (
        *((k, v) for k, v in claims.items() if k not in fixed),
        *((k, claims[k]) for k in fixed if k in claims),
    ):
        if value is None or not isinstance(name, str) or len(name) > 255:
            continue
        values = [_claim_text(v) for v in value] if isinstance(value, list) else [_claim_text(value)]
        upper = "".join(c if c.isascii() and c.isalnum() else "_" for c in name).upper()
        for key in (f"OIDC-{name}", f"OIDC_CLAIM_{name}", f"HTTP_OIDC_{upper}"):
            out[key] = values
    return out


def _claim_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"))
