# SPDX-License-Identifier: Apache-2.0
"""Where containers may be kept in step with, and how such requests are signed: realms of clusters that share a key, by a file in the form
of Swift's `container-sync-realms.conf`, and hosts that the operator lists. Nothing else is ever connected to."""

from __future__ import annotations

import configparser
import hashlib
import hmac
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from virga.ground import log
from virga.ground.errors import Invalid

FIELD = "X-Container-Sync-To"


@dataclass(frozen=True)
class Realm:
    keys: tuple[str, ...]
    """The key, and the one that it takes the place of."""
    clusters: dict[str, str]


@dataclass(frozen=True)
class Target:
    """A container elsewhere: its address, and the realm's key if it is in one."""

    url: str
    realm: str = ""
    key: str = ""


@dataclass
class Realms:
    """The file's content, read again when it changes; `hosts` for whole addresses."""

    file: str
    hosts: list[str]
    current: str = ""
    _seen: float = -1.0
    _realms: dict[str, Realm] = field(default_factory=dict)

    def all(self) -> dict[str, Realm]:
        if not self.file:
            return {}
        try:
            at = Path(self.file).stat().st_mtime
        except OSError:
            return self._realms
        if at != self._seen:
            self._seen = at
            try:
                self._realms = read(Path(self.file).read_text())
            except (OSError, UnicodeDecodeError, configparser.Error) as e:
                log.get("objects").error("realms_not_read", file=self.file, why=str(e))
        return self._realms

    @property
    def on(self) -> bool:
        return bool(self.all() or self.hosts)

    def told(self) -> dict[str, object]:
        """What /info says."""
        out: dict[str, object] = {}
        here = [p.upper() for p in self.current.strip("/").split("/")]
        for name, realm in self.all().items():
            out[name] = {"clusters": {c: {"current": True} if here == [name, c] else {} for c in realm.clusters}}
        return {"realms": out}

    def target(self, value: str) -> Target:
        """Where X-Container-Sync-To leads. Raises Invalid, saying what is in the way."""
        value = value.rstrip("/")
        if any(ord(c) <= 32 or ord(c) == 127 for c in value) or "\\" in value:
            raise Invalid(f"Invalid {FIELD} format {value[:200]!r}", field=FIELD)
        if value.startswith("//"):
            return self._in_realm(value)
        try:
            parts = urlsplit(value)
            port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
        except ValueError:
            raise Invalid(f"Invalid {FIELD} format {value[:200]!r}", field=FIELD) from None
        if parts.scheme not in {"http", "https"}:
            raise Invalid(f'Invalid scheme {parts.scheme!r} in {FIELD}, must be "//", "http", or "https".', field=FIELD)
        if parts.query or parts.fragment or "?" in value or "#" in value:
            raise Invalid(f"Params, queries, and fragments not allowed in {FIELD}", field=FIELD)
        host = parts.hostname or ""
        default = port == {"http": 80, "https": 443}[parts.scheme]
        shown = f"[{host}]" if ":" in host else host
        if parts.username is not None or not (
            {f"{host}:{port}", f"{shown}:{port}"} & set(self.hosts) or (default and {host, shown} & set(self.hosts))
        ):
            raise Invalid(
                f"Invalid host {f'{shown}:{port}'!r} in {FIELD}: this cloud syncs with no such host", field=FIELD
            )
        names = [unquote(p) for p in parts.path.split("/")]
        if len(names) < 4 or "v1" not in names[:-2] or any(p in {"", ".", ".."} for p in names[1:]):
            raise Invalid(f"Path required in {FIELD}: /v1/account/container", field=FIELD)
        return Target(f"{parts.scheme}://{shown}:{port}{parts.path}")

    def _in_realm(self, value: str) -> Target:
        parts = value[2:].split("/")
        if len(parts) != 4 or any(unquote(p) in {"", ".", ".."} for p in parts):
            raise Invalid(
                f"Invalid {FIELD} format {value[:200]!r}: it is //realm/cluster/account/container", field=FIELD
            )
        name, cluster, account, container = parts
        realm = self.all().get(name.upper())
        if realm is None or not realm.keys:
            raise Invalid(f"No realm key for {name[:64]!r}", field=FIELD)
        endpoint = realm.clusters.get(cluster.upper())
        if not endpoint:
            raise Invalid(f"No cluster endpoint for {name[:64]!r} {cluster[:64]!r}", field=FIELD)
        return Target(
            f"{endpoint.rstrip('/')}/{quote(unquote(account))}/{quote(unquote(container))}", name.upper(), realm.keys[0]
        )

    def signed(self, auth: str, method: str, paths: list[str], timestamp: str, user_key: str) -> bool:
        """Whether X-Container-Sync-Auth (`realm nonce signature`) was made with the realm's key and the container's."""
        words = auth.split()
        if len(words) != 3 or not user_key:
            return False
        realm = self.all().get(words[0].upper())
        good = False
        for key in realm.keys if realm is not None else ():
            for path in paths:
                good |= hmac.compare_digest(
                    words[2].encode(), signature(method, path, timestamp, words[1], key, user_key).encode()
                )
        return good


def read(text: str) -> dict[str, Realm]:
    """`[realm]` with key, key2 and cluster_NAME = address. Raises configparser.Error."""
    conf = configparser.ConfigParser(interpolation=None)
    conf.read_string(text)
    out = {}
    for name in conf.sections():
        values = dict(conf.items(name))
        keys = tuple(values[k] for k in ("key", "key2") if values.get(k))
        out[name.upper()] = Realm(keys, {k[8:].upper(): v for k, v in values.items() if k.startswith("cluster_")})
    return out


def signature(method: str, path: str, timestamp: str, nonce: str, realm_key: str, user_key: str) -> str:
    """Swift's: an HMAC-SHA1 under the realm's key."""
    text = "\n".join((method, path, timestamp, nonce, user_key))
    return hmac.new(realm_key.encode(), text.encode(), hashlib.sha1).hexdigest()
