# SPDX-License-Identifier: Apache-2.0
"""Credentials: secrets that identity keeps for users, sealed; EC2 access keys are one type of them."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

from virga.authority.rules import allow, may
from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Forbidden, Invalid, NotFound, Unauthorized
from virga.ground.http.call import Actor, Call
from virga.ground.wire import UNSET, given
from virga.services.identity import filters, model, policy, store, wire
from virga.services.identity.actions import projects, users
from virga.services.identity.secrets import Vault
from virga.services.identity.tokens import Tokens

SCOPED = ("trust_id", "app_cred_id", "access_token_id", "access_id")
"""What in an EC2 credential's blob says whose delegated authority it carries; it never changes."""


def found(tx: Tx, id: str) -> model.Credential:
    credential = store.CREDENTIALS.get(tx, id)
    if credential is None:
        raise NotFound(f"Could not find credential: {id}.")
    return credential


def opened(call: Call, row: model.Credential) -> model.Credential:
    """The credential with its secret as the caller wrote it."""
    return model.Credential(row.id, row.type, row.user_id, row.project_id, call.use(Vault).open(row.blob), row.extra)


def inside(actor: Actor, project_id: str | None) -> bool:
    """A delegated token reaches the credentials of its own project and no others; none that belong to the user alone."""
    return not actor.delegated or (project_id is not None and project_id == actor.project_id)


def _within(call: Call, project_id: str | None) -> None:
    if not inside(call.actor, project_id):
        raise Forbidden(
            "You are not authorized to perform the requested action: Credential project does not match the project scope of the delegated token."
        )


def unrestricted(call: Call, what: str) -> None:
    """A restricted application credential makes nothing that could outlive it."""
    if call.actor.restricted:
        raise Forbidden(
            f"You are not authorized to perform the requested action: Using method 'application_credential' is not allowed for managing additional {what}."
        )


def _blob(text: str) -> dict[str, Any]:
    """The content of an EC2 credential: an object with `access`."""
    try:
        blob = json.loads(text)
    except ValueError:
        raise Invalid("Invalid blob in credential", field="blob") from None
    if not isinstance(blob, dict) or not blob:
        raise Invalid("Invalid input for field 'credential.blob': an object is needed", field="blob")
    if not isinstance(blob.get("access"), str):
        raise Invalid("Invalid input for field 'credential.blob': its 'access' is missing", field="access")
    return blob


def _text(blob: str | dict[str, Any]) -> str:
    return blob if isinstance(blob, str) else json.dumps(blob)


def key_id(access: str) -> str:
    """The id of the credential of an EC2 access key."""
    return hashlib.sha256(access.encode()).hexdigest()


def create(call: Call, body: wire.CreateCredential) -> model.Credential:
    """POST /v3/credentials"""
    actor = call.actor
    user_id = str(body.user_id) if body.user_id is not UNSET else actor.user_id
    allow(call, policy.CREATE_CREDENTIAL, target=policy.on_credential(user_id, body.project_id))
    _within(call, body.project_id)
    text, id = _text(body.blob), uuid.uuid4().hex
    if body.type.lower() == "ec2":
        unrestricted(call, "credentials")
        blob = _blob(text)
        if body.project_id is None:
            raise Invalid(
                "Invalid input for field 'credential.project_id': an ec2 credential needs one", field="project_id"
            )
        id = key_id(blob["access"])
        marks = {
            k: v for k, v in (("trust_id", actor.trust_id), ("app_cred_id", actor.app_credential_id)) if v is not None
        }
        if marks:
            text = json.dumps(blob | marks)
    if store.CREDENTIALS.get(call.tx, id) is not None:
        raise Conflict("Conflict occurred attempting to store credential - Duplicate entry found with this access key.")
    sealed = call.use(Vault).seal(text)
    row = store.CREDENTIALS.insert(
        call.tx, id=id, type=body.type, user_id=user_id, project_id=body.project_id, blob=sealed, extra=body.extra
    )
    return opened(call, row)


def show(call: Call, id: str) -> model.Credential:
    """GET /v3/credentials/{id}"""
    row = store.CREDENTIALS.get(call.tx, id)
    allow(call, policy.GET_CREDENTIAL, target=_target(row))
    row = found(call.tx, id)
    _within(call, row.project_id)
    return opened(call, row)


def _target(row: model.Credential | None) -> policy.Target | None:
    return None if row is None else policy.on_credential(row.user_id, row.project_id)


def index(call: Call) -> list[model.Credential]:
    """GET /v3/credentials, by user_id and type: administrators all, others their own."""
    actor = call.actor
    allow(call, policy.LIST_CREDENTIALS, target=policy.on_credential(actor.user_id, None))
    where = filters.where(call, store.CREDENTIALS, "user_id", "type")
    if not may(actor, policy.GET_CREDENTIAL):
        where.append(store.CREDENTIALS.c.user_id == actor.user_id)
    rows = store.CREDENTIALS.find(call.tx, *where, order=store.CREDENTIALS.c.id)
    return [
        opened(call, r)
        for r in rows
        if inside(actor, r.project_id)
        and may(actor, policy.GET_CREDENTIAL, target=policy.on_credential(r.user_id, r.project_id))
    ]


def update(call: Call, id: str, body: wire.UpdateCredential) -> model.Credential:
    """PATCH /v3/credentials/{id}: whose it is, before and after, must be the caller's to say."""
    row = store.CREDENTIALS.get(call.tx, id)
    allow(call, policy.UPDATE_CREDENTIAL, target=_target(row))
    row = found(call.tx, id)
    _within(call, row.project_id)
    change = given(body)
    extra = change.pop("extra")
    owner, project_id = change.get("user_id", row.user_id), change.get("project_id", row.project_id)
    allow(call, policy.UPDATE_CREDENTIAL, target=policy.on_credential(owner, project_id))
    _within(call, project_id)
    if "blob" in change:
        change["blob"] = _text(change["blob"])
    if "ec2" in (row.type.lower(), str(change.get("type", "")).lower()):
        old = _blob(opened(call, row).blob) if row.type.lower() == "ec2" else {}
        new = _blob(change["blob"]) if "blob" in change else old
        for name in SCOPED:
            if old.get(name) != new.get(name):
                raise Invalid(f"{name} can not be updated for credential", field=name)
        if row.type.lower() != "ec2":
            raise Invalid("A credential can not become one of the type ec2; make another", field="type")
        if project_id is None:
            raise Invalid(
                "Invalid input for field 'credential.project_id': an ec2 credential needs one", field="project_id"
            )
    if "blob" in change:
        change["blob"] = call.use(Vault).seal(change["blob"])
    store.CREDENTIALS.put(call.tx, id, **change, extra=row.extra | extra)
    if row.type == "ec2":
        call.use(Tokens).grew(call.tx)
    return opened(call, found(call.tx, id))


def delete(call: Call, id: str) -> None:
    """DELETE /v3/credentials/{id}"""
    row = store.CREDENTIALS.get(call.tx, id)
    allow(call, policy.DELETE_CREDENTIAL, target=_target(row))
    row = found(call.tx, id)
    _within(call, row.project_id)
    store.CREDENTIALS.delete(call.tx, store.CREDENTIALS.c.id == id)
    if row.type == "ec2":
        call.use(Tokens).grew(call.tx)


def create_ec2(call: Call, user_id: str, body: wire.CreateEC2Credential) -> model.Credential:
    """POST /v3/users/{id}/credentials/OS-EC2: a new access key and secret for a project."""
    allow(call, policy.EC2_CREATE, target=policy.on_credential(user_id, body.tenant_id))
    unrestricted(call, "credentials")
    users.found(call.tx, user_id)
    projects.found(call.tx, body.tenant_id)
    _within(call, body.tenant_id)
    actor = call.actor
    blob = {"access": uuid.uuid4().hex, "secret": uuid.uuid4().hex, "trust_id": actor.trust_id}
    if actor.app_credential_id is not None:
        blob["app_cred_id"] = actor.app_credential_id
    row = store.CREDENTIALS.insert(
        call.tx,
        id=key_id(str(blob["access"])),
        type="ec2",
        user_id=user_id,
        project_id=body.tenant_id,
        extra={},
        blob=call.use(Vault).seal(json.dumps(blob)),
    )
    return opened(call, row)


def index_ec2(call: Call, user_id: str) -> list[model.Credential]:
    """GET /v3/users/{id}/credentials/OS-EC2"""
    allow(call, policy.EC2_LIST, user_id=user_id)
    users.found(call.tx, user_id)
    c = store.CREDENTIALS.c
    rows = store.CREDENTIALS.find(call.tx, c.user_id == user_id, c.type == "ec2", order=c.id)
    return [opened(call, r) for r in rows if inside(call.actor, r.project_id)]


def _ec2(call: Call, rule: Any, user_id: str, access: str) -> model.Credential:
    row = store.CREDENTIALS.get(call.tx, key_id(access))
    if row is None:
        raise NotFound(f"Could not find credential: {access}.")
    allow(call, rule, target=_target(row))  # by whose it is, whatever user the path names
    users.found(call.tx, user_id)
    if row.type != "ec2":
        raise Unauthorized("EC2 access key not found.")
    _within(call, row.project_id)
    return row


def show_ec2(call: Call, user_id: str, access: str) -> model.Credential:
    """GET /v3/users/{id}/credentials/OS-EC2/{access}"""
    return opened(call, _ec2(call, policy.EC2_GET, user_id, access))


def delete_ec2(call: Call, user_id: str, access: str) -> None:
    """DELETE /v3/users/{id}/credentials/OS-EC2/{access}"""
    row = _ec2(call, policy.EC2_DELETE, user_id, access)
    store.CREDENTIALS.delete(call.tx, store.CREDENTIALS.c.id == row.id)
    call.use(Tokens).grew(call.tx)
