# SPDX-License-Identifier: Apache-2.0
"""Bucket policies: what they allow and deny across projects, and those that are not understood."""

from __future__ import annotations

import json
from typing import Any

import pytest

from accounts import S3Key
from sim_cloud import SimCloud

# -- bucket policies -----------------------------------------------------------------------------------------------


def test_policies_allow_and_deny_across_projects(shared: SimCloud) -> None:
    owner, guest = shared.tenant("powner"), shared.tenant("pguest")
    key, other = S3Key(shared, owner), S3Key(shared, guest)
    key("PUT", "/policed", code=200)
    key("PUT", "/policed/open/o", b"x", 200)
    key("PUT", "/policed/shut/o", b"y", 200)
    arn = "arn:aws:s3:::policed"

    def set_(*statements: dict[str, Any], code: Any = (200, 204)) -> Any:
        return key(
            "PUT",
            "/policed?policy",
            json.dumps({"Version": "2012-10-17", "Statement": list(statements)}).encode(),
            code,
        )

    other("GET", "/policed/open/o", code=403)
    allow = {
        "Effect": "Allow",
        "Principal": {"AWS": [f"arn:aws:iam::{guest.project}:user/{guest.user}"]},
        "Action": ["s3:GetObject"],
        "Resource": f"{arn}/*",
    }
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [f"{arn}/shut/*"]}
    set_(allow, deny)
    assert other("GET", "/policed/open/o", code=200).content == b"x"
    other("GET", "/policed/shut/o", code=403)
    key("GET", "/policed/shut/o", code=403)  # a Deny binds the owner too
    other("PUT", "/policed/open/o", b"z", 403)
    other("PUT", "/policed?policy", b"{}", 403)
    other("GET", "/policed", code=403)
    # the owner cannot lock the bucket for good
    set_({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [arn, f"{arn}/*"]})
    key("GET", "/policed/open/o", code=403)
    key("DELETE", "/policed?policy", code=204)
    key("GET", "/policed/open/o", code=200)
    # by address, and by what is not there
    set_(allow | {"Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}})
    other("GET", "/policed/open/o", code=403)
    set_(allow | {"Action": "s3:Get*", "Resource": f"{arn}/op?n/*"})
    other("GET", "/policed/open/o", code=200)
    key("DELETE", "/policed?policy", code=204)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"{}",
        b'{"Statement":[]',
        b'{"Statement":"x"}',
        b'{"Statement":[5]}',
        b'{"Statement":{"Effect":"Allow"}}',
        b'{"Version":"2012-10-17","Statement":[{"Effect":"allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::hostile/*"}]}',
        b'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotPrincipal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::hostile/*"}]}',
        b'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"ec2:*","Resource":"arn:aws:s3:::hostile/*"}]}',
        b'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::another/*"}]}',
        b'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":{"a":1},"Resource":"arn:aws:s3:::hostile/*"}]}',
        b'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"x"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::hostile/*"}]}',
        b'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::hostile/*","Condition":{"Bogus":{"aws:SourceIp":"1.2.3.4"}}}]}',
        b'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::hostile/*","Condition":{"IpAddress":{"aws:SourceIp":"not an address"}}}]}',
        b'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::hostile/*","Condition":5}]}',
        b'{"Version":"2012-10-17","Statement":' + b"[" * 3000 + b"]" * 3000 + b"}",
        b" " * 30_000,
        b"\xff\xfe",
        b'{"Statement":[{"Effect":"Allow","Principal":"*","Action":"\xff"}]}',
    ],
)
def test_policies_that_are_not_understood_are_refused(shared: SimCloud, raw: bytes) -> None:
    key = _hostile(shared)
    got = key("PUT", "/hostile?policy", raw, (400, 403))
    assert b"<Code>" in got.content
    key("GET", "/hostile?policy", code=404)


_KEYS: dict[int, S3Key] = {}


def _hostile(sim: SimCloud) -> S3Key:
    if id(sim) not in _KEYS:
        _KEYS[id(sim)] = S3Key(sim, sim.tenant("phost"))
        _KEYS[id(sim)]("PUT", "/hostile", code=200)
    return _KEYS[id(sim)]
