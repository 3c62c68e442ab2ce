# SPDX-License-Identifier: Apache-2.0
"""All settings as one frozen tree, read from one TOML file and the environment (`VIRGA_<SECTION>_<FIELD>`). Each field carries
its own documentation; `virga config` prints it."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from virga.services.compute.settings import Compute
from virga.services.identity.settings import Identity
from virga.services.images.settings import Images
from virga.services.network.settings import Network
from virga.services.objects.settings import Objects


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the APIs listen, and under which address they are known."""

    listen: Annotated[str, Meta(description="Address and port of all APIs")] = "127.0.0.1:8700"
    public_url: Annotated[
        str, Meta(description="The address in the catalogue; empty: the one that the caller used, if it is ours")
    ] = ""
    hosts: Annotated[
        list[str], Meta(description="Names and addresses, besides this machine's own, that callers may use as Host")
    ] = []
    classic_ports: Annotated[bool, Meta(description="Also listen on 5000, 35357, 8774, 9292 and 9696")] = False
    tls: Annotated[bool, Meta(description="Serve https; without a certificate one is made on first start")] = False
    tls_cert: Annotated[str, Meta(description="Path of a certificate (PEM)")] = ""
    tls_key: Annotated[str, Meta(description="Path of its key (PEM)")] = ""
    trusted_proxies: Annotated[
        list[str],
        Meta(
            description="Networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed: ['10.0.0.5/32']"
        ),
    ] = []
    connections_per_address: Annotated[
        int,
        Meta(
            ge=8, le=65536, description="Connections of one client address (IPv6: of one /64); proxies are not counted"
        ),
    ] = 1024
    metrics_listen: Annotated[
        str, Meta(description="Address and port of /metrics alone: '127.0.0.1:8709'; empty: beside the APIs")
    ] = ""
    metrics_token: Annotated[
        str,
        Meta(
            description="Who sends it as 'Authorization: Bearer' reads /metrics beside the APIs; empty: nobody does (anybody, on a simulated cloud)"
        ),
    ] = ""
    workers: Annotated[int, Meta(ge=1, le=64, description="Threads that run actions")] = 8
    policy_file: Annotated[
        str,
        Meta(
            description="Rules over the program's, in oslo.policy's language; empty: policy.yaml and policy.d in the state folder"
        ),
    ] = ""
    log_level: Annotated[str, Meta(pattern="^(debug|info|warning|error)$", description="How much is logged")] = "info"


class Database(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the cloud's truth is kept."""

    url: Annotated[str, Meta(description="postgresql+psycopg://user@host/name; empty: SQLite in the state folder")] = ""


class Sim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The simulated cloud: same APIs, no machines."""

    fail: Annotated[list[str], Meta(description="Failure points: 'compute.spawn=5%'")] = []
    clock: Annotated[bool, Meta(description="Time stands still until POST /sim/clock moves it")] = False
    seed: Annotated[int, Meta(description="Seed of the failures")] = 1
    stock: Annotated[
        bool, Meta(description="A new cloud begins with an image, 'tiny', and a network, 'private', behind a router")
    ] = True
    boot_seconds: Annotated[float, Meta(ge=0, description="How long a simulated machine takes to boot")] = 0.0


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One cloud."""

    state: Annotated[str, Meta(description="The folder that holds everything of this cloud")] = ""
    name: Annotated[
        str, Meta(pattern="^[a-z][a-z0-9]{0,7}$", description="Short name; links and namespaces carry it")
    ] = "virga"
    simulated: Annotated[bool, Meta(description="Simulated machines, networks and disks")] = False
    ephemeral: Annotated[bool, Meta(description="Keep everything in memory")] = False
    server: Server = Server()
    database: Database = Database()
    identity: Identity = Identity()
    images: Images = Images()
    network: Network = Network()
    compute: Compute = Compute()
    objects: Objects = Objects()
    sim: Sim = Sim()

    def records(self) -> str:
        """The URL of the database: the one set, memory for an ephemeral cloud, else a file in the state folder."""
        return self.database.url or ("sqlite://" if self.ephemeral else f"sqlite:///{Path(self.state) / 'virga.db'}")


class SettingsError(Exception):
    """A setting is unknown or wrong; the message names it and where it came from."""


def default_state() -> Path:
    """Root keeps a cloud in /var/lib/virga, others in their home."""
    if os.geteuid() == 0:
        return Path("/var/lib/virga")
    return Path(os.environ.get("XDG_STATE_HOME", str(Path.home() / ".local/state"))) / "virga"


def load(path: Path | None = None, env: Mapping[str, str] | None = None, **over: Any) -> Settings:
    """The file, then the environment over it, then `over` (dotted names: `server.listen`). Raises SettingsError."""
    environment = os.environ if env is None else env
    state = over.get("state") or environment.get("VIRGA_STATE") or str(default_state())
    file = path or (Path(environment["VIRGA_CONFIG"]) if "VIRGA_CONFIG" in environment else Path(state) / "virga.toml")
    tree: dict[str, Any] = {}
    if file.exists():
        try:
            tree = tomllib.loads(file.read_text())
        except tomllib.TOMLDecodeError as e:
            raise SettingsError(f"{file}: {e}") from e
    elif path is not None:
        raise SettingsError(f"{path} does not exist")
    tree.setdefault("state", state)
    for dotted, kind in _fields(Settings):
        name = "VIRGA_" + dotted.upper().replace(".", "_")
        if name in environment and name != "VIRGA_STATE":
            _set(tree, dotted, _parse(environment[name], kind, name))
    for dotted, value in over.items():
        if value is not None:
            _set(tree, dotted.replace("__", "."), value)
    try:
        made = msgspec.convert(tree, Settings)
    except msgspec.ValidationError as e:
        raise SettingsError(f"{file}: {e}") from e
    for proxy in made.server.trusted_proxies:
        try:
            ip_network(proxy, strict=False)
        except ValueError as e:
            raise SettingsError(f"{file}: server.trusted_proxies: {e}") from e
    return made


def _fields(kind: type[msgspec.Struct], prefix: str = "") -> list[tuple[str, Any]]:
    out: list[tuple[str, Any]] = []
    for name, hint in get_type_hints(kind, include_extras=True).items():
        inner = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            out += _fields(inner, f"{prefix}{name}.")
        else:
            out.append((prefix + name, hint))
    return out


def _parse(text: str, hint: Any, name: str) -> Any:
    kind = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if get_origin(kind) is list:
        return [part.strip() for part in text.split(",") if part.strip()]
    if kind is bool:
        if text.lower() not in {"1", "0", "true", "false", "yes", "no"}:
            raise SettingsError(f"{name}: '{text}' is not true or false")
        return text.lower() in {"1", "true", "yes"}
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            raise SettingsError(f"{name}: '{text}' is not a number") from None
    return text


def _set(tree: dict[str, Any], dotted: str, value: Any) -> None:
    *sections, last = dotted.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
    tree[last] = value


def sample() -> str:
    """The documented settings file, each value its default."""
    lines = ["# Virga's settings. Each may also come from the environment: VIRGA_<SECTION>_<FIELD>.", ""]
    sections: dict[str, list[str]] = {}
    for dotted, hint in _fields(Settings):
        section, _, name = dotted.rpartition(".")
        meta = next((m for m in get_args(hint)[1:] if isinstance(m, Meta)), None)
        owner: Any = Settings()
        for part in dotted.split("."):
            owner = getattr(owner, part)
        text = "true" if owner is True else "false" if owner is False else msgspec.json.encode(owner).decode()
        sections.setdefault(section, []).append(f"# {meta.description if meta else ''}\n#{name} = {text}\n")
    for section, rows in sections.items():
        if section:
            lines.append(f"[{section}]")
        lines += rows
    return "\n".join(lines)
