# SPDX-License-Identifier: Apache-2.0
"""What a fake clock brings: locks end, the life cycle takes its course."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import pytest

from accounts import Account, S3Key, round_of
from sim_cloud import SimCloud, make
from virga.services.objects import loops

# -- time ----------------------------------------------------------------------------------------------------------


class Later:
    """A cloud whose clock moves, and S3 requests signed at its time."""

    def __init__(self) -> None:
        self.cloud = make(**{"sim.clock": True})
        self.cloud.start()
        self.sim, self.ahead = SimCloud(self.cloud), 0.0
        self.key = S3Key(self.sim)

    def go(self, seconds: float) -> None:
        self.ahead += seconds
        self.sim.http.post("/sim/clock", json={"advance": seconds})
        self.sim.admin = self.sim.login("admin", "admin", "admin")

    def __call__(
        self, method: str, path: str, body: bytes = b"", code: int = 200, extra: dict[str, str] | None = None
    ) -> Any:
        sent = self.key.signed(method, f"/s3{path}", body, extra=extra, age=-self.ahead)
        got = self.sim.http.request(method, f"/s3{path}", content=body, headers=sent | (extra or {}))
        assert got.status_code == code, f"{method} {path}: {got.status_code} {got.text[:300]}"
        return got


@pytest.fixture
def later() -> Iterator[Later]:
    made = Later()
    yield made
    made.cloud.stop()


DAY = 86400


def iso(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def test_locks_end_with_their_time(later: Later) -> None:
    """GOVERNANCE gives way to who may and says so, COMPLIANCE to nobody, a hold to nobody either; each ends."""
    later("PUT", "/locked", extra={"x-amz-bucket-object-lock-enabled": "true"})
    until, by = iso(time.time() + 10 * DAY), {"x-amz-bypass-governance-retention": "true"}

    def put(name: str, **lock: str) -> str:
        return str(
            later(
                "PUT",
                f"/locked/{name}",
                b"x",
                extra={f"x-amz-object-lock-{k.replace('_', '-')}": v for k, v in lock.items()},
            ).headers["x-amz-version-id"]
        )

    soft, hard = (
        put("soft", mode="GOVERNANCE", retain_until_date=until),
        put("hard", mode="COMPLIANCE", retain_until_date=until),
    )
    held = put("held", legal_hold="ON")
    for name, version in (("soft", soft), ("hard", hard), ("held", held)):
        later("DELETE", f"/locked/{name}?versionId={version}", code=403)
    later("DELETE", f"/locked/hard?versionId={hard}", code=403, extra=by)
    later("DELETE", f"/locked/held?versionId={held}", code=403, extra=by)
    shorter = f"<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>{iso(time.time() + DAY)}</RetainUntilDate></Retention>".encode()
    later("PUT", f"/locked/hard?retention&versionId={hard}", shorter, 403)
    later("PUT", f"/locked/hard?retention&versionId={hard}", shorter, 403, extra=by)
    a = Account(later.sim.admin)
    a("DELETE", f"/locked/hard?version-id={hard}", code=403)  # nor through the other API
    soft2 = put("soft", mode="GOVERNANCE", retain_until_date=until)
    later("DELETE", f"/locked/soft?versionId={soft2}", code=204, extra=by)
    later.go(11 * DAY)
    later("DELETE", f"/locked/hard?versionId={hard}", code=204)
    later("DELETE", f"/locked/soft?versionId={soft}", code=204)
    later("DELETE", f"/locked/held?versionId={held}", code=403)
    later("PUT", f"/locked/held?legal-hold&versionId={held}", b"<LegalHold><Status>OFF</Status></LegalHold>")
    later("DELETE", f"/locked/held?versionId={held}", code=204)


def test_life_cycle_by_days(later: Later) -> None:
    """What is due is due at the midnight after its days, so the story begins just after one."""
    later.go(DAY - time.time() % DAY + 60)
    later("PUT", "/cycle")
    rules = (
        b"<LifecycleConfiguration><Rule><ID>a</ID><Filter><Prefix>tmp/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>3</Days></Expiration></Rule>"
        b"<Rule><ID>b</ID><Filter><Prefix></Prefix></Filter><Status>Enabled</Status><NoncurrentVersionExpiration><NoncurrentDays>5</NoncurrentDays></NoncurrentVersionExpiration>"
        b"<AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>"
        b"<Rule><ID>c</ID><Filter><Prefix>kept/</Prefix></Filter><Status>Disabled</Status><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>"
    )
    later("PUT", "/cycle?versioning", b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
    later("PUT", "/cycle?lifecycle", rules)
    for name in ("tmp/a", "kept/b", "tmpx"):
        later("PUT", f"/cycle/{name}", b"1")
    later("PUT", "/cycle/kept/b", b"2")
    later("POST", "/cycle/half?uploads")
    round = round_of(later.sim)

    def names() -> list[str]:
        return [e.text or "" for e in ET.fromstring(later("GET", "/cycle").content).iter() if e.tag.endswith("}Key")]

    loops.lifecycle(round)
    assert names() == ["kept/b", "tmp/a", "tmpx"] and b"half" in later("GET", "/cycle?uploads").content
    later.go(3.5 * DAY)
    loops.lifecycle(round)
    assert names() == ["kept/b", "tmp/a", "tmpx"] and b"half" not in later("GET", "/cycle?uploads").content
    later.go(DAY)
    loops.lifecycle(round)
    assert names() == ["kept/b", "tmpx"]
    assert later("GET", "/cycle?versions").content.count(b"<VersionId>") == 5, (
        "both of b, tmpx, and tmp/a beneath its marker"
    )
    later.go(7 * DAY)
    loops.lifecycle(round)
    assert later("GET", "/cycle/kept/b").content == b"2"
    assert later("GET", "/cycle?versions").content.count(b"<Version>") == 2, "the old versions are gone"
