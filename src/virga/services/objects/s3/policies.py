# SPDX-License-Identifier: Apache-2.0
"""Bucket policies: read whole or refused with what is not understood, decided without any tenant's regular expression. A Deny always
wins. A condition on a fact that the request lacks fails, and a negated one holds, as IAM's rules say."""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from virga.ground.act import NOBODY, Actor
from virga.ground.glob import glob
from virga.services.objects import limits, model
from virga.services.objects.http import Request
from virga.services.objects.s3.errors import S3Error

NEGATED = frozenset(
    {
        "StringNotEquals",
        "StringNotEqualsIgnoreCase",
        "StringNotLike",
        "NumericNotEquals",
        "DateNotEquals",
        "NotIpAddress",
        "ArnNotEquals",
        "ArnNotLike",
    }
)
KEYS = frozenset(
    {
        "aws:sourceip",
        "aws:securetransport",
        "aws:referer",
        "aws:useragent",
        "aws:username",
        "aws:userid",
        "aws:principalaccount",
        "aws:principaltype",
        "aws:principalarn",
        "aws:currenttime",
        "aws:epochtime",
        "s3:prefix",
        "s3:delimiter",
        "s3:max-keys",
        "s3:versionid",
        "s3:authtype",
        "s3:signatureversion",
        "s3:signatureage",
        "s3:x-amz-content-sha256",
        "s3:locationconstraint",
        "s3:x-amz-acl",
        "s3:x-amz-copy-source",
        "s3:x-amz-metadata-directive",
        "s3:x-amz-storage-class",
        "s3:x-amz-grant-read",
        "s3:x-amz-grant-write",
        "s3:x-amz-grant-read-acp",
        "s3:x-amz-grant-write-acp",
        "s3:x-amz-grant-full-control",
        "s3:x-amz-server-side-encryption",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
        "s3:x-amz-server-side-encryption-customer-algorithm",
        "s3:x-amz-website-redirect-location",
        "s3:x-amz-object-ownership",
        "s3:object-lock-mode",
        "s3:object-lock-retain-until-date",
        "s3:object-lock-legal-hold",
        "s3:object-lock-remaining-retention-days",
        "s3:requestobjecttagkeys",
        "s3:if-match",
        "s3:if-none-match",
        "s3:objectcreationoperation",
        "s3:resourceaccount",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:tagkeys",
    }
)
TAGGED = ("s3:existingobjecttag/", "s3:requestobjecttag/")
FIXING = frozenset(
    {
        "aws:sourceip",
        "aws:principalaccount",
        "aws:principalarn",
        "aws:userid",
        "aws:username",
        "aws:sourceaccount",
        "aws:sourcearn",
    }
)
"""Conditions on these keep an open principal from being public."""


# -- tests ---------------------------------------------------------------------------------------------------------


def _network(value: str) -> Any:
    return ipaddress.ip_network(value, strict=False)


def _inside(fact: str, network: Any) -> bool:
    try:
        return ipaddress.ip_address(fact) in network
    except ValueError:
        return False


def _moment(text: str) -> float:
    if text.replace(".", "", 1).isdecimal():
        return float(text)
    at = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (at if at.tzinfo else at.replace(tzinfo=dt.UTC)).timestamp()


def _compared(
    read: Callable[[str], float], test: Callable[[float, float], bool]
) -> tuple[Callable[[str], Any], Callable[[str, Any], bool]]:
    def holds(fact: str, value: float) -> bool:
        try:
            return test(read(fact), value)
        except ValueError:
            return False

    return read, holds


_ORDER: dict[str, Callable[[float, float], bool]] = {
    "Equals": lambda a, b: a == b,
    "NotEquals": lambda a, b: a == b,
    "LessThan": lambda a, b: a < b,
    "LessThanEquals": lambda a, b: a <= b,
    "GreaterThan": lambda a, b: a > b,
    "GreaterThanEquals": lambda a, b: a >= b,
}
_same: tuple[Callable[[str], Any], Callable[[str, Any], bool]] = (str, lambda fact, value: fact == value)
_like: tuple[Callable[[str], Any], Callable[[str, Any], bool]] = (str, lambda fact, value: glob(value, fact))
_folded: tuple[Callable[[str], Any], Callable[[str, Any], bool]] = (
    str.lower,
    lambda fact, value: fact.lower() == value,
)
OPERATORS: dict[str, tuple[Callable[[str], Any], Callable[[str, Any], bool]]] = (
    {
        "StringEquals": _same,
        "StringNotEquals": _same,
        "StringEqualsIgnoreCase": _folded,
        "StringNotEqualsIgnoreCase": _folded,
        "StringLike": _like,
        "StringNotLike": _like,
        "ArnEquals": _like,
        "ArnLike": _like,
        "ArnNotEquals": _like,
        "ArnNotLike": _like,
        "Bool": _folded,
        "IpAddress": (_network, _inside),
        "NotIpAddress": (_network, _inside),
        "Null": _folded,
    }
    | {f"Numeric{k}": _compared(float, v) for k, v in _ORDER.items()}
    | {f"Date{k}": _compared(_moment, v) for k, v in _ORDER.items()}
)
"""How a value of the policy is read (ValueError: refused), and how a fact is tried against it; negated ones turn the outcome."""


class Test(msgspec.Struct, frozen=True):
    """One key of a condition, with what it is tried against."""

    operator: str
    key: str
    values: tuple[Any, ...]
    if_exists: bool = False
    every: bool | None = None
    """ForAllValues (True), ForAnyValue (False), or neither."""


class Statement(msgspec.Struct, frozen=True):
    allows: bool
    who: tuple[str, ...]
    but: bool
    """`who` names those who are not meant (NotPrincipal)."""
    actions: tuple[str, ...]
    not_actions: bool
    resources: tuple[str, ...]
    not_resources: bool
    tests: tuple[Test, ...]

    def public(self) -> bool:
        """Whether it lets in anybody at all."""
        if not self.allows or not (self.but or "*" in self.who):
            return False
        for t in self.tests:
            if t.key in FIXING and t.operator not in NEGATED and not t.if_exists and t.operator != "Null":
                if t.key == "aws:sourceip" and any(v.prefixlen == 0 for v in t.values):
                    continue
                if all("*" not in str(v) for v in t.values):
                    return False
        return True


def _many(value: Any, what: str) -> tuple[str, ...]:
    out = value if isinstance(value, list) else [value]
    if not out or not all(isinstance(v, (str, bool, int, float)) for v in out):
        raise S3Error("MalformedPolicy", f"{what} is a string or a list of strings.")
    return tuple(str(v).lower() if isinstance(v, bool) else str(v) for v in out)


def check(raw: bytes, bucket: str) -> str:
    """A policy that is understood whole and speaks of `bucket` alone, as text. Raises MalformedPolicy naming what is not."""
    if len(raw) > limits.POLICY:
        raise S3Error("MalformedPolicy", "The policy is longer than 20 KiB.")
    if raw.count(b"?") > limits.POLICY_MARKS:
        raise S3Error("MalformedPolicy", f"The policy has more than {limits.POLICY_MARKS} question marks.")
    if raw.count(b"*") > limits.POLICY_STARS:
        raise S3Error("MalformedPolicy", f"The policy has more than {limits.POLICY_STARS} stars.")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise S3Error("MalformedPolicy", "Policies must be valid JSON.") from None
    arn, statements = f"arn:aws:s3:::{bucket}", parse(text)
    patterns = [p for s in statements for p in (*s.actions, *s.resources, *(v for t in s.tests for v in t.values))]
    if sum("?" in part for p in patterns if isinstance(p, str) for part in p.split("*")[1:-1]) > limits.POLICY_FLOATING:
        raise S3Error(
            "MalformedPolicy", f"The policy has more than {limits.POLICY_FLOATING} question marks' runs between stars."
        )
    for s in statements:
        heads = [r[: min((at for at in (r.find("*"), r.find("?")) if at >= 0), default=len(r))] for r in s.resources]
        if not all(
            r == arn or r.startswith(f"{arn}/") or (h != r and arn.startswith(h))
            for r, h in zip(s.resources, heads, strict=True)
        ):
            raise S3Error("MalformedPolicy", "Policy has invalid resource")
        if s.allows and s.but:
            raise S3Error("MalformedPolicy", "Allow with NotPrincipal is not supported: it lets everybody in.")
    return text


@functools.lru_cache(256)
def parse(text: str) -> tuple[Statement, ...]:
    """A policy's statements. Raises MalformedPolicy."""
    try:
        doc: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise S3Error("MalformedPolicy", "Policies must be valid JSON.") from None
    if not isinstance(doc, dict) or not set(doc) <= {"Version", "Id", "Statement"}:
        raise S3Error("MalformedPolicy", "A policy has Version, Id and Statement.")
    if doc.get("Version", "2012-10-17") not in {"2012-10-17", "2008-10-17"}:
        raise S3Error("MalformedPolicy", "The policy must contain a valid version string")
    found = doc.get("Statement")
    statements = found if isinstance(found, list) else [found]
    if not statements:
        raise S3Error("MalformedPolicy", "Could not parse the policy: Statement is empty!")
    return tuple(_statement(s) for s in statements)


def _statement(s: Any) -> Statement:
    known = {
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    }
    if not isinstance(s, dict) or not set(s) <= known:
        raise S3Error("MalformedPolicy", "A statement has Sid, Effect, Principal, Action, Resource and Condition.")
    if s.get("Effect") not in {"Allow", "Deny"}:
        raise S3Error("MalformedPolicy", "A statement needs Effect: Allow or Deny.")
    picked: dict[str, tuple[Any, bool]] = {}
    for key in ("Principal", "Action", "Resource"):
        here = [k for k in (key, f"Not{key}") if k in s]
        if len(here) != 1:
            raise S3Error("MalformedPolicy", f"A statement needs one of {key} and Not{key}.")
        picked[key] = (s[here[0]], here[0] != key)
    who, but = picked["Principal"]
    if isinstance(who, dict):
        if set(who) - {"AWS", "CanonicalUser"} or not who:
            raise S3Error("MalformedPolicy", "Invalid principal in policy")
        names = tuple(n for v in who.values() for n in _many(v, "Principal"))
    elif who == "*":
        names = ("*",)
    else:
        raise S3Error("MalformedPolicy", "Invalid principal in policy")
    actions = _many(picked["Action"][0], "Action")
    if not all(a == "*" or a.lower().startswith("s3:") for a in actions):
        raise S3Error("MalformedPolicy", "Policy has invalid action")
    resources = _many(picked["Resource"][0], "Resource")
    return Statement(
        s["Effect"] == "Allow",
        names,
        but,
        tuple(a.lower() for a in actions),
        picked["Action"][1],
        resources,
        picked["Resource"][1],
        _conditions(s.get("Condition", {})),
    )


def _conditions(conditions: Any) -> tuple[Test, ...]:
    if not isinstance(conditions, dict):
        raise S3Error("MalformedPolicy", "Condition is an object.")
    out = []
    for name, tests in conditions.items():
        each, colon, operator = str(name).rpartition(":")
        every = {"ForAllValues": True, "ForAnyValue": False}.get(each) if colon else None
        if_exists = operator.endswith("IfExists")
        operator = operator.removesuffix("IfExists")
        if operator not in OPERATORS or (colon and every is None) or not isinstance(tests, dict):
            raise S3Error("MalformedPolicy", f"Invalid Condition type : {str(name)[:64]}")
        for key, value in tests.items():
            small = key.lower()
            if small not in KEYS and not small.startswith(TAGGED):
                raise S3Error("MalformedPolicy", f"Policy has an invalid condition key: {key[:64]}")
            if small.startswith(TAGGED):
                small = small.partition("/")[0] + "/" + key.partition("/")[2]  # the tag's own name keeps its letters
            try:
                values = tuple(OPERATORS[operator][0](v) for v in _many(value, "A condition's value"))
            except ValueError:
                raise S3Error("MalformedPolicy", f"The value of {key[:64]} does not fit {operator}") from None
            out.append(Test(operator, small, values, if_exists, every))
    return tuple(out)


# -- deciding ------------------------------------------------------------------------------------------------------


def _names(s: Statement, actor: Actor) -> bool:
    """Whether the caller is one of those that are listed."""
    if "*" in s.who:
        return True
    if actor is NOBODY:
        return False
    p, u = actor.project_id or "-", actor.user_id
    own = {p, f"arn:aws:iam::{p}:root", f"arn:aws:iam::{p}:user/{u}", f"arn:aws:iam::{p}:user/{actor.user_name}"}
    return not own.isdisjoint(s.who)


Facts = Mapping[str, "str | tuple[str, ...]"]


def facts(
    request: Request,
    actor: Actor,
    bucket: model.Container,
    o: model.Object | None,
    tags: Mapping[str, str] | None,
    prefix: str | None,
) -> dict[str, Any]:
    """What conditions may ask of a request. `tags` are those that the request brings; `prefix` stands for the query's."""
    out: dict[str, Any] = {
        "aws:sourceip": request.client,
        "aws:securetransport": str(request.scheme == "https").lower(),
        "aws:currenttime": str(time.time()),
        "aws:epochtime": str(time.time()),
        "s3:resourceaccount": model.project_of(bucket.account),
    }
    if actor is not NOBODY:
        p = actor.project_id or ""
        out |= {
            "aws:username": actor.user_name,
            "aws:userid": actor.user_id,
            "aws:principalaccount": p,
            "aws:principaltype": "User",
            "aws:principalarn": f"arn:aws:iam::{p}:user/{actor.user_id}",
        }
        auth = request.header("authorization")
        out["s3:authtype"] = "REST-HEADER" if auth else "REST-QUERY-STRING"
        out["s3:signatureversion"] = (
            "AWS4-HMAC-SHA256" if "AWS4" in auth or "X-Amz-Algorithm" in request.query else "AWS"
        )
    for key, header in (
        ("aws:referer", "referer"),
        ("aws:useragent", "user-agent"),
        ("s3:if-match", "if-match"),
        ("s3:if-none-match", "if-none-match"),
    ):
        if header in request.headers:
            out[key] = request.headers[header]
    for header, value in request.headers.items():
        if header.startswith("x-amz-object-lock-"):
            out[f"s3:{header[6:]}"] = value
        elif header.startswith("x-amz-"):
            out[f"s3:{header}"] = value
    if "s3:x-amz-copy-source" in out:
        out["s3:x-amz-copy-source"] = out["s3:x-amz-copy-source"].lstrip("/")
    for key, name in (
        ("s3:prefix", "prefix"),
        ("s3:delimiter", "delimiter"),
        ("s3:max-keys", "max-keys"),
        ("s3:versionid", "versionId"),
    ):
        if name in request.query:
            out[key] = request.query[name]
    if any(len(v) > limits.FACT for v in out.values()):
        raise S3Error("RequestHeaderSectionTooLarge")
    if prefix is not None:
        out["s3:prefix"] = prefix
    for k, v in ((o.own("tags") or {}) if o is not None else {}).items():
        out[f"s3:existingobjecttag/{k}"] = v
    if tags is not None:
        out["s3:requestobjecttagkeys"] = tuple(tags)
        out |= {f"s3:requestobjecttag/{k}": v for k, v in tags.items()}
    return out


def holds(t: Test, known: Facts) -> bool:
    fact = known.get(t.key)
    if t.operator == "Null":
        return (fact is None) == ("true" in t.values)
    if fact is None:
        return t.if_exists or t.operator in NEGATED or t.every is True
    found = fact if isinstance(fact, tuple) else (fact,)
    fits = OPERATORS[t.operator][1]
    each = [any(fits(f, v) for v in t.values) != (t.operator in NEGATED) for f in found]
    return all(each) if t.every else any(each)


def decide(
    statements: tuple[Statement, ...], known: Callable[[], Facts], actor: Actor, action: str, resource: str
) -> tuple[str | None, bool]:
    """'Deny', 'Allow' or None; and whether what allows is public."""
    decision, open_ = None, False
    small = action.lower()
    for s in statements:
        if (
            any(glob(a, small) for a in s.actions) == s.not_actions
            or any(glob(r, resource) for r in s.resources) == s.not_resources
            or _names(s, actor) == s.but
            or not all(holds(t, known()) for t in s.tests)
        ):
            continue
        if not s.allows:
            return "Deny", False
        open_ = s.public() and (decision is None or open_)
        decision = "Allow"
    return decision, open_
