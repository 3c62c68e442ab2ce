# SPDX-License-Identifier: Apache-2.0
"""Signed EC2 and S3 requests turned into who asks, for services (Keystone's ec2tokens and s3tokens). Only a service's own token may
ask: else whoever once saw a signed address could have a token for it."""

from __future__ import annotations

import json

from virga.authority.rules import Rule, allow
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.errors import Invalid, NotFound, Unauthorized
from virga.ground.http.call import Call
from virga.ground.registry import Registry
from virga.ground.world import World
from virga.services.identity import model, policy, settings, signatures, store, wire
from virga.services.identity.actions.auth import Issued, carried
from virga.services.identity.actions.credentials import key_id
from virga.services.identity.secrets import Vault
from virga.services.identity.tokens import Tokens, audit_id


def payload(tx: Tx, registry: Registry, access: str) -> tuple[model.Payload, str] | None:
    """What a token of an access key would say, and the key's secret."""
    row = store.CREDENTIALS.get(tx, key_id(access))
    if row is None or row.type != "ec2":
        return None
    blob, now = json.loads(registry.use(Vault).open(row.blob)), registry.use(World).now()
    expires = now + registry.use(settings.Identity).token_seconds
    app_id = blob.get("app_cred_id")
    app = store.APP_CREDENTIALS.get(tx, app_id) if app_id else None
    if app is not None and app.expires is not None:
        expires = min(expires, app.expires)
    trust = store.TRUSTS.get(tx, blob["trust_id"]) if blob.get("trust_id") else None
    if trust is not None and trust.expires is not None:
        expires = min(expires, trust.expires)
    secret = blob.get("secret")
    if not isinstance(secret, str):
        return None
    made = model.Payload(
        row.user_id,
        row.project_id,
        None,
        False,
        ["ec2credential"],
        now,
        expires,
        [audit_id()],
        blob.get("trust_id"),
        app_id,
        key=row.id,
    )
    return made, secret


def _given(body: wire.Signed) -> dict[str, object]:
    for each in (body.credentials, body.credential, body.ec2Credentials):
        if isinstance(each, dict) and each:
            return each
    raise Unauthorized("EC2 Signature not supplied")


def log_in(call: Call, body: wire.Signed) -> tuple[str, model.Session]:
    """A token of the one who signed."""
    made, session = _who(call, policy.EC2TOKENS, body, s3=False)
    return call.use(Tokens).seal(made), session


def _who(act: Act, rule: Rule, body: wire.Signed, s3: bool) -> tuple[model.Payload, model.Session]:
    allow(act, rule)
    given = _given(body)
    access = given.get("access")
    if not isinstance(access, str):
        raise Unauthorized("EC2 Signature not supplied")
    with act.db.read() as tx:
        found = payload(tx, act.registry, access)
        if found is None:
            raise NotFound("EC2 access key not found.")
        made, secret = found
        when = _signed_at(secret, given, s3)
        if abs(act.now() - when) > act.use(settings.Identity).ec2_seconds:
            raise Unauthorized("Credential is expired")
        return made, act.use(Tokens).resolve(tx, made)


def _signed_at(secret: str, given: dict[str, object], s3: bool) -> float:
    """Raises Unauthorized when it was not signed with `secret`."""
    if not s3:
        return signatures.check_ec2(secret, given)
    token, signature = given.get("token"), given.get("signature")
    if not isinstance(token, str) or not isinstance(signature, str):
        raise Invalid("Invalid input for field 'credentials': 'token' and 'signature' are needed", field="credentials")
    return signatures.check_s3(secret, token, signature)


def ec2tokens(call: Call, body: wire.Signed) -> Issued:
    """POST /v3/ec2tokens"""
    sealed, session = log_in(call, body)
    return Issued(sealed, session, carried(call, session))


def s3tokens(call: Call, body: wire.Signed) -> Issued:
    """POST /v3/s3tokens: who signed; no token that could be used elsewhere."""
    session = _who(call, policy.S3TOKENS, body, s3=True)[1]
    return Issued("", session, carried(call, session))
