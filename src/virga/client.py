# SPDX-License-Identifier: Apache-2.0
"""A small client of our own APIs for the command line: log in, ask, wait. Standard library only, so that commands start fast."""

from __future__ import annotations

import json
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Refused(Exception):
    """The cloud said no, in its own words."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Client:
    """`url` is the one address of the cloud; `project` the scope."""

    def __init__(
        self, url: str, password: str, *, user: str = "admin", project: str = "admin", ca: Path | None = None
    ) -> None:
        self.url, self.password, self.user, self.project = url.rstrip("/"), password, user, project
        self.token = ""
        self._tls = ssl.create_default_context(cafile=str(ca)) if ca is not None and ca.exists() else None

    def login(self) -> None:
        domain = {"id": "default"}
        identity = {
            "methods": ["password"],
            "password": {"user": {"name": self.user, "domain": domain, "password": self.password}},
        }
        auth = {"auth": {"identity": identity, "scope": {"project": {"name": self.project, "domain": domain}}}}
        self.token = self.raw("POST", "/identity/v3/auth/tokens", auth)[1]["x-subject-token"]

    def raw(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        data: Any = None,
        headers: dict[str, str] | None = None,
        timeout: float = 60,
    ) -> tuple[Any, dict[str, str]]:
        """One request; the decoded body and the headers. Raises Refused, or OSError when nobody answers."""
        sent = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
        if self.token:
            sent["X-Auth-Token"] = self.token
        payload = json.dumps(body).encode() if body is not None else data
        request = urllib.request.Request(self.url + path, data=payload, method=method, headers=sent)  # noqa: S310 - our own address
        try:
            with urllib.request.urlopen(request, timeout=timeout, context=self._tls) as answer:  # noqa: S310
                text = answer.read()
                return (json.loads(text) if text else None), {k.lower(): v for k, v in answer.headers.items()}
        except urllib.error.HTTPError as e:
            text = e.read().decode(errors="replace")
            try:
                found = json.loads(text)
                inner = next(iter(found.values())) if len(found) == 1 else found
                text = inner.get("message", text) if isinstance(inner, dict) else text
            except (ValueError, StopIteration):
                pass
            raise Refused(e.code, text) from None

    def get(self, path: str) -> Any:
        return self.raw("GET", path)[0]

    def post(self, path: str, body: Any) -> Any:
        return self.raw("POST", path, body)[0]

    def put(self, path: str, body: Any) -> Any:
        return self.raw("PUT", path, body)[0]

    def delete(self, path: str) -> None:
        self.raw("DELETE", path)


def wait(what: Callable[[], Any], seconds: float, every: float = 0.2) -> Any:
    """What `what` gives as soon as it is true; None after `seconds`."""
    pause = threading.Event()
    for _ in range(max(1, int(seconds / every))):
        got = what()
        if got:
            return got
        pause.wait(every)
    return None
