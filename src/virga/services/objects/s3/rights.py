# SPDX-License-Identifier: Apache-2.0
"""Who may do what to a bucket: its owner's roles, its policy, and access lists. A Deny always wins; a signed address has exactly its
signer's rights. An object that another account put belongs to that account, unless the bucket's ownership says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from virga.authority.rules import Rule
from virga.ground.act import NOBODY, Actor
from virga.services.objects import acl, model, policy
from virga.services.objects.context import ObjectContext
from virga.services.objects.http import Request
from virga.services.objects.s3 import grants, policies
from virga.services.objects.s3.errors import S3Error

BUCKET = {
    "s3:ListBucket": "READ",
    "s3:ListBucketVersions": "READ",
    "s3:ListBucketMultipartUploads": "READ",
    "s3:GetBucketLocation": "READ",
    "s3:PutObject": "WRITE",
    "s3:DeleteObject": "WRITE",
    "s3:AbortMultipartUpload": "WRITE",
    "s3:ListMultipartUploadParts": "WRITE",
    "s3:GetBucketAcl": "READ_ACP",
    "s3:PutBucketAcl": "WRITE_ACP",
}
"""Which grant on the bucket gives an action."""
OBJECT = {
    "s3:GetObject": "READ",
    "s3:GetObjectVersion": "READ",
    "s3:GetObjectAttributes": "READ",
    "s3:GetObjectVersionAttributes": "READ",
    "s3:GetObjectAcl": "READ_ACP",
    "s3:GetObjectVersionAcl": "READ_ACP",
    "s3:PutObjectAcl": "WRITE_ACP",
    "s3:PutObjectVersionAcl": "WRITE_ACP",
}
READS = ("s3:Get", "s3:List", "s3:Head")
OWN_POLICY = frozenset({"s3:PutBucketPolicy", "s3:DeleteBucketPolicy", "s3:GetBucketPolicy"})


def owner_of(bucket: model.Container, o: model.Object | None) -> str:
    """The project that an object belongs to."""
    mine = model.project_of(bucket.account)
    if o is None or (bucket.control and bucket.control.get("ownership") == "BucketOwnerEnforced"):
        return mine
    return str(o.own("owner") or mine)


def acls_count(bucket: model.Container) -> bool:
    return not bucket.control or bucket.control.get("ownership") != "BucketOwnerEnforced"


def grants_of(bucket: model.Container, o: model.Object | None) -> grants.Grants:
    """The grants on an object, or on the bucket itself."""
    mine = model.project_of(bucket.account)
    if o is not None:
        return grants.expand(o.own("acl"), owner_of(bucket, o), mine)
    control = bucket.control or {}
    out = grants.expand(control.get("acl"), mine, mine)
    return out + [g for g in grants.from_swift(control) if g not in out]


def allow(
    context: ObjectContext,
    request: Request,
    actor: Actor,
    bucket: model.Container,
    action: str,
    *,
    key: str | None = None,
    o: model.Object | None = None,
    tags: Mapping[str, str] | None = None,
    prefix: str | None = None,
) -> None:
    """Raise AccessDenied unless the caller may. `tags`: those that the request puts; `prefix`: what a listing is asked for."""
    if not may(context, request, actor, bucket, action, key=key, o=o, tags=tags, prefix=prefix):
        raise denied(bucket, action)


def denied(bucket: model.Container, action: str) -> S3Error:
    """The refusal of an action."""
    return S3Error(
        "AccessDenied",
        f"{action} on {bucket.name} needs its owner's project (role member), an access list or a policy that names you.",
    )


def may(
    context: ObjectContext,
    request: Request,
    actor: Actor,
    bucket: model.Container,
    action: str,
    *,
    key: str | None = None,
    o: model.Object | None = None,
    tags: Mapping[str, str] | None = None,
    prefix: str | None = None,
) -> bool:
    """Whether the caller may; raises AccessDenied for what the bucket's policy denies."""
    control: dict[str, Any] = bucket.control or {}
    project, mine = actor.project_id or None, model.project_of(bucket.account)
    rule = policy.READ if action.startswith(READS) else policy.ADMINISTER if action in OWN_POLICY else policy.WRITE

    def holds(rule: Rule, owner: str) -> bool:
        return policy.holds(actor, rule, model.account_of(owner), context.settings.reseller_roles)

    block: dict[str, bool] = control.get("block") or {}
    decision, open_ = None, False
    if control.get("policy"):
        known: list[dict[str, Any]] = []

        def facts() -> dict[str, Any]:
            if not known:
                known.append(policies.facts(request, actor, bucket, o, tags, prefix))
            return known[0]

        arn = f"arn:aws:s3:::{bucket.name}" + (f"/{key}" if key is not None else "")
        decision, open_ = policies.decide(policies.parse(control["policy"]), facts, actor, action, arn)
        if decision == "Deny" and not (action in OWN_POLICY and holds(policy.ADMINISTER, mine)):
            raise S3Error("AccessDenied", f"The bucket's policy denies {action}.")
        if decision == "Allow" and open_ and block.get("restrict") and project != mine:
            decision = None
    if decision == "Allow" or holds(rule, owner_of(bucket, o) if action in OBJECT else mine):
        return True
    if not acls_count(bucket):
        return False
    groups = not block.get("ignore")
    caller = project if project is not None and holds(rule, project) else None
    if action in OBJECT:
        if grants.gives(grants_of(bucket, o), OBJECT[action], caller, groups=groups) and (o is not None):
            return True
        return action in {"s3:GetObject", "s3:GetObjectVersion"} and _by_swift(request, actor, control, o)
    permission = BUCKET.get(action)
    if permission is None:
        return False
    if grants.gives(grants.expand(control.get("acl"), mine, mine), permission, caller, groups=groups):
        return True
    return _bucket_by_swift(request, actor, control, permission)


def _who(actor: Actor) -> acl.Who | None:
    return None if actor is NOBODY else acl.Who(actor.user_id, "", actor.project_id or "", "", actor.roles, False)


def _by_swift(request: Request, actor: Actor, control: dict[str, Any], o: model.Object | None) -> bool:
    """Swift's read list opens the objects, as far as they have no list of their own."""
    if not control.get("read") or (o is not None and o.own("acl")):
        return False
    referrers, groups = acl.parse(control["read"])
    return acl.referrer_allowed(request.headers.get("referer"), referrers) or acl.listed(_who(actor), groups)


def _bucket_by_swift(request: Request, actor: Actor, control: dict[str, Any], permission: str) -> bool:
    if permission == "READ" and control.get("read"):
        referrers, groups = acl.parse(control["read"])
        return (
            ".rlistings" in groups and acl.referrer_allowed(request.headers.get("referer"), referrers)
        ) or acl.listed(_who(actor), groups)
    if permission == "WRITE" and control.get("write"):
        return acl.listed(_who(actor), acl.parse(control["write"])[1])
    return False
