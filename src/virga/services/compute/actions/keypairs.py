# SPDX-License-Identifier: Apache-2.0
"""Keypairs: import, and generation for those who still speak a version that has it."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

from virga.authority import limits as limit_checks
from virga.authority.rules import Rule, allow
from virga.ground.act import Act
from virga.ground.errors import Conflict, Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.wire import UNSET
from virga.services.compute import limits, model, policy, store, wire

KINDS = {
    "ssh-rsa",
    "ssh-ed25519",
    "ssh-dss",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
}


def mine(act: Act, name: str) -> model.Keypair:
    """The caller's keypair that a server asks for. Raises Invalid."""
    key = store.KEYPAIRS.by(act.tx, user_id=act.actor.user_id, name=name)
    if key is None:
        raise Invalid(f"Invalid key_name provided: there is no keypair '{name[:80]}' of yours.", field="key_name")
    return key


def _user(act: Act, requested: Any, rule: Rule) -> str:
    user = requested if isinstance(requested, str) and requested else act.actor.user_id
    allow(act, rule, user_id=user)
    return user


def create(call: Call, body: wire.CreateKeypair) -> tuple[model.Keypair, str | None]:
    """POST /os-keypairs: the keypair, and its private half when it was generated here. Raises Invalid, Conflict."""
    user = _user(call, body.user_id, policy.KEYPAIRS_CREATE)
    name = body.name.strip()
    if call.version < (2, 92) and not all(c.isalnum() or c in "_- @.+" for c in name):
        raise Invalid("Keypair data is invalid: Keypair name contains unsafe characters", field="name")
    if body.type == "x509":
        raise Invalid("Keypairs of type x509 are not available in this cloud.", field="type")
    if store.KEYPAIRS.by(call.tx, user_id=user, name=name) is not None:
        raise Conflict(f"Key pair '{name}' already exists.")
    private = None
    if body.public_key is UNSET:
        if call.version >= (2, 92):
            raise Invalid(
                "Invalid input for field 'public_key': it is required since microversion 2.92", field="public_key"
            )
        public, private = generate()
    else:
        public = str(body.public_key).strip()
    print_ = fingerprint(public)
    limit_checks.check(call.tx, user, {limits.KEY_PAIRS: 1})
    return store.new_keypair(
        call.tx, user_id=user, name=name, type=body.type, public_key=public, fingerprint=print_, created=call.now()
    ), private


def fingerprint(public: str) -> str:
    """MD5 of the key's bytes in colon hex, as Nova prints it; raises Invalid for what is no ssh public key."""
    parts = public.split()
    try:
        if len(parts) < 2 or parts[0] not in KINDS or "\n" in public:
            raise ValueError
        raw = base64.b64decode(parts[1], validate=True)
        length = int.from_bytes(raw[:4], "big")
        if raw[4 : 4 + length].decode() != parts[0]:
            raise ValueError
    except (binascii.Error, ValueError, UnicodeDecodeError):
        raise Invalid(
            "Keypair data is invalid: failed to generate fingerprint, public_key is no ssh public key",
            field="public_key",
        ) from None
    plain = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    return ":".join(plain[i : i + 2] for i in range(0, 32, 2))


def generate() -> tuple[str, str]:
    """A fresh ed25519 key: (public line, private key in OpenSSH's format)."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return f"{public} Generated-by-Virga", private


def show(call: Call, name: str) -> model.Keypair:
    """GET /os-keypairs/{name}"""
    return _shown(call, name, policy.KEYPAIRS_SHOW)


def _shown(call: Call, name: str, rule: Rule) -> model.Keypair:
    user = _user(call, call.query.get("user_id"), rule)
    key = store.KEYPAIRS.by(call.tx, user_id=user, name=name)
    if key is None:
        raise NotFound(f"Keypair {name[:80]} not found for user {user}")
    return key


def index(call: Call) -> list[model.Keypair]:
    """GET /os-keypairs. Raises Invalid for a marker that is none of the user's keypairs."""
    user = _user(call, call.query.get("user_id"), policy.KEYPAIRS)
    limit = call.query.whole("limit", 1000)
    rows = store.KEYPAIRS.find(call.tx, store.KEYPAIRS.c.user_id == user, order=store.KEYPAIRS.c.name)
    marker = call.query.get("marker")
    if marker is not None and all(k.name != marker for k in rows):
        raise Invalid(f"marker [{marker[:64]}] not found", field="marker")
    return [k for k in rows if marker is None or k.name > marker][:limit]


def delete(call: Call, name: str) -> None:
    """DELETE /os-keypairs/{name}"""
    key = _shown(call, name, policy.KEYPAIRS_DELETE)
    store.KEYPAIRS.delete(call.tx, store.KEYPAIRS.c.id == key.id)
