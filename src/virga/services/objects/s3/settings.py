# SPDX-License-Identifier: Apache-2.0
"""What a bucket is set to: each setting is one word in the container's `control`, read from an XML document and shown as one. Most share
one shape (get, put, delete), which `Setting` makes into rows of the front's table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from virga.ground.db.engine import Tx
from virga.ground.errors import NotFound
from virga.services.objects import model
from virga.services.objects.http import Response
from virga.services.objects.s3 import cors, grants, lifecycle, locks, policies, rights, tags
from virga.services.objects.s3.call import S3Call
from virga.services.objects.s3.errors import Node, S3Error, Xml, el, xml_response
from virga.services.objects.store import containers

Handler = Callable[[S3Call], Awaitable[Response]]
Rows = dict[tuple[str, str], Handler]


async def settle(c: S3Call, change: Callable[[dict[str, Any], dict[str, str]], None]) -> None:
    """Change what the container remembers, in one commit."""
    id, now = c.bucket.id, c.context.now()

    def run(tx: Tx) -> None:
        row = containers.container_row(tx, c.bucket.account, c.bucket.name)
        if row is None or row.id != id:
            raise NotFound("gone")
        control, meta = dict(row.control), dict(row.meta)
        change(control, meta)
        containers.put_container(
            tx, id, control={k: v for k, v in control.items() if v is not None}, meta=meta, changed=model.stamp(now)[1]
        )

    await c.context.commits.write(run)


@dataclass(frozen=True, slots=True)
class Setting:
    """`query` names it in the address, `word` in the container's control. `read` makes what is kept of a document, `show` the other way.
    `right` is the end of its actions' names; where deleting has an action of its own, `delete` says which."""

    query: str
    word: str
    right: str
    root: str
    absent: str
    read: Callable[[Node], Any]
    show: Callable[[Any], Iterable[Xml | None]]
    delete: str = ""
    answer: int = 200
    check: Callable[[S3Call, Any], None] | None = None

    async def get(self, c: S3Call) -> Response:
        c.allow(f"s3:Get{self.right}")
        value = c.bucket.control.get(self.word)
        if value is None:
            raise S3Error(self.absent, BucketName=c.name)
        return xml_response(self.root, *self.show(value))

    async def put(self, c: S3Call) -> Response:
        c.allow(f"s3:Put{self.right}")
        value = self.read(await c.form(self.root))
        if self.check is not None:
            self.check(c, value)
        await settle(c, lambda old, meta: old.update({self.word: value}))
        return Response(self.answer)

    async def clear(self, c: S3Call) -> Response:
        c.allow(self.delete or f"s3:Put{self.right}")
        await settle(c, lambda old, meta: old.update({self.word: None}))
        return Response(204)

    def rows(self) -> Rows:
        return {("GET", self.query): self.get, ("PUT", self.query): self.put, ("DELETE", self.query): self.clear}


def _read_ownership(doc: Node) -> str:
    found = [r.value("ObjectOwnership") for r in doc.all("Rule")]
    if len(found) != 1 or found[0] not in OWNERSHIP:
        raise S3Error("MalformedXML")
    return str(found[0])


def _check_ownership(c: S3Call, value: str) -> None:
    """Lists that open the bucket go first: they would count no more."""
    if value == "BucketOwnerEnforced" and any(
        who != f"id:{model.project_of(c.bucket.account)}" for _, who in rights.grants_of(c.bucket, None)
    ):
        raise S3Error("InvalidBucketAclWithObjectOwnership")


OWNERSHIP = ("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")
BLOCKS = (
    ("acls", "BlockPublicAcls"),
    ("ignore", "IgnorePublicAcls"),
    ("policy", "BlockPublicPolicy"),
    ("restrict", "RestrictPublicBuckets"),
)


def _read_blocks(doc: Node) -> dict[str, bool]:
    out = {}
    for word, tag in BLOCKS:
        text = doc.value(tag, "false")
        if text not in {"true", "false", "TRUE", "FALSE"}:
            raise S3Error("MalformedXML")
        out[word] = text.lower() == "true"
    return out


def _read_encryption(doc: Node) -> dict[str, Any]:
    found = doc.all("Rule")
    algorithm = found[0].value("ApplyServerSideEncryptionByDefault/SSEAlgorithm") if len(found) == 1 else None
    if algorithm in {"aws:kms", "aws:kms:dsse"}:
        raise S3Error("NotImplemented", "There is no key service: use AES256.")
    if algorithm != "AES256":
        raise S3Error("MalformedXML")
    return {"algorithm": algorithm, "bucket_key": found[0].value("BucketKeyEnabled") == "true"}


def _show_encryption(value: dict[str, Any]) -> Iterable[Xml]:
    yield el(
        "Rule",
        el("ApplyServerSideEncryptionByDefault", el("SSEAlgorithm", value["algorithm"])),
        el("BucketKeyEnabled", str(value["bucket_key"]).lower()),
    )


LIFECYCLE = Setting(
    "lifecycle",
    "lifecycle",
    "LifecycleConfiguration",
    "LifecycleConfiguration",
    "NoSuchLifecycleConfiguration",
    lifecycle.read,
    lifecycle.show,
)
SETTINGS = (
    Setting("cors", "cors", "BucketCORS", "CORSConfiguration", "NoSuchCORSConfiguration", cors.read, cors.show),
    Setting(
        "tagging",
        "tags",
        "BucketTagging",
        "Tagging",
        "NoSuchTagSet",
        lambda d: tags.read(d, tags.OF_BUCKET),
        lambda t: [tags.elements(t)],
        answer=204,
    ),
    Setting(
        "ownershipControls",
        "ownership",
        "BucketOwnershipControls",
        "OwnershipControls",
        "OwnershipControlsNotFoundError",
        _read_ownership,
        lambda value: [el("Rule", el("ObjectOwnership", value))],
        check=_check_ownership,
    ),
    Setting(
        "publicAccessBlock",
        "block",
        "BucketPublicAccessBlock",
        "PublicAccessBlockConfiguration",
        "NoSuchPublicAccessBlockConfiguration",
        _read_blocks,
        lambda value: [el(tag, str(value[word]).lower()) for word, tag in BLOCKS],
    ),
    Setting(
        "encryption",
        "encryption",
        "EncryptionConfiguration",
        "ServerSideEncryptionConfiguration",
        "ServerSideEncryptionConfigurationNotFoundError",
        _read_encryption,
        _show_encryption,
    ),
)


# -- those with a shape of their own -------------------------------------------------------------------------------


async def get_versioning(c: S3Call) -> Response:
    c.allow("s3:GetBucketVersioning")
    state = c.bucket.control.get("versioning")
    return xml_response(
        "VersioningConfiguration",
        el("Status", {"enabled": "Enabled", "suspended": "Suspended"}[state]) if state else None,
    )


async def put_versioning(c: S3Call) -> Response:
    c.allow("s3:PutBucketVersioning")
    doc = await c.form("VersioningConfiguration")
    if doc.value("MfaDelete", "Disabled") != "Disabled":
        raise S3Error("NotImplemented", "MfaDelete is not implemented.")
    state = {"Enabled": "enabled", "Suspended": "suspended"}.get(doc.value("Status") or "")
    if state is None:
        raise S3Error("MalformedXML")
    if state == "suspended" and "lock" in c.bucket.control:
        raise S3Error(
            "InvalidBucketState",
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
        )
    await settle(c, lambda control, meta: control.update(versioning=state, archive=None, archive_mode=None))
    return Response(200)


async def get_acl(c: S3Call) -> Response:
    c.allow("s3:GetBucketAcl")
    return await grants.document(c.context, model.project_of(c.bucket.account), rights.grants_of(c.bucket, None))


async def requested_acl(c: S3Call, owner: str) -> Any:
    """The list that a request sets, by its headers or its document."""
    by = grants.by_headers(c.request)
    raw = await c.document()
    if by != () and raw.strip():
        raise S3Error("UnexpectedContent")
    if by == ():
        if not raw.strip():
            raise S3Error(
                "MissingSecurityHeader",
                "Your request was missing a required header: an access list in the body or in the headers.",
            )
        by = grants.read(await c.tree(raw, "AccessControlPolicy"), owner)
    check_acl(c, by)
    return await grants.real(c.context, by)


def check_acl(c: S3Call, acl: Any) -> None:
    """Raise unless the bucket takes such a list."""
    own = [["FULL_CONTROL", f"id:{model.project_of(c.bucket.account)}"]]
    if not rights.acls_count(c.bucket) and acl not in ("bucket-owner-full-control", own):
        raise S3Error("AccessControlListNotSupported")
    if (c.bucket.control.get("block") or {}).get("acls") and grants.public(acl):
        raise S3Error("AccessDenied", "The bucket's public access block refuses public access lists.")


async def put_acl(c: S3Call) -> Response:
    c.allow("s3:PutBucketAcl")
    acl = await requested_acl(c, model.project_of(c.bucket.account))
    await settle(c, lambda old, meta: old.update(acl=acl, read=None, write=None))
    return Response(200)


async def get_policy(c: S3Call) -> Response:
    c.allow("s3:GetBucketPolicy")
    text = c.bucket.control.get("policy")
    if text is None:
        raise S3Error("NoSuchBucketPolicy", BucketName=c.name)
    return Response(200, {"content-type": "application/json"}, text.encode())


async def put_policy(c: S3Call) -> Response:
    c.allow("s3:PutBucketPolicy")
    text = policies.check(await c.document(), c.bucket.name)
    if (c.bucket.control.get("block") or {}).get("policy") and any(s.public() for s in policies.parse(text)):
        raise S3Error("AccessDenied", "The bucket's public access block refuses public policies.")
    await settle(c, lambda old, meta: old.update(policy=text))
    return Response(204)


async def delete_policy(c: S3Call) -> Response:
    c.allow("s3:DeleteBucketPolicy")
    await settle(c, lambda old, meta: old.update(policy=None))
    return Response(204)


async def policy_status(c: S3Call) -> Response:
    c.allow("s3:GetBucketPolicyStatus")
    text = c.bucket.control.get("policy")
    open_ = any(s.public() for s in policies.parse(text)) if text else False
    open_ = open_ or any(who.startswith("group:") for _, who in rights.grants_of(c.bucket, None))
    return xml_response("PolicyStatus", el("IsPublic", str(open_).lower()))


async def get_website(c: S3Call) -> Response:
    c.allow("s3:GetBucketWebsite")
    meta, all_to = c.bucket.meta, c.bucket.control.get("web_redirect")
    if all_to:
        to = el("Protocol", all_to["protocol"]) if all_to.get("protocol") else None
        return xml_response("WebsiteConfiguration", el("RedirectAllRequestsTo", el("HostName", all_to["host"]), to))
    if "web-index" not in meta:
        raise S3Error("NoSuchWebsiteConfiguration", BucketName=c.name)
    error = c.bucket.control.get("web_error_key")
    return xml_response(
        "WebsiteConfiguration",
        el("IndexDocument", el("Suffix", meta["web-index"])),
        el("ErrorDocument", el("Key", error)) if error else None,
    )


async def put_website(c: S3Call) -> Response:
    c.allow("s3:PutBucketWebsite")
    doc = await c.form("WebsiteConfiguration")
    if doc.find("RoutingRules"):
        raise S3Error("NotImplemented", "Routing rules of a web site are not implemented.")
    all_to = None
    if doc.find("RedirectAllRequestsTo"):
        host, protocol = doc.value("RedirectAllRequestsTo/HostName"), doc.value("RedirectAllRequestsTo/Protocol")
        if not host or any(ch in host for ch in "/\\ \r\n@") or protocol not in {None, "", "http", "https"}:
            raise S3Error(
                "InvalidRequest", "RedirectAllRequestsTo needs a HostName, and http or https as its Protocol."
            )
        all_to = {"host": host, "protocol": protocol or None}
    suffix, error = doc.value("IndexDocument/Suffix"), doc.value("ErrorDocument/Key")
    if all_to is None and (not suffix or "/" in suffix):
        raise S3Error("InvalidArgument", "The IndexDocument Suffix is not well formed")

    def change(control: dict[str, Any], meta: dict[str, str]) -> None:
        meta.pop("web-index", None)
        if suffix and all_to is None:
            meta["web-index"] = suffix
        control.update(web_error_key=error, web_redirect=all_to)

    await settle(c, change)
    return Response(200)


async def delete_website(c: S3Call) -> Response:
    c.allow("s3:DeleteBucketWebsite")

    def change(control: dict[str, Any], meta: dict[str, str]) -> None:
        meta.pop("web-index", None)
        control.update(web_error_key=None, web_redirect=None)

    await settle(c, change)
    return Response(204)


async def get_lock(c: S3Call) -> Response:
    c.allow("s3:GetBucketObjectLockConfiguration")
    lock = c.bucket.control.get("lock")
    if lock is None:
        raise S3Error("ObjectLockConfigurationNotFoundError", BucketName=c.name)
    rule = None
    if lock.get("mode"):
        unit = el("Days", lock["days"]) if "days" in lock else el("Years", lock["years"])
        rule = el("Rule", el("DefaultRetention", el("Mode", lock["mode"]), unit))
    return xml_response("ObjectLockConfiguration", el("ObjectLockEnabled", "Enabled"), rule)


async def put_lock(c: S3Call) -> Response:
    c.allow("s3:PutBucketObjectLockConfiguration")
    lock = locks.read_bucket(await c.form("ObjectLockConfiguration"))
    if c.bucket.control.get("versioning") != "enabled":
        raise S3Error(
            "InvalidBucketState", "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration"
        )
    await settle(c, lambda old, meta: old.update(lock=lock))
    return Response(200)


async def get_payment(c: S3Call) -> Response:
    c.allow("s3:GetBucketRequestPayment")
    return xml_response("RequestPaymentConfiguration", el("Payer", "BucketOwner"))


async def put_payment(c: S3Call) -> Response:
    c.allow("s3:PutBucketRequestPayment")
    if (await c.form("RequestPaymentConfiguration")).value("Payer") != "BucketOwner":
        raise S3Error("NotImplemented", "Nobody is charged for requests here: the payer is BucketOwner.")
    return Response(200)


SMALLEST = "x-amz-transition-default-minimum-object-size"
SMALLEST_OF = ("all_storage_classes_128K", "varies_by_storage_class")


async def get_lifecycle(c: S3Call) -> Response:
    out = await LIFECYCLE.get(c)
    out.headers[SMALLEST] = c.bucket.control.get("lifecycle_smallest") or SMALLEST_OF[0]
    return out


async def put_lifecycle(c: S3Call) -> Response:
    """Clients wait until they read the least size of transitions that they wrote, though nothing moves between classes here."""
    requested = c.request.header(SMALLEST, SMALLEST_OF[0])
    if requested not in SMALLEST_OF:
        raise S3Error("InvalidArgument", f"{SMALLEST} is one of {', '.join(SMALLEST_OF)}.")
    c.allow("s3:PutLifecycleConfiguration")
    value = lifecycle.read(await c.form(LIFECYCLE.root))
    await settle(
        c,
        lambda old, meta: old.update(
            lifecycle=value, lifecycle_smallest=requested if requested != SMALLEST_OF[0] else None
        ),
    )
    return Response(200, {SMALLEST: requested})


ROWS: Rows = {
    ("GET", "versioning"): get_versioning,
    ("PUT", "versioning"): put_versioning,
    ("GET", "acl"): get_acl,
    ("PUT", "acl"): put_acl,
    ("GET", "policy"): get_policy,
    ("PUT", "policy"): put_policy,
    ("DELETE", "policy"): delete_policy,
    ("GET", "policyStatus"): policy_status,
    ("GET", "website"): get_website,
    ("PUT", "website"): put_website,
    ("DELETE", "website"): delete_website,
    ("GET", "object-lock"): get_lock,
    ("PUT", "object-lock"): put_lock,
    ("GET", "requestPayment"): get_payment,
    ("PUT", "requestPayment"): put_payment,
}
for _setting in (*SETTINGS, LIFECYCLE):
    ROWS |= _setting.rows()
ROWS |= {("GET", "lifecycle"): get_lifecycle, ("PUT", "lifecycle"): put_lifecycle}
