# SPDX-License-Identifier: Apache-2.0
"""Access lists in S3's words: canned names and grants to accounts and groups. What a row keeps under `acl` is a canned name, or a list
of [permission, who] where who is `id:<project>`, `group:all` or `group:authenticated`. Nothing kept means private: the owner, alone."""

from __future__ import annotations

from typing import Any

from virga.services.identity import api as identity
from virga.services.objects import acl, limits, model
from virga.services.objects.context import ObjectContext
from virga.services.objects.http import Request, Response
from virga.services.objects.s3.errors import Node, S3Error, Xml, el, xml_response

ALL, AUTHENTICATED = (
    "http://acs.amazonaws.com/groups/global/AllUsers",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
)
GROUPS = {ALL: "group:all", AUTHENTICATED: "group:authenticated"}
XSI = "http://www.w3.org/2001/XMLSchema-instance"
PERMISSIONS = ("READ", "WRITE", "READ_ACP", "WRITE_ACP", "FULL_CONTROL")
HEADERS = {f"x-amz-grant-{p.lower().replace('_', '-')}": p for p in PERMISSIONS}
CANNED: dict[str, tuple[tuple[str, str], ...]] = {
    "private": (),
    "public-read": (("READ", "group:all"),),
    "public-read-write": (("READ", "group:all"), ("WRITE", "group:all")),
    "authenticated-read": (("READ", "group:authenticated"),),
    "bucket-owner-read": (("READ", "bucket-owner"),),
    "bucket-owner-full-control": (("FULL_CONTROL", "bucket-owner"),),
    "aws-exec-read": (),
    "log-delivery-write": (),
}
MOST = limits.GRANTS

Grants = list[tuple[str, str]]


def canned(name: str) -> str | None:
    """A canned name as it is kept. Raises InvalidArgument for one that does not exist."""
    if name not in CANNED:
        raise S3Error("InvalidArgument", f"There is no canned ACL {name[:64]}.")
    return None if name == "private" else name


def expand(acl: Any, owner: str, bucket_owner: str) -> Grants:
    """Every grant that a kept list means. `owner` and `bucket_owner` are project ids."""
    if isinstance(acl, list):
        return [(p, w) for p, w in acl]
    out: Grants = [("FULL_CONTROL", f"id:{owner}")]
    for permission, who in CANNED.get(acl or "private", ()):
        if who != "bucket-owner":
            out.append((permission, who))
        elif bucket_owner != owner:
            out.append((permission, f"id:{bucket_owner}"))
    return out


def from_swift(control: dict[str, Any]) -> Grants:
    """What the lists of Swift's API give in S3's words, as far as these have a word for it."""
    out: Grants = []
    for key, permission in (("read", "READ"), ("write", "WRITE")):
        referrers, groups = acl.parse(control.get(key))
        if "*" in referrers:
            out.append((permission, "group:all"))
        for g in groups:
            project, colon, user = g.partition(":")
            if colon and user == "*":
                out.append((permission, "group:authenticated" if project == "*" else f"id:{project}"))
    return out


def public(acl: Any) -> bool:
    """Whether a list opens anything to everybody, or to everybody with an account."""
    return any(who.startswith("group:") for _, who in expand(acl, "", ""))


def gives(grants: Grants, permission: str, project: str | None, *, groups: bool = True) -> bool:
    """Whether one of the grants gives `permission` to a caller of `project` (None: to nobody in particular)."""
    names = {"group:all"} if groups else set()
    if project:
        names |= {f"id:{project}"} | ({"group:authenticated"} if groups else set())
    return any(p in {permission, "FULL_CONTROL"} and who in names for p, who in grants)


# -- what a request asks for ---------------------------------------------------------------------------------------


def by_headers(request: Request) -> Any:
    """The list that x-amz-acl or x-amz-grant-* ask for; () when they are silent. The caller checks with `real` that the accounts exist."""
    name = request.headers.get("x-amz-acl")
    given = [(HEADERS[h], v) for h, v in request.headers.items() if h in HEADERS]
    if name and given:
        raise S3Error("InvalidRequest", "Specifying both Canned ACLs and Header Grants is not allowed")
    if name:
        return canned(name)
    if not given:
        return ()
    out = []
    for permission, text in sorted(given, key=lambda g: PERMISSIONS.index(g[0])):
        for each in text.split(","):
            kind, _, value = each.strip().partition("=")
            out.append([permission, _grantee(kind.strip(), value.strip().strip('"'))])
    return _bounded(out)


def _grantee(kind: str, value: str) -> str:
    if kind == "id" and value:
        return f"id:{value}"
    if kind == "uri" and value in GROUPS:
        return GROUPS[value]
    if kind == "emailAddress":
        raise S3Error("UnresolvableGrantByEmailAddress", "Accounts have no e-mail address here: name the project's id.")
    raise S3Error("InvalidArgument", f"There is no grantee {kind[:16]}={value[:100]}.")


def _bounded(out: list[list[str]]) -> list[list[str]]:
    if len(out) > MOST:
        raise S3Error("InvalidRequest", f"An access list has at most {MOST} grants.")
    return out


def read(doc: Node, owner: str) -> list[list[str]]:
    """The grants of an AccessControlPolicy; its owner, where it names one, must be the owner."""
    named = doc.value("Owner/ID")
    if named and named != owner:
        raise S3Error("AccessDenied", "The owner of an access list cannot be changed.")
    whole = doc.find("AccessControlList")
    if whole is None:
        raise S3Error("MalformedACLError")
    out = []
    for g in whole.all("Grant"):
        permission, who = g.value("Permission"), g.find("Grantee")
        if permission not in PERMISSIONS or who is None:
            raise S3Error("MalformedACLError")
        for tag, kind in (("ID", "id"), ("URI", "uri"), ("EmailAddress", "emailAddress")):
            value = who.value(tag)
            if value:
                out.append([permission, _grantee(kind, value)])
                break
        else:
            raise S3Error("MalformedACLError")
    return _bounded(out)


async def real(context: ObjectContext, acl: Any) -> Any:
    """The same list, when every account in it exists. Raises InvalidArgument."""
    ids = {who[3:] for _, who in acl if who.startswith("id:")} if isinstance(acl, list) else set()
    if ids:
        lost = await context.commits.read(
            lambda tx: [i for i in sorted(ids) if len(i) > 64 or not identity.project_exists(tx, i)]
        )
        if lost:
            raise S3Error("InvalidArgument", f"Invalid id: there is no project {lost[0][:64]}.")
    return acl


# -- telling -------------------------------------------------------------------------------------------------------


async def names(context: ObjectContext, ids: set[str]) -> dict[str, str]:
    """Projects' names, which S3 calls display names; an id where there is none."""
    return await context.commits.read(lambda tx: {i: identity.project_name(tx, i)[0] or i for i in ids})


async def owner(context: ObjectContext, account: str) -> Xml:
    id = model.project_of(account)
    return el("Owner", el("ID", id), el("DisplayName", (await names(context, {id}))[id]))


async def document(context: ObjectContext, project: str, grants: Grants) -> Response:
    """An AccessControlPolicy."""
    known = await names(context, {project} | {who[3:] for _, who in grants if who.startswith("id:")})
    uris = {v: k for k, v in GROUPS.items()}

    def grant(permission: str, who: str) -> Xml:
        id = who.removeprefix("id:")
        inner = el("URI", uris[who]) if who in uris else el("ID", id) + el("DisplayName", known.get(id, id))
        kind = "Group" if who in uris else "CanonicalUser"
        return el("Grant", el("Grantee", Xml(inner), xmlns_xsi=XSI, xsi_type=kind), el("Permission", permission))

    return xml_response(
        "AccessControlPolicy",
        el("Owner", el("ID", project), el("DisplayName", known[project])),
        el("AccessControlList", *(grant(p, w) for p, w in sorted(grants, key=lambda g: g[1].startswith("id:")))),
    )
