# SPDX-License-Identifier: Apache-2.0
"""The composition root: settings in, a running cloud out. The only file that knows every service."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import secrets
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Protocol, runtime_checkable

import msgspec

from virga.authority.overrides import Overrides
from virga.ground import events, log, metrics, wire
from virga.ground.bus import Bus, LocalBus, LocalConnection
from virga.ground.db.engine import Database
from virga.ground.db.migrate import migrate
from virga.ground.doors import Doors
from virga.ground.errors import NotFound
from virga.ground.http.call import Authenticator, Call, Query, Request
from virga.ground.http.connections import OWN_FILES, Connections, raise_files
from virga.ground.http.rim import Rim
from virga.ground.http.table import Service
from virga.ground.loops.loop import Loop, LoopRunner
from virga.ground.sagas.runner import Hook, Runner
from virga.ground.sagas.saga import Book, Saga, Wakeup
from virga.ground.world import VirtualClock, World
from virga.node import identity as node_identity
from virga.node.images import Images as NodeImages
from virga.node.journal import Journal
from virga.node.node import Node
from virga.protocol.topics import Link
from virga.services.compute import api as compute
from virga.services.compute import loops as compute_loops
from virga.services.compute import routes as compute_routes
from virga.services.compute.agent import NodeApi
from virga.services.compute.driver import Hypervisor
from virga.services.compute.drivers.fake import Dial, FakeHypervisor
from virga.services.compute.sagas import SAGAS
from virga.services.compute.settings import Compute
from virga.services.compute.transfers import Transfers
from virga.services.identity import api as identity
from virga.services.identity import loops as identity_loops
from virga.services.identity import routes as identity_routes
from virga.services.identity.actions.login import Elsewhere
from virga.services.identity.catalog import Catalog
from virga.services.identity.directories import actions as directories
from virga.services.identity.directories import loops as directory_loops
from virga.services.identity.directories.registry import Directories
from virga.services.identity.federation.registry import Providers
from virga.services.identity.federation.saml.issuer import SamlKey
from virga.services.identity.passwords import Passwords
from virga.services.identity.secrets import Vault
from virga.services.identity.settings import Identity
from virga.services.identity.tokens import Tokens
from virga.services.images import api as images
from virga.services.images import loops as images_loops
from virga.services.images import routes as images_routes
from virga.services.images.cache import ImageCache
from virga.services.images.driver import Stores
from virga.services.images.drivers.chosen import chosen
from virga.services.images.inspect import Inspector
from virga.services.images.porter import Porter
from virga.services.images.sagas import SAGAS as IMAGE_SAGAS
from virga.services.images.settings import Images
from virga.services.network import api as network
from virga.services.network import loops as network_loops
from virga.services.network import routes as network_routes
from virga.services.network.driver import Switch
from virga.services.network.drivers.fake import FakeSwitch
from virga.services.network.settings import Network
from virga.services.objects import api as objects
from virga.services.objects import loops as objects_loops
from virga.services.objects import routes as objects_routes
from virga.services.placement import routes as placement_routes
from virga.settings import Settings

SERVICES: list[Service] = [
    identity_routes.SERVICE,
    images_routes.SERVICE,
    network_routes.SERVICE,
    placement_routes.SERVICE,
    compute_routes.SERVICE,
    objects_routes.SERVICE,
    objects_routes.S3,
]


class Advance(wire.Wire):
    """How far simulated time moves, in seconds."""

    advance: Annotated[float, wire.Meta(ge=0, le=10**9)] = 0.0


@runtime_checkable
class GuestsEnd(Protocol):
    """A hypervisor whose machines outlive this process and can be ended with it."""

    def end_guests(self, *, ask: bool) -> None: ...


def private(file: Path) -> None:
    """Have the file there, for its owner alone; what SQLite puts beside it is made with the same rights."""
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    file.chmod(0o600)


class Cloud:
    """One process of the cloud. `build` wires, `start` sets threads going, `stop` ends them; `rim` is the ASGI application."""

    def __init__(self, settings: Settings, *, world: World | None = None, hook: Hook | None = None) -> None:
        self.settings = settings
        self.state = Path(settings.state)
        if not settings.ephemeral:
            self.state.mkdir(parents=True, exist_ok=True, mode=0o711)
            if not settings.database.url:
                private(self.state / "virga.db")
        self.log = log.get("cloud")
        doors = self.doors = Doors()
        clock = VirtualClock() if settings.simulated and settings.sim.clock else None
        self.world = doors.put(World, world or World(clock, seed=settings.sim.seed if settings.simulated else None))
        self.db = doors.put(Database, Database(settings.records()))
        self.bus = doors.put(Bus, LocalBus())
        doors.put(Wakeup, Wakeup())
        doors.put(Settings, settings)
        doors.put(Identity, settings.identity)
        self.passwords = doors.put(Passwords, Passwords())
        self.policy = doors.put(
            Overrides, Overrides(None if settings.ephemeral else self.state, settings.server.policy_file)
        )
        self.tokens = doors.put(Tokens, Tokens(self.db, doors, self.policy))
        doors.put(Authenticator, self.tokens)
        catalog = doors.put(Catalog, Catalog(self.db))
        keys = (
            Path(settings.identity.credential_keys)
            if settings.identity.credential_keys
            else self.state / "credential.keys"
        )
        vault = doors.put(Vault, Vault(None if settings.ephemeral else keys))
        self.directories = doors.put(Directories, Directories(self.db, settings.identity, vault))
        doors.put(Elsewhere, directories.password)
        doors.put(Providers, Providers(settings.identity.oidc, settings.identity.saml))
        pem = (
            Path(settings.identity.saml_idp.keyfile) if settings.identity.saml_idp.keyfile else self.state / "saml.pem"
        )
        doors.put(SamlKey, SamlKey(None if settings.ephemeral else pem))
        doors.put(Images, settings.images)
        doors.put(Network, settings.network)
        doors.put(Compute, settings.compute)
        doors.put(Inspector, Inspector())
        doors.put(Stores, chosen(settings.images, None if settings.ephemeral else self.state / "images"))
        self.porter = doors.put(Porter, Porter())
        self.image_cache = doors.put(
            ImageCache, images.cache(doors, None if settings.ephemeral else self.state / "cache")
        )
        self.services = [
            identity_routes.chosen(settings.identity.v2) if s is identity_routes.SERVICE else s for s in SERVICES
        ]
        catalog.before(self.services, ports=settings.server.classic_ports and not settings.server.public_url)
        sagas: list[Saga] = [*SAGAS, *IMAGE_SAGAS]
        loops: list[Loop] = [
            events.OUTBOX,
            *identity_loops.LOOPS,
            *directory_loops.LOOPS,
            *images_loops.LOOPS,
            *network_loops.LOOPS,
            *compute_loops.LOOPS,
            *objects_loops.timed(settings.objects),
        ]
        doors.put(Book, Book(sagas))
        self.transfers = doors.put(Transfers, Transfers(lambda id: images.path(doors, id)))
        self.nodes = NodeApi(self.db, doors)
        self.nodes.open()
        self.node: Node | None = None
        self._link: Link | None = None
        self.metadata: Any = None
        self.supervisor: Any = None
        self.chassis: Any = None
        self.runner = doors.put(Runner, Runner(self.db, doors, sagas, hook=hook))
        self.loops = doors.put(LoopRunner, LoopRunner(self.db, doors, loops))
        host, _, port = settings.server.listen.rpartition(":")
        self.connections: Connections | None = None
        self.rim = Rim(
            self.services,
            doors,
            self.db,
            public_url=settings.server.public_url or None,
            main_port=int(port),
            hosts=own_names(host) | frozenset(settings.server.hosts),
            workers=settings.server.workers,
        )
        self.rim.default_base = (
            settings.server.public_url.rstrip("/")
            or f"{'https' if settings.server.tls else 'http'}://{host or '127.0.0.1'}:{port}"
        )
        self.objects = objects.furnish(self.db, doors, settings.objects, None if settings.ephemeral else self.state)
        self.rim.apps |= objects_routes.apps(self.objects)
        self.rim.pages |= objects_routes.pages(self.objects)
        self.rim.metrics = lambda: ("text/plain; version=0.0.4; charset=utf-8", metrics.page())
        self.rim.metrics_token = settings.server.metrics_token
        self.rim.metrics_open = settings.simulated and not settings.server.metrics_token

    def prepare(self) -> None:
        """Schema, first administrator, catalogue: whatever is missing. Repeatable."""
        self.policy.load()
        done = migrate(self.db)
        password = os.environ.get("VIRGA_ADMIN_PASSWORD") or self._kept_password()
        with self.db.read() as tx:
            wanted = self.settings.identity.bootstrap and identity.needs_bootstrap(tx, password, self.passwords)
        hashed = self.passwords.hash(password) if wanted else None
        with self.db.write() as tx:
            identity.bootstrap(tx, hashed, everything=self.settings.identity.bootstrap)
            for role in self.settings.objects.reseller_roles:
                identity.ensure_role(tx, role)
            identity.register(tx, self.services, self.settings.identity.region)
            for kind, url in objects.gateway(self.settings.objects):
                identity.point(tx, kind, url, self.settings.identity.region)
            self.tokens.load(tx)
            self.directories.make(tx)
            project = identity.project_id(tx, "admin") or ""
            self.doors.use(Stores).belong(identity.project_id(tx, "service") or project or None)
            request = Request("start", "POST", "/", "", Query({}), "", {}, "", "")
            call = Call(network.system_actor(project), (0, 0), request, self.doors, self.db, open=tx)
            network.ensure_external(call, self.settings.network.external_name, self.settings.network.external_cidr)
            compute.first_flavors(tx, self.world.now())
            images.first_definitions(tx, self.world.now(), self.world.uuid)
        self.log.info("prepared", schema=done)

    def stock(self) -> None:
        """What a new simulated cloud begins with: an image and a network, for the administrator's first machine. Nothing when the cloud
        has had an image before, or by setting (`sim.stock`)."""
        if not self.settings.sim.stock:
            return
        with self.db.write() as tx:
            project = identity.project_id(tx, "admin")
            if project is None:
                return
            request = Request("start", "POST", "/", "", Query({}), "", {}, "", "")
            call = Call(network.system_actor(project), (0, 0), request, self.doors, self.db, open=tx)
            if images.first_image(call) is not None:
                external = network.ensure_external(
                    call, self.settings.network.external_name, self.settings.network.external_cidr
                )
                network.first_private(call, external)

    def _kept_password(self) -> str:
        """The administrator's password: made once and kept in the state folder, readable by its owner."""
        if self.settings.ephemeral:
            return "admin"
        file = self.state / "admin-password"
        if not file.exists():
            fresh = file.with_suffix(".new")
            fd = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
            os.write(fd, secrets.token_urlsafe(15).encode())
            os.close(fd)
            fresh.rename(file)
        return file.read_text().strip()

    def simulate(self) -> None:
        """The drivers of a simulated cloud: nothing outside of the state folder."""
        switch = self.doors.put(FakeSwitch, FakeSwitch())
        self.doors.put(Switch, switch)
        if isinstance(self.world.clock, VirtualClock):
            self.rim.hooks["sim/clock"] = self._move_clock
        dial = self.doors.put(Dial, Dial(self.settings.sim.fail, self.world))
        file = None if self.settings.ephemeral else self.state / "machines.json"
        self.doors.put(
            Hypervisor,
            FakeHypervisor(
                self.world, file=file, dial=dial, plug=switch.plug, boot_seconds=self.settings.sim.boot_seconds
            ),
        )

    def _move_clock(self, body: bytes) -> dict[str, Any]:
        """POST /sim/clock {"advance": seconds}: simulated time goes on, and what waited for it is looked at."""
        asked = wire.decode(Advance, body) if body else Advance()
        if not isinstance(self.world.clock, VirtualClock) or not isinstance(asked, Advance):
            raise NotFound("This cloud's time is the real one.")
        now = self.world.clock.advance(asked.advance)
        if self.node is not None:
            self.node.hello()
        self.runner.poke()
        return {"now": now}

    def equip(self, step: Callable[[str], None] = lambda what: None) -> None:
        """The drivers of a real cloud: OVN's daemons and libvirtd as children, each adopted if it still runs."""
        from virga.node.chassis import Chassis
        from virga.node.libvirtd import engine, kvm_works
        from virga.node.metadata import Metadata
        from virga.node.supervisor import Supervisor, adopt_orphans
        from virga.services.compute.drivers.libvirt import LibvirtHypervisor
        from virga.services.compute.drivers.rbd_disks import RbdDisks
        from virga.services.network.drivers.ovn import OvnSwitch

        own = self.settings
        self.state.mkdir(parents=True, exist_ok=True, mode=0o711)
        adopt_orphans()
        supervisor = self.supervisor = Supervisor(self.state / "engines")
        chassis = self.chassis = Chassis(
            own.name, self.state / "ovn", own.network.uplink, own.network.external_cidr, supervisor
        )
        step("network engine (Open vSwitch, OVN)")
        chassis.start()
        if chassis.nb is None:
            raise RuntimeError("the chassis did not open the northbound database")
        switch = OvnSwitch(chassis.nb, chassis.id)
        switch.prepare()
        self.doors.put(Switch, switch)
        step("hypervisor (libvirt, QEMU)")
        (self.state / "machines").mkdir(exist_ok=True, mode=0o711)
        rbd = RbdDisks(own.compute.disks) if own.compute.disks else None
        if rbd is not None:
            chassis.storage(rbd.networks())
        kvm = own.compute.virt_type == "kvm" or (
            own.compute.virt_type == "auto" and kvm_works(self.state / "kvm.json")[0]
        )
        supervisor.run(engine(own.name, self.state / "libvirt", self.state / "machines", chassis.namespace, kvm))
        kept = NodeImages(self.link(), self.transfers)
        self.doors.put(
            Hypervisor,
            LibvirtHypervisor(
                self.state / "libvirt/run/libvirt-sock",
                self.state,
                kvm=kvm,
                plug=chassis.plug,
                unplug=chassis.unplug,
                image=kept.file,
                rbd=rbd,
                urls=kept.urls,
            ),
        )
        self.metadata = Metadata(chassis, self.link())
        supervisor.watch()

    def only_objects(self) -> None:
        """Be a worker that answers Swift and S3 alone: no sagas, no shared loops, no machines."""
        for name in [n for n, loop in self.loops.loops.items() if loop.shared]:
            del self.loops.loops[name]
        self.rim.roots = {}
        self.rim.mounts = {s.path.strip("/"): s for s in (objects_routes.SERVICE, objects_routes.S3)}
        with self.db.read() as tx:
            self.tokens.load(tx)
        self.loops.start()

    def start(self) -> None:
        """Take up what the last process left, and go on."""
        self.porter.start()
        self.image_cache.start()
        self.runner.start()
        self.loops.start()
        switch = self.doors.use(Switch)
        switch.watch(self._port_seen)
        self.node = Node(
            self.link(),
            self.doors.use(Hypervisor),
            name=self.host_name,
            door=self.transfers,
            journal=Journal(None if self.settings.ephemeral else self.state / "node.orders"),
        )
        self.node.start()
        if self.metadata is not None:
            self.metadata.start()

    @property
    def host_name(self) -> str:
        """What the node of this process is called."""
        return self.settings.name if self.settings.simulated else socket.gethostname()

    def link(self) -> Link:
        """The connection of this process's node, by its id."""
        if self._link is None:
            self._link = Link(LocalConnection(self.bus, self._node_id()))
        return self._link

    def _node_id(self) -> str:
        """Kept in the state folder. A host of before nodes had ids is this one, if it has this machine's name; a cloud in memory has no
        folder, and whose name it has, it is."""

        def before(claimed: bool) -> str | None:
            with self.db.read() as tx:
                return compute.host_of(tx, self.host_name, claimed=claimed)

        if self.settings.ephemeral:
            return before(True) or self.world.uuid()
        return node_identity.kept(self.state / "node.id", lambda: before(False))

    def _port_seen(self, port: str, up: bool) -> None:
        self.nodes.port(port, up)

    def stop(self, *, guests: str = "leave") -> None:
        """End this process's part. `leave`: machines and the data plane go on; `stop`: they are switched off first;
        `kill`: without asking them."""
        if self.node is not None:
            self.node.stop()
        if self.metadata is not None:
            self.metadata.stop()
        if self.node is not None:
            hypervisor = self.doors.use(Hypervisor)
            if guests != "leave" and isinstance(hypervisor, GuestsEnd):
                hypervisor.end_guests(ask=guests == "stop")
            hypervisor.close()
        self.loops.stop()
        self.runner.stop()
        self.porter.stop()
        self.image_cache.stop()
        self.objects.close()
        self.rim.threads.shutdown(wait=True)
        self.rim.slow_threads.shutdown(wait=True)
        if self.supervisor is not None and self.chassis is not None:
            self.supervisor.stop(data_plane=guests != "leave")
            self.chassis.close()
        self.directories.close()
        self.db.close()


def own_names(host: str) -> frozenset[str]:
    """The names by which this machine is known to its callers."""
    names = {"localhost", "127.0.0.1", "::1", host.strip("[]"), socket.gethostname().lower(), socket.getfqdn().lower()}
    return frozenset(n for n in names if n and n != "0.0.0.0")  # noqa: S104 - left out, not bound


def own_certificate(folder: Path, names: frozenset[str]) -> tuple[Path, Path]:
    """A certificate of our own for `names`, made once."""
    import datetime as dt
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    cert, key = folder / "tls.crt", folder / "tls.key"
    if cert.exists() and key.exists():
        return cert, key
    secret = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "virga")])
    alt: list[x509.GeneralName] = []
    for name in sorted(names):
        try:
            alt.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            alt.append(x509.DNSName(name))
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=825))
        .add_extension(x509.SubjectAlternativeName(alt), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(secret, hashes.SHA256())
    )
    fd = os.open(key, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    os.write(
        fd,
        secret.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
    os.close(fd)
    cert.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    return cert, key


def listen(address: str) -> socket.socket:
    """A bound socket for `host:port`."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, int(port)))
    except OSError as e:
        sock.close()
        raise SystemExit(
            f"cannot listen on {address}: {e.strerror}. Is another cloud running? Choose another address with --listen."
        ) from e
    sock.set_inheritable(False)
    return sock


TOP_PAD, PAD_BYTES = -2, 8 << 20
"""glibc's M_TOP_PAD. Bodies pass through buffers of a few MiB; with less than that of free memory at hand each of them is had from the
kernel anew and given back, which costs an upload more than its hashes."""


def settle_memory() -> None:
    """What start-up made stays: the collector need not look at it again, nor run after every few hundred rows of a long list."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):  # another C library has no such setting
        ctypes.CDLL(None).mallopt(TOP_PAD, PAD_BYTES)
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


async def serve(
    cloud: Cloud,
    ready: Callable[[list[str]], Any] | None = None,
    stop: asyncio.Event | None = None,
    given: socket.socket | None = None,
) -> None:
    """Answer requests until `stop` is set; `ready` is told the addresses once the sockets listen. `given`: a bound socket to use."""
    import uvicorn

    from virga.ground.http.protocol import Protocol
    from virga.ground.http.server import Server

    settings = cloud.settings.server
    most = max(raise_files() - OWN_FILES, 64)
    connections = cloud.connections = Connections(
        most=most, each=min(settings.connections_per_address, most), proxies=settings.trusted_proxies
    )
    sockets = [given or listen(settings.listen)]
    cloud.rim.main_port = sockets[0].getsockname()[1]
    host = settings.listen.rpartition(":")[0]
    if given is not None:
        settings = msgspec.structs.replace(settings, classic_ports=False)
    if settings.classic_ports:
        for service in cloud.services:
            for port in service.ports:
                sockets.append(listen(f"{host}:{port}"))
                cloud.rim.ports[port] = service
    if cloud.settings.objects.s3_port and given is None:
        sockets.append(listen(f"{host}:{cloud.settings.objects.s3_port}"))
        cloud.rim.ports[cloud.settings.objects.s3_port] = objects_routes.S3
    if settings.metrics_listen and given is None:
        sockets.append(listen(settings.metrics_listen))
        cloud.rim.metrics_port = sockets[-1].getsockname()[1]
    tls: dict[str, Any] = {}
    if settings.tls:
        cert, key = (
            (Path(settings.tls_cert), Path(settings.tls_key))
            if settings.tls_cert
            else own_certificate(cloud.state, own_names(host))
        )
        tls = {"ssl_certfile": str(cert), "ssl_keyfile": str(key), "ssl_version": ssl.PROTOCOL_TLS_SERVER}
    config = uvicorn.Config(
        cloud.rim,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_keep_alive=65,
        ws="none",
        http=Protocol,
        timeout_graceful_shutdown=5,
        proxy_headers=False,  # `trusted_proxies` decides, in `Connections.whence`
        backlog=1024,
        **tls,
    )
    server = Server(config, connections, cloud.rim.parties)
    for sock in sockets:
        sock.listen(1024)
    settle_memory()
    cloud.db.keep()
    task = asyncio.create_task(server._serve(sockets))
    if ready is not None:
        ready([f"{s.getsockname()[0]}:{s.getsockname()[1]}" for s in sockets])
    if stop is not None:
        waiter = asyncio.create_task(stop.wait())
        await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
        waiter.cancel()
        server.should_exit = True
    await task
