# SPDX-License-Identifier: Apache-2.0
"""Credentials: secrets that identity keeps for users, sealed; EC2 access keys are one type of them."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

from virga.authority.rules import allow, may
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Forbidden, Invalid, NotFound, Unauthorized
from virga.ground.http.call import Call
from virga.ground.wire import UNSET, given
from virga.services.identity import filters, model, policy, store, wire
from virga.services.identity.actions import delegation, projects, users
from virga.services.identity.secrets import Vault
from virga.services.identity.tokens import Tokens


def found(tx: Tx, id: str) -> model.Credential:
    """The credential of this id. Raises NotFound."""
    credential = store.CREDENTIALS.get(tx, id)
    if credential is None:
        raise NotFound(f"Could not find credential: {id}.")
    return credential


def opened(act: Act, row: model.Credential) -> model.Credential:
    """The credential with its secret as the caller wrote it."""
    return model.Credential(row.id, row.type, row.user_id, row.project_id, act.use(Vault).open(row.blob), row.extra)


def unrestricted(act: Act, what: str) -> None:
    """A restricted application credential makes nothing that could outlive it. Raises Forbidden."""
    if act.actor.restricted:
        raise Forbidden(
            f"You are not authorized to perform the requested action: Using method 'application_credential' is not allowed for managing additional {what}."
        )


def _reached(act: Act, row: model.Credential) -> model.Credential:
    """The credential with its secret, for who reaches it. Raises Forbidden for delegated authority that does not."""
    held = opened(act, row)
    delegation.hold(act, held.type, held.project_id, held.blob)
    return held


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


def create(act: Act, body: wire.CreateCredential) -> model.Credential:
    """POST /v3/credentials. Raises Invalid, Conflict."""
    actor = act.actor
    user_id = str(body.user_id) if body.user_id is not UNSET else actor.user_id
    allow(act, policy.CREATE_CREDENTIAL, target=policy.on_credential(user_id, body.project_id))
    text, id = _text(body.blob), uuid.uuid4().hex
    if body.type.lower() == "ec2":
        unrestricted(act, "credentials")
        blob = _blob(text)
        if body.project_id is None:
            raise Invalid(
                "Invalid input for field 'credential.project_id': an ec2 credential needs one", field="project_id"
            )
        id = key_id(blob["access"])
        held = delegation.marked(act, blob)
        text = text if held == blob else json.dumps(held)
    delegation.hold(act, body.type, body.project_id, text)
    if body.project_id is not None:
        projects.held(act, user_id, body.project_id)
    if store.CREDENTIALS.get(act.tx, id) is not None:
        raise Conflict("Conflict occurred attempting to store credential - Duplicate entry found with this access key.")
    sealed = act.use(Vault).seal(text)
    row = store.CREDENTIALS.insert(
        act.tx, id=id, type=body.type, user_id=user_id, project_id=body.project_id, blob=sealed, extra=body.extra
    )
    return opened(act, row)


def show(act: Act, id: str) -> model.Credential:
    """GET /v3/credentials/{id}"""
    row = store.CREDENTIALS.get(act.tx, id)
    allow(act, policy.GET_CREDENTIAL, target=_target(row))
    return _reached(act, found(act.tx, id))


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
        row
        for row in (opened(call, r) for r in rows)
        if delegation.reaches(actor, row.type, row.project_id, row.blob)
        and may(actor, policy.GET_CREDENTIAL, target=policy.on_credential(row.user_id, row.project_id))
    ]


def update(act: Act, id: str, body: wire.UpdateCredential) -> model.Credential:
    """PATCH /v3/credentials/{id}: whose it is, before and after, must be the caller's to say. Raises Invalid."""
    row = store.CREDENTIALS.get(act.tx, id)
    allow(act, policy.UPDATE_CREDENTIAL, target=_target(row))
    row = found(act.tx, id)
    held = _reached(act, row)
    change = given(body)
    extra = change.pop("extra")
    owner, project_id = change.get("user_id", row.user_id), change.get("project_id", row.project_id)
    allow(act, policy.UPDATE_CREDENTIAL, target=policy.on_credential(owner, project_id))
    if "blob" in change:
        change["blob"] = _text(change["blob"])
    delegation.hold(act, change.get("type", row.type), project_id, change.get("blob", held.blob))
    if "ec2" in (row.type.lower(), str(change.get("type", "")).lower()):
        old = _blob(held.blob) if row.type.lower() == "ec2" else {}
        new = _blob(change["blob"]) if "blob" in change else old
        for name in delegation.MARKS:
            if old.get(name) != new.get(name):
                raise Invalid(f"{name} can not be updated for credential", field=name)
        if row.type.lower() != "ec2":
            raise Invalid("A credential can not become one of the type ec2; make another", field="type")
        if project_id is None:
            raise Invalid(
                "Invalid input for field 'credential.project_id': an ec2 credential needs one", field="project_id"
            )
    if isinstance(change.get("project_id"), str):
        projects.held(act, owner, change["project_id"])
    if "blob" in change:
        change["blob"] = act.use(Vault).seal(change["blob"])
    store.CREDENTIALS.put(act.tx, id, **change, extra=row.extra | extra)
    if row.type == "ec2":
        act.use(Tokens).bump_generation(act.tx)
    return opened(act, found(act.tx, id))


def delete(act: Act, id: str) -> None:
    """DELETE /v3/credentials/{id}"""
    row = store.CREDENTIALS.get(act.tx, id)
    allow(act, policy.DELETE_CREDENTIAL, target=_target(row))
    row = found(act.tx, id)
    _reached(act, row)
    store.CREDENTIALS.delete(act.tx, store.CREDENTIALS.c.id == id)
    if row.type == "ec2":
        act.use(Tokens).bump_generation(act.tx)


def create_ec2(act: Act, user_id: str, body: wire.CreateEC2Credential) -> model.Credential:
    """POST /v3/users/{id}/credentials/OS-EC2: a new access key and secret for a project."""
    allow(act, policy.EC2_CREATE, target=policy.on_credential(user_id, body.tenant_id))
    unrestricted(act, "credentials")
    users.found(act.tx, user_id)
    projects.held(act, user_id, body.tenant_id)
    key: dict[str, Any] = {"access": uuid.uuid4().hex, "secret": uuid.uuid4().hex, "trust_id": None}
    blob = delegation.marked(act, key)
    delegation.hold(act, "ec2", body.tenant_id, json.dumps(blob))
    row = store.CREDENTIALS.insert(
        act.tx,
        id=key_id(str(blob["access"])),
        type="ec2",
        user_id=user_id,
        project_id=body.tenant_id,
        extra={},
        blob=act.use(Vault).seal(json.dumps(blob)),
    )
    return opened(act, row)


def index_ec2(act: Act, user_id: str) -> list[model.Credential]:
    """GET /v3/users/{id}/credentials/OS-EC2"""
    allow(act, policy.EC2_LIST, user_id=user_id)
    users.found(act.tx, user_id)
    c = store.CREDENTIALS.c
    rows = store.CREDENTIALS.find(act.tx, c.user_id == user_id, c.type == "ec2", order=c.id)
    keys = (opened(act, r) for r in rows)
    return [key for key in keys if delegation.reaches(act.actor, key.type, key.project_id, key.blob)]


def _ec2(act: Act, rule: Any, user_id: str, access: str) -> model.Credential:
    row = store.CREDENTIALS.get(act.tx, key_id(access))
    if row is None:
        raise NotFound(f"Could not find credential: {access}.")
    allow(act, rule, target=_target(row))  # by whose it is, whatever user the path names
    users.found(act.tx, user_id)
    if row.type != "ec2":
        raise Unauthorized("EC2 access key not found.")
    return _reached(act, row)


def show_ec2(act: Act, user_id: str, access: str) -> model.Credential:
    """GET /v3/users/{id}/credentials/OS-EC2/{access}"""
    return _ec2(act, policy.EC2_GET, user_id, access)


def delete_ec2(act: Act, user_id: str, access: str) -> None:
    """DELETE /v3/users/{id}/credentials/OS-EC2/{access}"""
    row = _ec2(act, policy.EC2_DELETE, user_id, access)
    store.CREDENTIALS.delete(act.tx, store.CREDENTIALS.c.id == row.id)
    act.use(Tokens).bump_generation(act.tx)
