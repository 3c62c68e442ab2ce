# SPDX-License-Identifier: Apache-2.0
"""S3's errors by their codes, and XML in and out. What comes in is read without DTD, entities or depth: nothing in it can name a
file, grow, or call out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape

from virga.ground import errors as e
from virga.services.objects import limits
from virga.services.objects.http import Precondition, Response

CODES: dict[str, tuple[int, str]] = {
    "AccessDenied": (403, "Access Denied"),
    "AuthorizationHeaderMalformed": (400, "The authorization header you provided is invalid."),
    "AuthorizationQueryParametersError": (400, "Error parsing the X-Amz-Credential parameter."),
    "BadDigest": (400, "The Content-MD5 or checksum you specified did not match what we received."),
    "BucketAlreadyExists": (409, "The requested bucket name is not available."),
    "BucketAlreadyOwnedByYou": (
        409,
        "Your previous request to create the named bucket succeeded and you already own it.",
    ),
    "BucketNotEmpty": (409, "The bucket you tried to delete is not empty."),
    "EntityTooLarge": (400, "Your proposed upload exceeds the maximum allowed size."),
    "EntityTooSmall": (400, "Your proposed upload is smaller than the minimum allowed size"),
    "IncompleteBody": (400, "You did not provide the number of bytes specified by the Content-Length HTTP header."),
    "InternalError": (500, "We encountered an internal error. Please try again."),
    "InvalidAccessKeyId": (403, "The AWS Access Key Id you provided does not exist in our records."),
    "InvalidArgument": (400, "Invalid Argument"),
    "InvalidBucketName": (400, "The specified bucket is not valid."),
    "InvalidBucketState": (409, "The request is not valid with the current state of the bucket."),
    "InvalidDigest": (400, "The Content-MD5 you specified is not valid."),
    "InvalidPart": (
        400,
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
    ),
    "UnexpectedContent": (400, "This request does not support content"),
    "InvalidPartOrder": (400, "The list of parts was not in ascending order."),
    "InvalidRange": (416, "The requested range is not satisfiable"),
    "InvalidRequest": (400, "Invalid Request"),
    "InvalidTag": (400, "The tag provided was not a valid tag."),
    "KeyTooLongError": (400, "Your key is too long"),
    "MalformedPolicy": (400, "Policy has invalid content."),
    "MalformedXML": (400, "The XML you provided was not well-formed or did not validate against our published schema"),
    "MethodNotAllowed": (405, "The specified method is not allowed against this resource."),
    "MissingContentLength": (411, "You must provide the Content-Length HTTP header."),
    "NoSuchBucket": (404, "The specified bucket does not exist"),
    "NoSuchBucketPolicy": (404, "The bucket policy does not exist"),
    "NoSuchCORSConfiguration": (404, "The CORS configuration does not exist"),
    "NoSuchKey": (404, "The specified key does not exist."),
    "NoSuchLifecycleConfiguration": (404, "The lifecycle configuration does not exist"),
    "NoSuchObjectLockConfiguration": (404, "The specified object does not have a ObjectLock configuration"),
    "NoSuchTagSet": (404, "The TagSet does not exist"),
    "NoSuchUpload": (404, "The specified multipart upload does not exist."),
    "NoSuchVersion": (404, "The specified version does not exist."),
    "NoSuchWebsiteConfiguration": (404, "The specified bucket does not have a website configuration"),
    "NotImplemented": (501, "A header or query you provided implies functionality that is not implemented."),
    "ObjectLockConfigurationNotFoundError": (404, "Object Lock configuration does not exist for this bucket"),
    "PreconditionFailed": (412, "At least one of the pre-conditions you specified did not hold"),
    "QuotaExceeded": (403, "The quota is exceeded."),
    "RequestTimeTooSkewed": (403, "The difference between the request time and the current time is too large."),
    "RequestTimeout": (
        400,
        "Your socket connection to the server was not read from or written to within the timeout period.",
    ),
    "ServiceUnavailable": (503, "Please reduce your request rate."),
    "SignatureDoesNotMatch": (
        403,
        "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
    ),
    "XAmzContentSHA256Mismatch": (400, "The provided 'x-amz-content-sha256' header does not match what was computed."),
    "OperationAborted": (409, "A conflicting operation is in progress."),
    "MalformedACLError": (
        400,
        "The XML you provided was not well-formed or did not validate against our published schema",
    ),
    "UnresolvableGrantByEmailAddress": (400, "The e-mail address you provided does not match any account on record."),
    "AccessControlListNotSupported": (400, "The bucket does not allow ACLs"),
    "InvalidBucketAclWithObjectOwnership": (
        400,
        "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
    ),
    "BadRequest": (400, "Bad Request"),
    "InvalidRetentionPeriod": (400, "The retention period specified is not valid"),
    "MalformedPOSTRequest": (400, "The body of your POST request is not well-formed multipart/form-data."),
    "InvalidPolicyDocument": (
        400,
        "The content of the form does not meet the conditions specified in the policy document.",
    ),
    "MissingSecurityHeader": (400, "Your request was missing a required header."),
    "OwnershipControlsNotFoundError": (404, "The bucket ownership controls were not found"),
    "NoSuchPublicAccessBlockConfiguration": (404, "The public access block configuration was not found"),
    "ServerSideEncryptionConfigurationNotFoundError": (404, "The server side encryption configuration was not found"),
    "ConditionalRequestConflict": (409, "A conflicting operation occurred."),
    "IllegalLocationConstraintException": (400, "The specified location-constraint is not valid"),
    "InvalidLocationConstraint": (400, "The specified location-constraint is not valid"),
    "MaxMessageLengthExceeded": (400, "Your request was too big."),
    "RequestHeaderSectionTooLarge": (
        400,
        "Your request header and query parameters exceed the maximum allowed size.",
    ),
    "MaxPostPreDataLengthExceeded": (400, "Your POST request fields preceding the upload file were too large."),
    "MetadataTooLarge": (400, "Your metadata headers exceed the maximum allowed metadata size"),
    "InvalidPartNumber": (416, "The requested partnumber is not satisfiable"),
    "TooManyBuckets": (400, "You have attempted to create more buckets than allowed"),
    "InsufficientStorage": (507, "There is no space left on the object store's disks."),
}


class S3Error(Exception):
    """An answer by its code; `says` replaces the usual sentence."""

    def __init__(self, code: str, says: str | None = None, **more: str) -> None:
        super().__init__(code)
        self.code, self.says, self.more = code, says, more
        self.headers: dict[str, str] = {}


def from_problem(p: e.Problem, key: bool) -> S3Error:
    """A problem of the domain in S3's words."""
    if isinstance(p, Precondition):
        return S3Error("PreconditionFailed")
    table: dict[type[e.Problem], str] = {
        e.NotFound: "NoSuchKey" if key else "NoSuchBucket",
        e.Forbidden: "AccessDenied",
        e.Unauthorized: "AccessDenied",
        e.TooLarge: "EntityTooLarge",
        e.OverQuota: "QuotaExceeded",
        e.Conflict: "OperationAborted",
        e.Invalid: "InvalidArgument",
        e.Unavailable: "ServiceUnavailable",
        e.NoSpace: "InsufficientStorage",
    }
    if isinstance(p, e.NotFound) and p.facts.get("absent_version"):
        return S3Error("NoSuchVersion")
    code = table.get(type(p), "InternalError")
    if code == "EntityTooLarge" and "quota" in p.message.lower():
        code = "QuotaExceeded"
    return S3Error(code, p.message)


def answer(error: S3Error, resource: str, id: str) -> Response:
    status, usual = CODES[error.code]
    body = el(
        "Error",
        el("Code", error.code),
        el("Message", error.says or usual),
        *(el(k, v) for k, v in error.more.items()),
        el("RequestId", id),
        el("HostId", id),
    )
    return Response(status, {"content-type": "application/xml"} | error.headers, document(body))


# -- XML -----------------------------------------------------------------------------------------------------------

_BAD = {n: "\ufffd" for n in range(32) if n not in (9, 10, 13)} | {0xFFFE: "\ufffd", 0xFFFF: "\ufffd"}
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class Xml(str):
    """Text that is XML already."""


def el(tag: str, *inside: Any, **attributes: str) -> Xml:
    """An element; strings inside are escaped, None is left out."""
    parts = []
    for i in inside:
        if i is None:
            continue
        parts.append(i if isinstance(i, Xml) else escape(str(i).translate(_BAD)).replace("\r", "&#13;"))
    own = "".join(f' {k.replace("_", ":")}="{escape(v, {chr(34): "&quot;"})}"' for k, v in attributes.items())
    return Xml(f"<{tag}{own}>{''.join(parts)}</{tag}>")


def iso(seconds: float) -> str:
    return (
        dt.datetime.fromtimestamp(int(seconds), dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        + f"{int(seconds * 1000) % 1000:03d}Z"
    )


def changed_at(seconds: float) -> str:
    """Last change as documents print it: the same whole second that Last-Modified has."""
    return iso(-(-seconds // 1))


def join(parts: Iterable[Xml]) -> Xml:
    return Xml("".join(parts))


def document(root: Xml) -> bytes:
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + root.encode("utf-8", "replace")


def xml_response(tag: str, *inside: Any, code: int = 200) -> Response:
    """An answer of S3's namespace."""
    return Response(code, {"content-type": "application/xml"}, document(el(tag, *inside, xmlns=NAMESPACE)))


@dataclass(slots=True)
class Node:
    tag: str
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def all(self, tag: str) -> list[Node]:
        return [c for c in self.children if c.tag == tag]

    def find(self, path: str) -> Node | None:
        at: Node | None = self
        for part in path.split("/"):
            at = next((c for c in at.children if c.tag == part), None) if at is not None else None
        return at

    def value(self, path: str, default: str | None = None) -> str | None:
        found = self.find(path)
        return default if found is None else found.text.strip()


def parse(raw: bytes, root: str) -> Node:
    """The document as a tree of tags without namespaces, within the limits of its root, in time that grows with its length. Raises
    MalformedXML; a DTD, an entity or another root is that too; MaxMessageLengthExceeded."""
    bound = limits.DOCUMENTS[root]
    if len(raw) > bound.bytes:
        raise S3Error("MaxMessageLengthExceeded")
    top = Node("")
    stack = [top]
    texts: list[list[str]] = [[]]
    count = 0
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if len(stack) > bound.depth or count > bound.elements:
            raise S3Error("MalformedXML", "The document is too deep or has too many elements.")
        node = Node(tag.rpartition("}")[2])
        stack[-1].children.append(node)
        stack.append(node)
        texts.append([])

    def end(tag: str) -> None:
        # put together once: text comes in pieces, each of which added to the last would copy all before it
        node, whole = stack.pop(), "".join(texts.pop())
        if len(whole) > limits.TEXT and not node.children:
            raise S3Error("MalformedXML", f"The element {node.tag[:64]} is longer than {limits.TEXT} letters.")
        node.text = whole

    def text(data: str) -> None:
        texts[-1].append(data)

    def never(*_: object) -> None:
        raise S3Error("MalformedXML", "A document type or an entity is not taken here.")

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = parser.ExternalEntityRefHandler = never  # type: ignore[assignment]
    parser.UnparsedEntityDeclHandler = parser.NotationDeclHandler = never
    try:
        parser.Parse(raw, True)
    except expat.ExpatError:
        raise S3Error("MalformedXML") from None
    if len(top.children) != 1 or top.children[0].tag != root:
        raise S3Error("MalformedXML", f"The root element must be {root}.")
    return top.children[0]
