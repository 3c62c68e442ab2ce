# SPDX-License-Identifier: Apache-2.0
"""Runs inside a real Keystone: what it answers on the walk, one JSON line each. `python shapes.py FOLDER` writes FOLDER/walk.jsonl."""

import json
import sys
from pathlib import Path

from walk import walk

from real import start

folder = Path(sys.argv[1])
client = start(folder, f"sqlite:///{folder}/keystone.db")


def ask(method, path, body, token):
    headers = {"Content-Type": "application/json"} | (
        {"X-Auth-Token": token, "X-Subject-Token": token} if token else {}
    )
    got = client.open(
        path,
        method=method,
        data=json.dumps(body) if body is not None else None,
        headers=headers,
        base_url="http://old:5000",
    )
    answer = got.get_data(as_text=True)
    return got.status_code, got.headers, json.loads(answer) if answer.startswith("{") else None


(folder / "walk.jsonl").write_text("\n".join(json.dumps(x) for x in walk(ask, "adminpw")))
home = client.open("/v3", headers={"Accept": "application/json-home"}, base_url="http://old:5000")
(folder / "home.json").write_text(home.get_data(as_text=True))
