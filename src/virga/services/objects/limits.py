# SPDX-License-Identifier: Apache-2.0
"""How much a request may hold: one table for both dialects. Swift's /info tells its half, as upstream does; S3's half has the values of
AWS's service quotas, or less where the work would not be linear. What each is refused with stands beside it; tests/promises/
test_bounds_objects.py feeds each one past its bound. Names and metadata are bounded in model.py."""

from __future__ import annotations

from dataclasses import dataclass

HEADERS, HEADER = 160, 8192
"""Headers of a request (90 of metadata, and what a client, a proxy and S3's signature add), and bytes of each. Swift: 431 and 400; S3:
RequestHeaderSectionTooLarge."""
ADDRESS = 16384
"""Bytes of path and query, as they are sent: names of 1024 bytes thrice quoted, and twice as markers. Swift: 414; S3:
RequestHeaderSectionTooLarge."""
QUERY = 200
"""Fields of a query. Swift: 412; S3: InvalidRequest."""
RANGES = 50
"""Ranges of one request; past them the header is unsatisfiable: 416 (RFC 9110, 14.2 lets a server refuse an attack)."""

# -- Swift's bodies ------------------------------------------------------------------------------------------------

MANIFEST, SEGMENTS, MANIFEST_LINES = 8 << 20, 1000, 10_000
"""Bytes of a manifest, segments in it that are objects, and lines of any kind: 413."""
SEGMENT_RANGE = 64
"""Letters of a segment's range: 400, invalid range."""
DELETES, DELETE_LINE = 10_000, 3 * (256 + 1024) + 16
"""Lines of a bulk delete: 413; bytes of a line, quoted: 412 beside it."""
FAILURES = 1000
"""Failures after which a bulk request ends: 413 and 400."""
ARCHIVE_ENTRIES, ARCHIVE_CONTAINERS, ARCHIVE_HEAD = 100_000, 10_000, 1 << 14
"""Entries of an archive, containers that it may touch, bytes of one's extended header: 400."""
FORM_FIELD, FORM_FIELDS = 8192, 50
"""Bytes of a field of a form, and fields of it: 400."""


# -- S3's documents ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Document:
    """Bytes (MaxMessageLengthExceeded), elements and nesting (MalformedXML)."""

    bytes: int
    elements: int
    depth: int = 12


SMALL = Document(64 << 10, 1000)
DOCUMENTS: dict[str, Document] = {
    "CreateBucketConfiguration": Document(128 << 10, 1000),
    "Delete": Document(2 << 20, 1000 * 6 + 16),
    "CompleteMultipartUpload": Document(4 << 20, 10_000 * 8 + 16),
    "AccessControlPolicy": Document(200 << 10, 1000),
    "CORSConfiguration": Document(64 << 10, 2000),
    "LifecycleConfiguration": Document(512 << 10, 6000),
    "Tagging": Document(128 << 10, 500),
    "WebsiteConfiguration": SMALL,
    "VersioningConfiguration": SMALL,
    "OwnershipControls": SMALL,
    "PublicAccessBlockConfiguration": SMALL,
    "ServerSideEncryptionConfiguration": SMALL,
    "ObjectLockConfiguration": SMALL,
    "RequestPaymentConfiguration": SMALL,
    "Retention": SMALL,
    "LegalHold": SMALL,
}
"""Every document that S3 reads, by its root."""
DOCUMENT = max(d.bytes for d in DOCUMENTS.values())
TEXT = 4096
"""Letters of one element: MalformedXML."""
POLICY, POLICY_MARKS, POLICY_STARS, POLICY_FLOATING, FACT = 20480, 32, 500, 4, 4096
"""Bytes of a bucket's policy, question marks and stars in it, runs between two stars that hold a question mark: MalformedPolicy. Letters
of a header or a field of the query that a policy is asked about: RequestHeaderSectionTooLarge."""
CORS_RULES, CORS_PATTERNS, CORS_ASKED = 100, 100, 50
"""Rules of a bucket (MalformedXML), elements with a star in all of them (InvalidRequest), headers that one page may ask for (AccessDenied)."""
LIFECYCLE_RULES, GRANTS, OBJECT_TAGS, BUCKET_TAGS = 100, 100, 10, 50
"""MalformedXML, InvalidRequest, InvalidTag."""
POST_FIELDS, POST_DATA = 100, 1 << 16
"""Fields of a browser's form, and bytes of them before the file: MalformedPOSTRequest, MaxPostPreDataLengthExceeded."""
MULTI_DELETE, PARTS, PAGE = 1000, 10_000, 1000
"""Keys of one DeleteObjects, parts of an upload, lines of a page."""
AT_ONCE = 50
"""Keys that DeleteObjects takes away in one transaction."""
OFF_LOOP = 1 << 14
"""Bytes past which a document is read in a thread: the loop has other callers."""
