# SPDX-License-Identifier: Apache-2.0
"""From a cloud to sockets that answer: addresses, the certificate, the server."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from virga.app import Cloud, own_names
from virga.ground.http.connections import OWN_FILES, Connections, raise_files


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
    cloud.api_app.main_port = sockets[0].getsockname()[1]
    host = settings.listen.rpartition(":")[0]
    if given is not None:
        settings = msgspec.structs.replace(settings, classic_ports=False)
    if settings.classic_ports:
        for service in cloud.services:
            for port in service.ports:
                sockets.append(listen(f"{host}:{port}"))
                cloud.api_app.ports[port] = service
    if given is None:
        for part in cloud.role.serving:
            for port, service in part.ports(cloud.registry).items():
                sockets.append(listen(f"{host}:{port}"))
                cloud.api_app.ports[port] = service
    if settings.metrics_listen and given is None:
        sockets.append(listen(settings.metrics_listen))
        cloud.api_app.metrics_port = sockets[-1].getsockname()[1]
    tls: dict[str, Any] = {}
    if settings.tls:
        cert, key = (
            (Path(settings.tls_cert), Path(settings.tls_key))
            if settings.tls_cert
            else own_certificate(Path(cloud.settings.state), own_names(host))
        )
        tls = {"ssl_certfile": str(cert), "ssl_keyfile": str(key), "ssl_version": ssl.PROTOCOL_TLS_SERVER}
    config = uvicorn.Config(
        cloud.api_app,
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
    server = Server(config, connections, cloud.api_app.parties, cloud.api_app.threads)
    for sock in sockets:
        sock.listen(1024)
    settle_memory()
    cloud.db.hold_connections()
    task = asyncio.create_task(server._serve(sockets))
    if ready is not None:
        ready([f"{s.getsockname()[0]}:{s.getsockname()[1]}" for s in sockets])
    if stop is not None:
        waiter = asyncio.create_task(stop.wait())
        await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
        waiter.cancel()
        server.should_exit = True
    await task
