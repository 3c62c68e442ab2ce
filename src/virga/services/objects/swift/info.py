# SPDX-License-Identifier: Apache-2.0
"""/info, which tells what is switched on and within which limits; the health check; the cross-domain policy of old players."""

from __future__ import annotations

from typing import Any

import msgspec

from virga import __version__
from virga.services.objects import limits, model
from virga.services.objects.context import ObjectContext
from virga.services.objects.http import Request, Response
from virga.services.objects.realms import Realms
from virga.services.objects.settings import Objects
from virga.services.objects.swift import bulk, large, manifests
from virga.services.objects.swift.replies import page, plain


def capabilities(s: Objects, realms: Realms) -> dict[str, Any]:
    digests = [*(["sha1"] if s.tempurl_sha1 else []), "sha256", "sha512"]
    out: dict[str, Any] = {
        "swift": {
            "version": f"2.38.0.virga-{__version__}",
            "max_file_size": s.max_file_size,
            "max_meta_name_length": model.META_NAME,
            "max_meta_value_length": model.META_VALUE,
            "max_meta_count": model.META_COUNT,
            "max_meta_overall_size": model.META_OVERALL,
            "max_header_size": limits.HEADER,
            "extra_header_count": 0,
            "max_object_name_length": model.MAX_NAME,
            "container_listing_limit": model.LISTING,
            "account_listing_limit": model.LISTING,
            "max_account_name_length": model.MAX_ACCOUNT,
            "max_container_name_length": model.MAX_CONTAINER,
            "strict_cors_mode": True,
            "allow_account_management": False,
            "account_autocreate": True,
            "allow_open_expired": s.open_expired,
            "policies": [
                {"name": p, "aliases": p} | ({"default": True} if n == 0 else {}) for n, p in enumerate(s.policies)
            ],
        },
        "slo": {
            "max_manifest_segments": manifests.MAX_SEGMENTS,
            "max_manifest_size": large.MAX_MANIFEST,
            "min_segment_size": 1,
            "yield_frequency": 10,
            "allow_async_delete": False,
        },
        "dlo": {"max_segments": model.LISTING},
        "bulk_delete": {"max_deletes_per_request": bulk.MAX_DELETES, "max_failed_deletes": bulk.MAX_ERRORS},
        "bulk_upload": {
            "max_containers_per_extraction": bulk.MAX_CONTAINERS,
            "max_failed_extractions": bulk.MAX_ERRORS,
        },
        "tempurl": {
            "methods": ["GET", "HEAD", "PUT", "POST", "DELETE"],
            "incoming_remove_headers": ["x-timestamp", "x-open-expired"],
            "incoming_allow_headers": [],
            "outgoing_remove_headers": [],
            "outgoing_allow_headers": ["x-object-meta-*"],
            "allowed_digests": digests,
            "deprecated_digests": digests[:1] if s.tempurl_sha1 else [],
        },
        "formpost": {"allowed_digests": digests, "deprecated_digests": digests[:1] if s.tempurl_sha1 else []},
        "account_quotas": {},
        "container_quotas": {},
        "staticweb": {},
        "crossdomain": {},
        "keystoneauth": {},
        "symlink": {"symloop_max": 2, "static_links": True},
        "versioned_writes": {"allowed_flags": ["x-versions-location", "x-history-location"]},
        "object_versioning": {},
        "s3api": {
            "version": __version__,
            "max_bucket_listing": limits.PAGE,
            "max_parts_listing": limits.PAGE,
            "max_upload_part_num": limits.PARTS,
            "max_multi_delete_objects": limits.MULTI_DELETE,
            "allow_multipart_uploads": True,
            "min_segment_size": 5242880,
            "s3_acl": True,
        },
    }
    if s.etag_quoter:
        out["etag_quoter"] = {"enable_by_default": s.etag_quoter_default}
    if s.ratelimit:
        out["ratelimit"] = {"max_sleep_time_seconds": 0, "container_ratelimits": [[0, s.ratelimit]]}
    if s.domain:
        out["domain_remap"] = {"default_reseller_prefix": "AUTH"}
        if s.cname_lookup:
            out["cname_lookup"] = {"lookup_depth": 1}
    if s.encrypt:
        out["encryption"] = {"enabled": True}
    if realms.on:
        out["container_sync"] = realms.told()
    if s.read_only:
        out["read_only"] = {}
    return out


CROSSDOMAIN = (
    b'<?xml version="1.0"?>\n<!DOCTYPE cross-domain-policy SYSTEM "http://www.adobe.com/xml/dtds/cross-domain-policy.dtd" >\n'
    b'<cross-domain-policy>\n<site-control permitted-cross-domain-policies="master-only"/>\n</cross-domain-policy>'
)


def answer(context: ObjectContext, request: Request) -> Response:
    if request.method == "OPTIONS":
        return Response(200, {"allow": "GET, HEAD, OPTIONS"})
    if request.method not in {"GET", "HEAD"}:
        return page(405, "The method is not allowed for this resource.", allow="GET, HEAD, OPTIONS")
    if request.path == "/info":
        return Response(
            200,
            {"content-type": "application/json; charset=UTF-8"},
            msgspec.json.encode(capabilities(context.settings, context.realms)),
        )
    if request.path == "/healthcheck":
        return plain(200, "OK")
    if request.path == "/crossdomain.xml":
        return Response(200, {"content-type": "application/xml"}, CROSSDOMAIN)
    return page(404, "The resource could not be found.")
