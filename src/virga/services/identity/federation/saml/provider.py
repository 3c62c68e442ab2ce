# SPDX-License-Identifier: Apache-2.0
"""A trusted SAML identity provider: its metadata from a file or an address, kept, and read again after a while."""

from __future__ import annotations

import ssl
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from virga.ground import log
from virga.ground.errors import Unauthorized, Unavailable
from virga.services.identity.federation.saml import messages
from virga.services.identity.federation.settings import Saml


@dataclass(frozen=True)
class About:
    """What a provider says of itself: its name, the certificates it signs with, and where logins begin, by binding."""

    entity: str
    certificates: tuple[str, ...]
    logins: dict[str, str]


class SamlProvider:
    """One trusted provider; `idp` is its id in our API."""

    def __init__(self, idp: str, own: Saml) -> None:
        self.idp, self.own = idp, own
        self._lock = threading.Lock()
        self._about: About | None = None
        self._until = 0.0
        self.log = log.get("saml")

    def about(self) -> About:
        """Raises Unavailable when nobody can read its metadata."""
        with self._lock:
            if self._about is not None and time.monotonic() < self._until:
                return self._about
            try:
                self._about = self._read(self._bytes())
            except (OSError, ValueError, Unauthorized) as e:
                self.log.warning("metadata_unread", idp=self.idp, where=self.own.metadata, why=str(e)[:300])
                if self._about is None:
                    raise Unavailable(
                        f"The metadata of identity provider {self.idp} cannot be read: {str(e)[:200]}"
                    ) from None
            self._until = time.monotonic() + self.own.metadata_seconds
            return self._about

    def _bytes(self) -> bytes:
        where = self.own.metadata
        if not where.startswith(("http://", "https://")):
            return Path(where).read_bytes()
        tls = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=self.own.cacert or None))
        http = urllib.request.build_opener(urllib.request.ProxyHandler({}), tls)
        with http.open(where, timeout=self.own.timeout) as answer:
            return bytes(answer.read(messages.MOST + 1))

    def _read(self, raw: bytes) -> About:
        root = messages.parse(raw)
        every = (
            [root]
            if root.tag == f"{{{messages.MD}}}EntityDescriptor"
            else list(root.iter(f"{{{messages.MD}}}EntityDescriptor"))
        )
        fits = [
            e
            for e in every
            if messages.find(e, "md:IDPSSODescriptor") and (not self.own.entity or e.get("entityID") == self.own.entity)
        ]
        if len(fits) != 1:
            raise ValueError(
                f"it describes {len(fits)} identity providers{' named ' + self.own.entity if self.own.entity else ''}, not one"
            )
        role = messages.find(fits[0], "md:IDPSSODescriptor")[0]
        certificates = []
        for key in messages.find(role, "md:KeyDescriptor"):
            if key.get("use") in (None, "signing"):
                for found in messages.find(key, "ds:KeyInfo/ds:X509Data/ds:X509Certificate"):
                    body = "".join(messages.text(found).split())
                    lines = "\n".join(body[n : n + 64] for n in range(0, len(body), 64))
                    certificates.append(f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")
        if not certificates:
            raise ValueError("it has no certificate to sign with")
        logins = {s.get("Binding", ""): s.get("Location", "") for s in messages.find(role, "md:SingleSignOnService")}
        return About(str(fits[0].get("entityID")), tuple(certificates), logins)
