# SPDX-License-Identifier: Apache-2.0
"""Advisories of Nova and of the ground below all services that no other test holds, each as an attack on us.
docs/security/advisories.md is the whole list."""

from __future__ import annotations

import io
import json
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import click
import pytest

from sim_cloud import SimCloud, make
from virga.cli import main as cli
from virga.ground import log
from virga.services.compute.drivers.fake import FakeHypervisor

C = "/compute/v2.1"
CANARY = "canary-5b1e7c09"


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is logged from now on, to the last word."""
    answer = io.StringIO()
    monkeypatch.setattr(sys, "stderr", answer)
    log.setup("debug", json=True)
    yield answer
    monkeypatch.undo()
    log.setup("error")


def test_2012_001_a_foreign_project_in_the_path(shared: SimCloud) -> None:
    """The project in the path opens nothing: whose token it is decides."""
    victim, t = shared.tenant("c12001"), shared.tenant("c12001b")
    image, (net, _) = shared.image(), shared.network(victim)
    id = shared.server(victim, image["id"], net["id"])["id"]
    shared.settled(victim, id)
    for version in ("v2", "v2.1"):
        base = f"/compute/{version}/{victim.project}"
        assert id not in t.ask("GET", f"{base}/servers").text and id not in t.ask("GET", f"{base}/servers/detail").text
        for method, path, body in (
            ("GET", f"/servers/{id}", None),
            ("PUT", f"/servers/{id}", {"server": {"name": "taken"}}),
            ("DELETE", f"/servers/{id}", None),
            ("POST", f"/servers/{id}/action", {"os-stop": None}),
            ("GET", f"/servers/{id}/metadata", None),
        ):
            assert t.ask(method, base + path, body).code in {400, 404}, path
        body = {"name": "x", "imageRef": image["id"], "flavorRef": "42", "networks": [{"uuid": net["id"]}]}
        assert t.ask("POST", f"{base}/servers", {"server": body}).code == 400, "the network is not there either"
    assert shared.settled(victim, id)["name"] == "vm"


def test_2012_003_long_names_fill_no_log(heard: io.StringIO) -> None:
    """OSSA-2012-003 and OSSA-2013-003: what is refused, however long and often, is a short line at most."""
    cloud = make()
    cloud.start()
    try:
        sim = SimCloud(cloud)
        t = sim.tenant("c12003")
        before = len(heard.getvalue())
        for _ in range(20):
            body = {"server": {"name": CANARY * 30_000, "imageRef": "i", "flavorRef": "42"}}
            assert t.ask("POST", f"{C}/servers", body).code == 400
            assert t.ask("PUT", f"{C}/servers/x", {"server": {"name": CANARY * 30_000}}).code == 400
            assert sim.auth(CANARY * 3000, CANARY * 3000, None).status_code in {400, 401}
            assert sim.http.post("/identity/v3/auth/tokens", json={"auth": CANARY * 3000}).status_code == 400
            assert t.ask("GET", f"{C}/servers/{CANARY * 300}").code == 404
        answer = heard.getvalue()[before:]
        assert len(answer) < 80 * 600 and CANARY * 100 not in answer
    finally:
        cloud.stop()


def test_2012_009_hints_cost_nothing(shared: SimCloud) -> None:
    t = shared.tenant("c12009")
    image, (net, _) = shared.image(), shared.network(t)
    body = {"name": "x", "imageRef": image["id"], "flavorRef": "42", "networks": [{"uuid": net["id"]}]}
    for key in ("os:scheduler_hints", "OS-SCH-HNT:scheduler_hints"):
        hints = {"different_host": [f"{n:036x}" for n in range(20_000)], "same_host": ["x"] * 1000}
        began = time.process_time()
        got = t.ask("POST", f"{C}/servers", {"server": body, key: hints})
        assert got.code in {202, 400, 413} and time.process_time() - began < 2, got.text
        if got.code == 202:
            shared.settled(t, got.json["server"]["id"])


def test_2013_008_cards_of_servers_count_as_ports(sim: SimCloud) -> None:
    """A server takes an address for each of its cards: no more of them than the project may have ports."""
    t = sim.tenant("c13008")
    image, (net, _) = sim.image(), sim.network(t)
    sim.admin.put(f"/network/v2.0/quotas/{t.project}", {"quota": {"port": 3}})
    body = {"name": "x", "imageRef": image["id"], "flavorRef": "42"}

    def ask(cards: int, **more: Any) -> Any:
        return t.ask("POST", f"{C}/servers", {"server": body | {"networks": [{"uuid": net["id"]}] * cards} | more})

    for refused in (ask(4), ask(2, min_count=2)):
        assert refused.code == 403 and "port" in refused.json["forbidden"]["message"], refused.text
    made = [ask(2), ask(1), ask(1)]
    for got in made:
        if got.code == 202:
            sim.settled(t, got.json["server"]["id"])
    assert made[0].code == 202
    ports = t.get(f"/network/v2.0/ports?project_id={t.project}")["ports"]
    assert len(ports) <= 3, "neither at the request nor when the cards are made"


def test_2013_012_a_disk_larger_than_the_flavor(shared: SimCloud) -> None:
    """A few bytes that say that they are 20 GiB start on no flavor of 1 GiB; min_disk of the image counts too."""
    import disks

    t = shared.tenant("c13012")
    net, _ = shared.network(t)
    wide = shared.image(t, disks.qcow2(size=20 << 30), disk_format="qcow2")
    tall = shared.image(t, min_disk=20)
    for image in (wide, tall):
        body = {"name": "x", "imageRef": image["id"], "flavorRef": "1", "networks": [{"uuid": net["id"]}]}
        got = t.ask("POST", f"{C}/servers", {"server": body})
        assert got.code == 400 and "disk" in got.text.lower(), got.text


def test_2013_019_private_flavors(shared: SimCloud) -> None:
    """OSSA-2013-019 and OSSA-2013-024: who guesses the id of a private flavor neither sees nor boots it."""
    t, a = shared.tenant("c13019"), shared.admin
    flavor = {"name": "hidden", "id": "471100", "ram": 64, "vcpus": 1, "disk": 1, "os-flavor-access:is_public": False}
    a.post(f"{C}/flavors", {"flavor": flavor})
    for path in (
        "flavors",
        "flavors/detail",
        "flavors?is_public=false",
        "flavors/detail?is_public=None",
        "flavors?minRam=1",
        "flavors/detail?sort_key=ram&limit=1000",
    ):
        assert "471100" not in t.ask("GET", f"{C}/{path}").text, path
    for path in ("flavors/471100", "flavors/471100/os-extra_specs", "flavors/471100/os-extra_specs/x"):
        assert t.ask("GET", f"{C}/{path}").code == 404, path
    assert t.ask("GET", f"{C}/flavors?marker=471100").code == 400
    image, (net, _) = shared.image(), shared.network(t)
    for ref in ("471100", f"http://127.0.0.1:8700{C}/flavors/471100"):
        body = {"name": "x", "imageRef": image["id"], "flavorRef": ref, "networks": [{"uuid": net["id"]}]}
        got = t.ask("POST", f"{C}/servers", {"server": body})
        assert got.code == 400 and "could not be found" in got.text, got.text


def test_2013_026_a_flood_on_the_console(shared: SimCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Megabytes of any bytes on a console are read and cut, and what carries them to the API goes on."""
    t = shared.tenant("c13026")
    image, (net, _) = shared.image(), shared.network(t)
    id = shared.server(t, image["id"], net["id"])["id"]
    shared.settled(t, id)
    flood = (b"\xff\x00\x1b[2J<script>" + b"x" * 70_000 + b"\n") * 12
    with monkeypatch.context() as m:
        m.setattr(FakeHypervisor, "console", lambda self, id: flood)
        whole = t.post(f"{C}/servers/{id}/action", {"os-getConsoleOutput": {}})["output"]
        assert len(whole) > 800_000
        assert t.post(f"{C}/servers/{id}/action", {"os-getConsoleOutput": {"length": 1}})["output"].count("\n") == 1
    t.post(f"{C}/servers/{id}/action", {"os-stop": None}, 202)
    assert shared.settled(t, id)["status"] == "SHUTOFF", "its node works on"


def test_2014_038_filters_by_address(shared: SimCloud) -> None:
    """A filter of addresses, also one that is an expression made to take long, costs no more than a list."""
    t = shared.tenant("c14038")
    for value in ("10.", "(a+)+$", "(.*a){30}", "%25" * 200, "[" * 200):
        for name in ("ip", "ip6", "name"):
            began = time.process_time()
            got = t.http.get(f"{C}/servers/detail", params={name: value}, headers={"X-Auth-Token": t.token})
            assert got.status_code in {200, 400} and time.process_time() - began < 0.5, f"{name}={value}"


def test_2019_003_faults_keep_the_hosts_words(sim: SimCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a tool or a library said stays with administrators: tenants read its kind."""
    t = sim.tenant("c19003")
    image, (net, _) = sim.image(), sim.network(t)

    def run(self: FakeHypervisor, machine: Any) -> None:
        raise OSError(2, f"cannot open /srv/{CANARY}/disk as user {CANARY}")

    with monkeypatch.context() as m:
        m.setattr(FakeHypervisor, "run", run)
        id = sim.server(t, image["id"], net["id"])["id"]
        shown = sim.settled(t, id)
    assert shown["status"] == "ERROR" and shown["fault"]["message"] == "FileNotFoundError", shown
    t.version = "2.96"
    texts = [t.ask("GET", f"{C}/servers/{id}").text, t.ask("GET", f"{C}/servers/detail").text]
    log_ = t.get(f"{C}/servers/{id}/os-instance-actions")["instanceActions"]
    texts += [t.ask("GET", f"{C}/servers/{id}/os-instance-actions/{a['request_id']}").text for a in log_]
    assert CANARY not in "".join(texts)
    assert CANARY in sim.admin.get(f"{C}/servers/{id}")["server"]["fault"]["details"]


def test_2017_001_no_secret_in_the_log(heard: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """OSSA-2017-001, 2017-002, 2014-021, 2014-036: passwords, tokens and keys that came with requests are in no line of the log, not
    when the request is refused, and not when the program breaks over it."""
    cloud = make()
    cloud.start()
    try:
        sim = SimCloud(cloud)
        t = sim.tenant("c17001")
        headers = {"X-Auth-Token": CANARY, "X-Subject-Token": CANARY, "X-Storage-Token": CANARY}
        for service in cloud.services:
            for route in service.routes:
                parts = [CANARY if p.startswith("{") and "key" in p else "x" for p in route.path.split("/")[1:]]
                body = {"password": CANARY, "adminPass": CANARY, "secret": CANARY}
                for sent in (headers, {"X-Auth-Token": t.token, "X-Subject-Token": CANARY}):
                    sim.http.request(route.method, service.path + "/" + "/".join(parts), json=body, headers=sent)
        sim.auth("c17001", CANARY, None)
        t.ask("POST", f"/identity/v3/users/{t.user}/password", {"user": {"password": CANARY, "original_password": "x"}})
    finally:
        cloud.stop()
    assert CANARY not in heard.getvalue()
    cloud = make()
    cloud.start()
    try:
        sim = SimCloud(cloud)

        def breaks(*a: Any, **k: Any) -> None:
            raise RuntimeError("broken on purpose")

        from virga.services.identity.passwords import Passwords

        with monkeypatch.context() as m:
            m.setattr(Passwords, "verify", breaks)
            http = type(sim.http)(cloud.api_app, base_url="http://127.0.0.1:8700", raise_server_exceptions=False)
            password = {"user": {"name": "admin", "domain": {"id": "default"}, "password": CANARY}}
            body = {"auth": {"identity": {"methods": ["password"], "password": password}}}
            got = http.post("/identity/v3/auth/tokens", json=body, headers={"X-Auth-Token": CANARY})
        assert got.status_code == 500 and "broken on purpose" not in got.text
    finally:
        cloud.stop()
    assert "broken on purpose" in heard.getvalue() and CANARY not in heard.getvalue()


def test_2013_013_no_password_is_an_argument() -> None:
    """Whoever lists the processes reads the arguments of commands: none of ours takes a secret there."""

    def every(group: Any, name: str) -> Any:
        for word, command in sorted(group.commands.items()):
            if isinstance(command, click.Group):
                yield from every(command, f"{name} {word}")
            else:
                yield f"{name} {word}", command

    seen = 0
    for name, command in every(cli.main, "virga"):
        seen += 1
        for parameter in command.params:
            words = f"{parameter.name} {' '.join(parameter.opts)}".lower()
            assert not any(w in words for w in ("password", "secret", "token", "passphrase")), f"{name}: {words}"
    assert seen > 10


def test_2013_018_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    """OSSA-2013-018, 2014-005, 2014-030, 2015-007: what we ask over TLS must show a certificate of the name we asked for, from somebody we
    trust: our own client, the stores of images, what brings images from the web, and what tells other clouds of objects."""
    import datetime as dt
    import http.server
    import threading

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    made = made.not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "cert.pem").write_bytes(pem + private)
    requested: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requested.append(self.path)
            self.send_error(404)

        do_POST = do_PUT = do_HEAD = do_GET

        def log_message(self, *a: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        url = f"https://localhost:{server.server_port}"
        from virga.services.images.drivers import s3, swift

        with pytest.raises(OSError):
            swift.SwiftStore(swift.Options("c", f"{url}/identity/v3", "service:glance", "pw")).ids()
        with pytest.raises(OSError):
            s3.S3Store(s3.Options("c", f"{url}/s3", "a", "b")).ids()
        cloud = make(**{"images.import_allow": [f"localhost:{server.server_port}"]})
        cloud.start()
        try:
            sim = SimCloud(cloud)
            t = sim.tenant("tls")
            body = {"name": "w", "disk_format": "raw", "container_format": "bare"}
            id = t.post("/image/v2/images", body)["id"]
            how = {"method": {"name": "web-download", "uri": f"{url}/x"}}
            t.post(f"/image/v2/images/{id}/import", how, 202)
            from virga.client import wait

            image = wait(lambda: (i := t.get(f"/image/v2/images/{id}")) and "os_glance_reason" in i and i, 60)
            assert image and image["status"] == "queued"
        finally:
            cloud.stop()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert requested == [], "nothing was said to it"


def test_2015_017_what_is_deleted_leaves_no_machine(sim: SimCloud) -> None:
    """OSSA-2015-017's kind for what there is today: deleted in the middle of any of its operations, nothing of a machine is left, and
    the quota is free again."""
    t = sim.tenant("c15017")
    image, (net, _) = sim.image(), sim.network(t)
    sim.admin.put(f"{C}/os-quota-sets/{t.project}", {"quota_set": {"instances": 1}})
    for verb in (None, {"os-stop": None}, {"reboot": {"type": "HARD"}}, {"createImage": {"name": "i"}}):
        id = sim.server(t, image["id"], net["id"])["id"]
        if verb is not None:
            sim.settled(t, id)
            t.post(f"{C}/servers/{id}/action", verb, 202)
        t.delete(f"{C}/servers/{id}", 204)
        assert sim.settled(t, id) is None
        assert json.loads(t.ask("GET", f"{C}/limits").text)["limits"]["absolute"]["totalInstancesUsed"] == 0
    assert [p for p in t.get("/network/v2.0/ports")["ports"] if p["device_owner"].startswith("compute")] == []
