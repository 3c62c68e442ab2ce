# SPDX-License-Identifier: Apache-2.0
"""Who may do what to a bucket: its owner's roles, its policy (the common subset, refused when it holds what we do not understand), and
the canned access lists. A Deny always wins; a signed address has exactly its signer's rights."""

from __future__ import annotations

import ipaddress
from typing import Any

import msgspec

from virga.ground.http.call import NOBODY, Actor
from virga.services.objects import acl, model, policy
from virga.services.objects.desk import Desk
from virga.services.objects.exchange import Ask
from virga.services.objects.s3.errors import S3Error

READS = ("s3:Get", "s3:List", "s3:Head")
POLICY_ACTIONS = {"s3:PutBucketPolicy", "s3:DeleteBucketPolicy", "s3:GetBucketPolicy"}
"""What a Deny cannot take from who administers the account: else a bucket could be locked for good."""
CANNED = {
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
    "aws-exec-read",
}
OPERATORS = {
    "StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase", "IpAddress", "NotIpAddress", "Bool", "NumericLessThan",
    "NumericLessThanEquals",
}  # fmt: skip
KEYS = {
    "aws:sourceip",
    "aws:securetransport",
    "aws:referer",
    "aws:useragent",
    "s3:prefix",
    "s3:delimiter",
    "s3:max-keys",
    "s3:x-amz-acl",
    "aws:username",
    "aws:userid",
}


def glob(pattern: str, text: str) -> bool:
    """`*` and `?`, in time that grows with the product of both lengths at most."""
    p = t = 0
    star, mark = -1, 0
    while t < len(text):
        if p < len(pattern) and (pattern[p] == "?" or (pattern[p] == text[t] and pattern[p] != "*")):
            p, t = p + 1, t + 1
        elif p < len(pattern) and pattern[p] == "*":
            star, mark, p = p, t, p + 1
        elif star >= 0:
            p, mark = star + 1, mark + 1
            t = mark
        else:
            return False
    while p < len(pattern) and pattern[p] == "*":
        p += 1
    return p == len(pattern)


def _many(value: Any) -> list[str]:
    out = value if isinstance(value, list) else [value]
    if not all(isinstance(v, (str, bool, int)) for v in out):
        raise S3Error("MalformedPolicy")
    return [str(v).lower() if isinstance(v, bool) else str(v) for v in out]


def read_policy(raw: bytes, bucket: str) -> dict[str, Any]:
    """A policy that we understand whole. Raises MalformedPolicy naming what we do not."""
    if len(raw) > 20480:
        raise S3Error("MalformedPolicy", "The policy is longer than 20 KiB.")
    try:
        doc: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise S3Error("MalformedPolicy", "Policies must be valid JSON.") from None
    if not isinstance(doc, dict) or not set(doc) <= {"Version", "Id", "Statement"}:
        raise S3Error("MalformedPolicy", "A policy has Version, Id and Statement.")
    statements = doc.get("Statement")
    statements = statements if isinstance(statements, list) else [statements]
    for s in statements:
        if not isinstance(s, dict) or not set(s) <= {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}:
            raise S3Error("MalformedPolicy", "A statement has Sid, Effect, Principal, Action, Resource and Condition.")
        if s.get("Effect") not in {"Allow", "Deny"} or not {"Principal", "Action", "Resource"} <= set(s):
            raise S3Error("MalformedPolicy", "A statement needs Effect (Allow or Deny), Principal, Action and Resource.")
        who = s["Principal"]
        if isinstance(who, dict) and set(who) != {"AWS"}:
            raise S3Error("MalformedPolicy", "Invalid principal in policy")
        _many(who["AWS"] if isinstance(who, dict) else who)
        if not all(a == "*" or a.startswith("s3:") for a in _many(s["Action"])):
            raise S3Error("MalformedPolicy", "Policy has invalid action")
        arn = f"arn:aws:s3:::{bucket}"
        if not all(r == arn or r.startswith(f"{arn}/") or r == f"{arn}*" for r in _many(s["Resource"])):
            raise S3Error("MalformedPolicy", "Policy has invalid resource")
        conditions = s.get("Condition", {})
        if not isinstance(conditions, dict):
            raise S3Error("MalformedPolicy")
        for operator, tests in conditions.items():
            if operator not in OPERATORS or not isinstance(tests, dict):
                raise S3Error("MalformedPolicy", f"Invalid Condition type : {str(operator)[:64]}")
            for key, value in tests.items():
                if key.lower() not in KEYS:
                    raise S3Error("MalformedPolicy", f"Policy has an invalid condition key: {key[:64]}")
                values = _many(value)
                if operator in {"IpAddress", "NotIpAddress"}:
                    try:
                        [ipaddress.ip_network(v, strict=False) for v in values]
                    except ValueError:
                        raise S3Error("MalformedPolicy", f"Value of {key[:64]} is no address range") from None
    doc["Statement"] = statements
    return doc


def _names(principal: Any, actor: Actor) -> bool:
    for each in _many(principal["AWS"] if isinstance(principal, dict) else principal):
        if each == "*":
            return True
        if actor is NOBODY:
            continue
        p, u = actor.project_id or "-", actor.user_id
        if each in {p, f"arn:aws:iam::{p}:root", f"arn:aws:iam::{p}:user/{u}", f"arn:aws:iam::{p}:user/{actor.user_name}"}:
            return True
    return False


def _holds(conditions: dict[str, Any], ask: Ask, actor: Actor) -> bool:
    facts = {
        "aws:sourceip": ask.client, "aws:securetransport": str(ask.scheme == "https").lower(), "aws:referer": ask.header("referer"),
        "aws:useragent": ask.header("user-agent"), "s3:prefix": ask.query.get("prefix", ""), "s3:delimiter": ask.query.get("delimiter", ""),
        "s3:max-keys": ask.query.get("max-keys", ""), "s3:x-amz-acl": ask.header("x-amz-acl"), "aws:username": actor.user_name, "aws:userid": actor.user_id,
    }  # fmt: skip
    for operator, tests in conditions.items():
        for key, value in tests.items():
            fact, values = facts[key.lower()], _many(value)
            if operator in {"IpAddress", "NotIpAddress"}:
                try:
                    ok = any(ipaddress.ip_address(fact) in ipaddress.ip_network(v, strict=False) for v in values)
                except ValueError:
                    ok = False
                ok = ok if operator == "IpAddress" else not ok
            elif operator in {"NumericLessThan", "NumericLessThanEquals"}:
                try:
                    ok = any(int(fact) < int(v) or (operator.endswith("Equals") and int(fact) == int(v)) for v in values)
                except ValueError:
                    ok = False
            elif operator in {"StringLike", "StringNotLike"}:
                ok = any(glob(v, fact) for v in values) != (operator == "StringNotLike")
            elif operator == "StringNotEquals":
                ok = fact not in values
            elif operator in {"StringEqualsIgnoreCase", "Bool"}:
                ok = fact.lower() in {v.lower() for v in values}
            else:
                ok = fact in values
            if not ok:
                return False
    return True


def decide(doc: dict[str, Any] | None, ask: Ask, actor: Actor, action: str, resource: str) -> str | None:
    """'Deny', 'Allow' or None."""
    out = None
    for s in doc["Statement"] if doc else ():
        if (
            any(glob(a.lower(), action.lower()) for a in _many(s["Action"]))
            and any(glob(r, resource) for r in _many(s["Resource"]))
            and _names(s["Principal"], actor)
            and _holds(s.get("Condition", {}), ask, actor)
        ):
            if s["Effect"] == "Deny":
                return "Deny"
            out = "Allow"
    return out


def allow(
    desk: Desk, ask: Ask, actor: Actor, bucket: model.Container, action: str, key: str | None = None, o: model.Object | None = None
) -> None:
    """Raise AccessDenied unless the caller may."""
    control = bucket.control or {}
    arn = f"arn:aws:s3:::{bucket.name}" + (f"/{key}" if key is not None else "")
    said = decide(control.get("policy"), ask, actor, action, arn)
    roles = desk.settings.reseller_roles
    if said == "Deny" and not (action in POLICY_ACTIONS and policy.holds(actor, policy.ADMINISTER, bucket.account, roles)):
        raise S3Error("AccessDenied", f"The bucket's policy denies {action}.")
    rule = policy.READ if action.startswith(READS) else policy.ADMINISTER if action in POLICY_ACTIONS else policy.WRITE
    if said == "Allow" or policy.holds(actor, rule, bucket.account, roles):
        return
    canned = (o.own("acl") if o is not None else None) or None
    if action == "s3:GetObject" and canned in {"public-read", "public-read-write"}:
        return
    if action == "s3:GetObject" and canned == "authenticated-read" and actor is not NOBODY:
        return
    who = None
    if actor is not NOBODY:
        who = acl.Who(actor.user_id, "", actor.project_id or "", "", actor.roles, False)
    referrers, groups = acl.parse(control.get("read"))
    if (
        action in {"s3:GetObject", "s3:GetObjectVersion"}
        and canned in {None, ""}
        and (acl.referrer_allowed(ask.headers.get("referer"), referrers) or acl.listed(who, groups))
    ):
        return
    if action in {"s3:ListBucket", "s3:GetBucketLocation"} and (
        (".rlistings" in groups and acl.referrer_allowed(ask.headers.get("referer"), referrers)) or acl.listed(who, groups)
    ):
        return
    writes = control.get("acl") == "public-read-write" or acl.listed(who, acl.parse(control.get("write"))[1])
    if action in {"s3:PutObject", "s3:DeleteObject"} and writes:
        return
    raise S3Error(
        "AccessDenied", f"{action} on {bucket.name} needs its owner's project (role member), an access list or a policy that names you."
    )


def canned_control(name: str) -> dict[str, Any]:
    """A canned list as what a container remembers, so that Swift's door shows the same."""
    if name not in CANNED:
        raise S3Error("InvalidArgument", f"There is no canned ACL {name[:64]}.")
    read = {"public-read": ".r:*,.rlistings", "public-read-write": ".r:*,.rlistings", "authenticated-read": "*:*"}.get(name)
    write = "*:*" if name == "public-read-write" else None
    return {"acl": name, "read": read, "write": write}
