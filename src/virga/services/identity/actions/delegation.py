# SPDX-License-Identifier: Apache-2.0
"""What delegated authority may do with credentials: the one place that says so, asked by every action that makes, shows, changes or
deletes one.

A trust, an application credential, an OAuth 1 token and an access key each lend a part of a user's authority. The secrets of the same
user stand for more than that part, so whoever holds a part reaches none of them, but for access keys that were made with that very
part: those carry its mark and can never do more than it (OSSA-2020-004, OSSA-2020-005, and what follows from them)."""

from __future__ import annotations

import json
from typing import Any

from virga.ground.act import Act, Actor
from virga.ground.db.engine import Tx
from virga.ground.errors import Forbidden, Invalid
from virga.services.identity import model, store

MARKS = ("trust_id", "app_cred_id", "access_token_id", "access_id")
"""What in an EC2 credential's blob says whose delegated authority it carries. The cloud writes it, and it never changes."""


def mark(actor: Actor) -> dict[str, str]:
    """The mark that credentials get which are made with the actor's authority; empty for a user in person."""
    held = {
        "trust_id": actor.trust_id,
        "app_cred_id": actor.app_credential_id,
        "access_token_id": actor.oauth_token_id,
        "access_id": actor.access_key_id,
    }
    return {name: id for name, id in held.items() if id is not None}


def carried(blob: str) -> dict[str, Any]:
    """The mark in the blob of a credential."""
    try:
        held = json.loads(blob)
    except ValueError:
        return {}
    return {name: held[name] for name in MARKS if held.get(name) is not None} if isinstance(held, dict) else {}


def reaches(actor: Actor, type: str, project_id: str | None, blob: str) -> bool:
    """Whether the actor may have to do with a credential of this type, project and (open) blob. A user in person may, as far as
    rules say; delegated authority only with access keys of its own mark."""
    if not actor.delegated:
        return True
    return type == "ec2" and project_id == actor.project_id and carried(blob) == mark(actor)


def hold(act: Act, type: str, project_id: str | None, blob: str) -> None:
    """Raise Forbidden unless the caller `reaches` the credential."""
    if not reaches(act.actor, type, project_id, blob):
        raise Forbidden(
            "You are not authorized to perform the requested action: Credential project does not match the project scope "
            "of the delegated token, or the credential was not made with it: delegated authority (a trust, an application "
            "credential, OAuth, an access key) reaches only access keys of its own."
        )


def marked(act: Act, blob: dict[str, Any]) -> dict[str, Any]:
    """An EC2 blob as it is stored: what the caller wrote, with the caller's mark. Raises Invalid for a mark of somebody else's.
    Raises Forbidden."""
    own = mark(act.actor)
    if act.actor.trust_id is not None:
        trust = store.TRUSTS.get(act.tx, act.actor.trust_id)
        if trust is not None and trust.remaining_uses is not None:
            raise Forbidden(
                "You are not authorized to perform the requested action: a key could be used more often than trust "
                f"{trust.id}, whose remaining uses are counted."
            )
    for name in MARKS:
        if blob.get(name) is not None and blob[name] != own.get(name):
            raise Invalid(
                f"Invalid input for field 'credential.blob': {name} says whose authority a credential carries; it is written by "
                "the cloud, for credentials made with a token of that authority",
                field=name,
            )
    return blob | own


def reaches_trust(tx: Tx, actor: Actor, trust: model.Trust) -> bool:
    """Whether the actor may have to do with a trust: with the authority of a trust only with that one, and with those handed on from
    it. What rules say comes beside."""
    if actor.trust_id is None:
        return True
    at: model.Trust | None = trust
    while at is not None and at.id != actor.trust_id:
        at = store.TRUSTS.get(tx, at.redelegated_id) if at.redelegated_id is not None else None
    return at is not None


def hold_trust(act: Act, trust: model.Trust) -> None:
    """Raise Forbidden unless the caller `reaches_trust`."""
    if not reaches_trust(act.tx, act.actor, trust):
        raise Forbidden(
            "You are not authorized to perform the requested action: the authority of a trust reaches that trust alone, "
            "and what was handed on from it."
        )


def in_person(act: Act, what: str) -> None:
    """Raise Forbidden for what only a user in person does, with authority of no one's lending."""
    if act.actor.delegated:
        raise Forbidden(f"You are not authorized to perform the requested action: {what} with delegated authority.")
