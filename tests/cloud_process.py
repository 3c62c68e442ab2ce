# SPDX-License-Identifier: Apache-2.0
"""A cloud in a process of its own, with an access key, for clients that are programs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from virga.client import Client, Refused, wait

CLIENTS = Path(__file__).parents[1] / ".venv-clients/bin"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class CloudProcess:
    """A cloud on files with S3 on a port of its own, and an access key."""

    def __init__(self, state: Path, **settings: str) -> None:
        self.port, self.s3_port, self.state = free_port(), free_port(), state
        env = (
            os.environ
            | {
                "VIRGA_ADMIN_PASSWORD": "secret",
                "VIRGA_SERVER_LOG_LEVEL": "warning",
                "VIRGA_OBJECTS_S3_PORT": str(self.s3_port),
                "VIRGA_OBJECTS_S3_SIGV2": "true",
            }
            | {f"VIRGA_OBJECTS_{k.upper()}": v for k, v in settings.items()}
        )
        words = [
            sys.executable,
            "-m",
            "virga",
            "--state",
            str(state),
            "up",
            "--sim",
            "--listen",
            f"127.0.0.1:{self.port}",
        ]
        state.mkdir(exist_ok=True)
        self.process = subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=open(state / "out", "ab"))
        self.url = f"http://127.0.0.1:{self.port}"
        self.admin = Client(self.url, "secret", ca=state / "tls.crt")

        def ready() -> bool:
            try:
                self.admin.login()
            except (OSError, Refused):
                return False
            return True

        assert wait(ready, 30, every=0.05), (state / "out").read_text()[-2000:]
        user = self.admin.get("/identity/v3/users?name=admin")["users"][0]["id"]
        self.project = self.admin.get("/identity/v3/projects?name=admin")["projects"][0]["id"]
        key = self.admin.post(f"/identity/v3/users/{user}/credentials/OS-EC2", {"tenant_id": self.project})[
            "credential"
        ]
        self.s3 = {"ENDPOINT": f"http://127.0.0.1:{self.s3_port}", "ACCESS": key["access"], "SECRET": key["secret"]}
        self.aws = {
            "AWS_ACCESS_KEY_ID": key["access"],
            "AWS_SECRET_ACCESS_KEY": key["secret"],
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": f"{self.url}/s3",
            "AWS_CONFIG_FILE": str(state / "aws"),
            "AWS_MAX_ATTEMPTS": "1",
        }
        self.os = {
            "OS_AUTH_URL": f"{self.url}/identity/v3",
            "OS_USERNAME": "admin",
            "OS_PASSWORD": "secret",
            "OS_PROJECT_NAME": "admin",
            "OS_USER_DOMAIN_NAME": "Default",
            "OS_PROJECT_DOMAIN_NAME": "Default",
            "OS_REGION_NAME": "RegionOne",
            "OS_IDENTITY_API_VERSION": "3",
        }

    def run(self, *words: str, env: dict[str, str] | None = None, code: int = 0, timeout: int = 600) -> str:
        # a proxy's certificates in the environment are not for this cloud
        clean = {k: v for k, v in os.environ.items() if k not in {"AWS_CA_BUNDLE"}} | {"HOME": str(self.state)}
        done = subprocess.run(
            words, env=clean | (env or {}), capture_output=True, text=True, timeout=timeout, check=False
        )
        assert done.returncode == code, (
            f"{' '.join(words)}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
        )
        return done.stdout

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(30) == 0
