# SPDX-License-Identifier: Apache-2.0
"""Every read of the Identity API beside a real Keystone's: the same status, and the same keys with the same types. What differs on
purpose is listed here, with the reason."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sim_cloud import SimCloud

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests/keystone"))
from walk import walk  # type: ignore[import-not-found]  # noqa: E402

OURS_MORE = {
    r"/links/(next|previous|self)$": "every list says where it is and goes on; Keystone forgets it on some",
    r"^/identity_provider/links/protocols$": "as the API reference has it",
    r"^/role_assignments\[\]/scope/system/all$": "effective system assignments are listed too",
    r"^/endpoints\[\]/region$": "an endpoint looks the same wherever it is shown",
    r"^/version/": "the version document names more media types and links",
}
TYPES = {r"^/application_credentials?(\[\])?/unrestricted$": "a boolean, also when nobody said it; Keystone shows null"}


@pytest.fixture(scope="module")
def folder() -> Path:
    made = subprocess.run([ROOT / "scripts/keystone-db"], capture_output=True, text=True, check=False, timeout=580)
    assert made.returncode == 0, made.stderr
    return Path(made.stdout.strip()).parent / "shapes"


@pytest.fixture(scope="module")
def theirs(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "walk.jsonl").read_text().splitlines()]


def shape(value: Any, at: str = "") -> dict[str, str]:
    """Where values lie, and of which type they are; ids as keys are one key."""
    if isinstance(value, dict):
        return {
            k: v
            for key, part in value.items()
            for k, v in shape(part, f"{at}/{re.sub(r'^[0-9a-f]{32,64}$', 'ID', key)}").items()
        }
    if isinstance(value, list):
        return {k: v for part in value for k, v in shape(part, f"{at}[]").items()}
    return {at: type(value).__name__}


def plain(path: str) -> str:
    return re.sub(r"[0-9a-f]{32,64}", "ID", path)


def known(at: str, table: dict[str, str]) -> bool:
    return any(re.search(pattern, at) for pattern in table)


def test_every_read_has_keystones_shape(sim: SimCloud, theirs: list[dict[str, Any]]) -> None:
    def ask(method: str, path: str, body: Any, token: str | None) -> tuple[int, Any, Any]:
        sent = {"X-Auth-Token": token, "X-Subject-Token": token} if token else {}
        got = sim.http.request(method, f"/identity{path}", headers=sent, **({"json": body} if body is not None else {}))
        return (
            got.status_code,
            got.headers,
            got.json() if "json" in got.headers.get("content-type", "") and got.content else None,
        )

    ours, wrong = walk(ask, "admin"), []
    assert [(x["method"], plain(x["path"])) for x in ours] == [(x["method"], plain(x["path"])) for x in theirs]
    for mine, real in zip(ours, theirs, strict=True):
        what = f"{mine['method']} {plain(mine['path'])}"
        if mine["status"] != real["status"]:
            wrong.append(f"{what}: {mine['status']}, a Keystone says {real['status']}")
        if mine["status"] >= 400 or "config" in mine["path"] or "default" in mine["path"]:
            continue
        a, b = shape(mine["body"]), shape(real["body"])
        wrong += [f"{what}: {k} is missing" for k in b if k not in a]
        wrong += [f"{what}: {k} is not Keystone's" for k in a if k not in b and not known(k, OURS_MORE)]
        wrong += [
            f"{what}: {k} is {a[k]}, a Keystone says {b[k]}"
            for k in a
            if k in b and a[k] != b[k] and "NoneType" not in (a[k], b[k]) and not known(k, TYPES)
        ]
    assert not wrong, "\n".join(wrong)


def test_the_json_home_is_keystones(shared: SimCloud, folder: Path) -> None:
    """All its relations but those of what is gone there too: PKI's certificates, and the tokens of a user."""
    real = json.loads((folder / "home.json").read_text())["resources"]
    ours = shared.http.get("/identity/v3", headers={"Accept": "application/json-home"}).json()["resources"]
    gone = {k for k in real if "/OS-SIMPLE-CERT/" in k or k.endswith("/rel/user_tokens")}
    assert set(ours) == set(real) - gone
    for name, resource in ours.items():
        for part in ("href", "href-template", "href-vars"):
            assert resource.get(part) == real[name].get(part), name
