# SPDX-License-Identifier: Apache-2.0
"""Runs inside a real Keystone (its own venv), not in ours: a fresh Keystone in a folder, as an application to ask."""

import os
import subprocess
import sys
from pathlib import Path


def start(folder: Path, url: str):
    """Make its database and keys, and give a client of it."""
    conf = folder / "keystone.conf"
    conf.write_text(
        f"""
[database]
connection = {url}
[fernet_tokens]
key_repository = {folder}/tokens
[fernet_receipts]
key_repository = {folder}/receipts
[credential]
key_repository = {folder}/credentials
[identity]
password_hash_rounds = 4
[security_compliance]
unique_last_password_count = 3
"""
    )
    manage = [str(Path(sys.executable).parent / "keystone-manage"), "--config-file", str(conf)]

    def run(*words):
        done = subprocess.run([*manage, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)

    for keys in ("tokens", "credentials"):
        (folder / keys).mkdir(mode=0o700)
    run("db_sync")
    who = ["--keystone-user", "root", "--keystone-group", "root"] if os.geteuid() == 0 else []
    run("fernet_setup", *who)
    run(
        "bootstrap",
        "--bootstrap-password",
        "adminpw",
        "--bootstrap-region-id",
        "RegionOne",
        "--bootstrap-public-url",
        "http://old:5000/v3",
    )

    sys.argv = ["keystone"]
    os.environ["OS_KEYSTONE_CONFIG_FILES"] = str(conf)
    from keystone.server.wsgi import initialize_public_application
    from werkzeug.test import Client

    return Client(initialize_public_application())
