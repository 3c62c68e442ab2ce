# SPDX-License-Identifier: Apache-2.0
"""The command-line clients of October 2013 and of 2015 with nothing but the four variables of an openrc: every address comes from the
catalogue of Identity v2.0, under the one address and on the classic ports. The tables that they print are compared."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from disks import qcow2
from virga.client import wait
from web_server import WebServer, web

ROOT = Path(__file__).parents[2]
YEARS = {"2013": "havana", "2015": "mid"}
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
HEX = re.compile(r"[0-9a-f]{32}")


@pytest.fixture(scope="module")
def clients() -> Path:
    """The folder with 2013's and 2015's clients."""
    made = subprocess.run([ROOT / "scripts/legacy-clients"], capture_output=True, text=True, check=False, timeout=600)
    if made.returncode == 3:
        pytest.skip(made.stderr.strip())
    assert made.returncode == 0, made.stderr
    return Path(made.stdout.strip())


def table(text: str) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of a printed table."""
    rows = [[c.strip() for c in line[1:-1].split("|")] for line in text.splitlines() if line.startswith("|")]
    assert rows, f"no table: {text}"
    return rows[0], rows[1:]


def facts(text: str) -> dict[str, str]:
    """Property → value of a table of two columns."""
    head, rows = table(text)
    assert head in (["Property", "Value"], ["Field", "Value"], ["Quota", "Limit"]), head
    return {row[0]: row[1] for row in rows if row[0]}


@dataclass
class Cli:
    """A terminal with the clients of one year and an openrc."""

    programs: Path
    env: dict[str, str]
    home: Path

    def __call__(self, line: str, *, code: int = 0, more: tuple[str, ...] = ()) -> str:
        """What `line` prints; its exit code must be `code`."""
        program, *words = line.split()
        _, terminal = pty.openpty()  # glance takes a standard input that is no terminal for an image
        try:
            done = subprocess.run(
                [self.programs / program, *words, *more],
                env=self.env,
                cwd=self.home,
                stdin=terminal,
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
        finally:
            os.close(terminal)
        assert done.returncode == code, f"{line}: {done.returncode}\n{done.stdout}\n{done.stderr[-2000:]}"
        return done.stdout if code == 0 else done.stdout + done.stderr


@dataclass
class LegacyCloud:
    """A cloud on addresses of its own: `one` address, or the classic ports of `host`."""

    host: str
    auth: str

    def cli(self, clients: Path, year: str, home: Path, **env: str) -> Cli:
        openrc = {
            "OS_AUTH_URL": self.auth,
            "OS_USERNAME": "admin",
            "OS_PASSWORD": "cl0udAdmin",
            "OS_TENANT_NAME": "admin",
        }
        base = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(home), "PYTHONWARNINGS": "ignore"}
        return Cli(clients / YEARS[year] / "bin", base | (env or openrc), home)


def up(host: str, check: str, **env: str) -> subprocess.Popen[bytes]:
    """`virga up --sim` on `host`, as soon as it answers at `check`."""
    words = ["--state", "/nonexistent", "up", "--sim", "--ephemeral", "--listen", f"{host}:8700"]
    settings = {"VIRGA_ADMIN_PASSWORD": "cl0udAdmin", "VIRGA_SERVER_LOG_LEVEL": "error"} | env
    process = subprocess.Popen(
        [sys.executable, "-m", "virga", *words],
        env=os.environ | settings,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def answers() -> bool:
        assert process.poll() is None, "the cloud ended"
        try:
            return bool(urllib.request.urlopen(check).status == 200)
        except OSError:
            return False

    assert wait(answers, 60, every=0.1)
    return process


def own_host(number: int) -> str:
    """A loopback address that no other run has, so that the classic ports are free there."""
    return f"127.{64 + (os.getpid() >> 8) % 64}.{os.getpid() % 256}.{number}"


@pytest.fixture(scope="module")
def server() -> Iterator[WebServer]:
    with web() as made:
        yield made


@pytest.fixture(scope="module")
def one(server: WebServer) -> Iterator[LegacyCloud]:
    host = own_host(1)
    place = LegacyCloud(host, f"http://{host}:8700/identity/v2.0")
    process = up(host, place.auth, VIRGA_IMAGES_IMPORT_ALLOW=f"127.0.0.1:{server.port}")
    yield place
    process.terminate()
    process.wait(30)


@pytest.fixture(scope="module")
def classic() -> Iterator[LegacyCloud]:
    """As the guide has it: ports 5000 and 35357, and its admin token."""
    host = own_host(2)
    place = LegacyCloud(host, f"http://{host}:5000/v2.0")
    env = {"VIRGA_SERVER_CLASSIC_PORTS": "true", "VIRGA_IDENTITY_ADMIN_TOKEN": "AdminToken"}
    process = up(host, f"http://{host}:35357/v2.0", **env)
    yield place
    process.terminate()
    process.wait(30)


@pytest.fixture
def cli(one: LegacyCloud, clients: Path, year: str, tmp_path: Path) -> Cli:
    return one.cli(clients, year, tmp_path)


both_years = pytest.mark.parametrize("year", YEARS)


@both_years
def test_keystone(cli: Cli, year: str) -> None:
    assert set(facts(cli("keystone token-get"))) == {"expires", "id", "tenant_id", "user_id"}
    tenant = facts(cli(f"keystone tenant-create --name t{year} --description words"))
    assert tenant == {"description": "words", "enabled": "True", "id": tenant["id"], "name": f"t{year}"}
    user = facts(cli(f"keystone user-create --name u{year} --pass pw --email u@x.org --tenant-id {tenant['id']}"))
    assert (user["email"], user["enabled"], user["tenantId"]) == ("u@x.org", "True", tenant["id"])
    assert HEX.fullmatch(user["id"])
    role = facts(cli(f"keystone role-create --name r{year}"))
    assert set(role) == {"id", "name"}
    words = f"--user-id {user['id']} --role-id {role['id']} --tenant-id {tenant['id']}"
    assert cli(f"keystone user-role-add {words}") == ""
    head, rows = table(cli("keystone user-list"))
    assert head == ["id", "name", "enabled", "email"]
    assert [user["id"], f"u{year}", "True", "u@x.org"] in rows
    head, rows = table(cli("keystone tenant-list"))
    assert head == ["id", "name", "enabled"] and [tenant["id"], f"t{year}", "True"] in rows
    head, rows = table(cli("keystone role-list"))
    assert head == ["id", "name"] and [role["id"], f"r{year}"] in rows
    head, rows = table(cli(f"keystone user-role-list --user u{year} --tenant t{year}"))
    assert head == ["id", "name", "user_id", "tenant_id"]
    assert [role["id"], f"r{year}", user["id"], tenant["id"]] in rows
    head, rows = table(cli("keystone service-list"))
    assert head == ["id", "name", "type", "description"]
    assert {r[2] for r in rows} >= {"identity", "image", "compute", "network", "object-store"}
    head, rows = table(cli("keystone endpoint-list"))
    assert head == ["id", "region", "publicurl", "internalurl", "adminurl", "service_id"]
    assert any(r[2].endswith("/compute/v2.1/%(project_id)s") for r in rows), rows
    answer = cli("keystone catalog")
    assert {m[1] for m in re.finditer(r"^Service: (\S+)$", answer, re.M)} >= {"identity", "image", "compute", "network"}
    assert re.search(r"publicURL +\| +http://\S+/compute/v2\.1/[0-9a-f]{32} ", answer)
    assert cli(f"keystone user-role-remove {words}") == ""
    cli(f"keystone user-delete u{year}")
    cli(f"keystone tenant-delete t{year}")
    cli(f"keystone role-delete r{year}")
    assert f"u{year}" not in cli("keystone user-list")


def glance_one(year: str) -> str:
    """2015's client speaks v2 unless it is told; the guide's options are those of v1."""
    return "glance" if year == "2013" else "glance --os-image-api-version 1"


@both_years
def test_glance(cli: Cli, year: str, server: WebServer, one: LegacyCloud) -> None:
    server.pages["/cirros.img"] = qcow2()
    glance, name = glance_one(year), f"cirros{year}"
    made = facts(
        cli(
            f"{glance} image-create --name {name} --is-public true --container-format bare --disk-format qcow2"
            f" --copy-from http://127.0.0.1:{server.port}/cirros.img"
        )
    )
    assert (made["name"], made["is_public"], made["disk_format"]) == (name, "True", "qcow2")
    assert UUID.fullmatch(made["id"]) and made["status"] in {"queued", "saving", "active"}
    assert wait(lambda: facts(cli(f"{glance} image-show {name}"))["status"] == "active", 20, every=0.3)
    head, rows = table(cli(f"{glance} image-list"))
    assert head == ["ID", "Name", "Disk Format", "Container Format", "Size", "Status"]
    assert [made["id"], name, "qcow2", "bare", str(len(qcow2())), "active"] in rows
    (cli.home / "file.raw").write_bytes(b"z" * 70_000)
    up = f"{glance} image-create --name up{year} --disk-format raw --container-format bare --file file.raw"
    own = facts(cli(up))
    assert (own["size"], own["status"], own["is_public"]) == ("70000", "active", "False")
    shown = facts(cli(f"{glance} image-update up{year} --name down{year} --property color=red"))
    assert shown["name"] == f"down{year}" and shown["Property 'color'"] == "red"
    cli(f"{glance} image-download down{year} --file back.raw")
    assert (cli.home / "back.raw").read_bytes() == b"z" * 70_000
    member = "c" * 32
    cli(f"{glance} member-create {own['id']} {member}")
    head, rows = table(cli(f"{glance} member-list --image-id {own['id']}"))
    assert (head, rows) == (["Image ID", "Member ID", "Can Share"], [[own["id"], member, ""]])
    cli(f"{glance} member-delete {own['id']} {member}")
    cli(f"{glance} image-delete down{year}")
    assert own["id"] not in cli(f"{glance} image-list")
    if year == "2013":
        assert made["id"] in cli("glance --os-image-api-version 2 image-list")
    else:
        assert table(cli("glance image-list"))[0] == ["ID", "Name"]
    cli(f"{glance} image-delete {name}")


def network_of(cli: Cli, year: str) -> str:
    """A network with a router to the outside; its id."""
    made = facts(cli(f"neutron net-create n{year}"))
    cli(f"neutron subnet-create n{year} 10.9.0.0/24 --name s{year}")
    cli(f"neutron router-create r{year}")
    assert f"to router r{year}" in cli(f"neutron router-interface-add r{year} s{year}")
    assert f"gateway for router r{year}" in cli(f"neutron router-gateway-set r{year} public")
    return made["id"]


def no_network(cli: Cli, year: str) -> None:
    cli(f"neutron router-gateway-clear r{year}")
    cli(f"neutron router-interface-delete r{year} s{year}")
    cli(f"neutron router-delete r{year}")
    cli(f"neutron subnet-delete s{year}")
    cli(f"neutron net-delete n{year}")


@both_years
def test_neutron(cli: Cli, year: str) -> None:
    net = network_of(cli, year)
    head, rows = table(cli("neutron net-list"))
    assert head == ["id", "name", "subnets"]
    row = next(r for r in rows if r[0] == net)
    assert row[1] == f"n{year}" and re.fullmatch(r"\S{36} 10\.9\.0\.0/24", row[2])
    assert facts(cli(f"neutron net-show n{year}"))["status"] == "ACTIVE"
    cli(f"neutron net-update n{year} --admin-state-up False")
    assert facts(cli(f"neutron net-show n{year}"))["admin_state_up"] == "False"
    cli(f"neutron net-update n{year} --admin-state-up True")
    head, rows = table(cli("neutron subnet-list"))
    assert head == ["id", "name", "cidr", "allocation_pools"]
    subnet = next(r for r in rows if r[1] == f"s{year}")
    assert subnet[2:] == ["10.9.0.0/24", '{"start": "10.9.0.2", "end": "10.9.0.254"}']
    assert facts(cli(f"neutron subnet-show s{year}"))["gateway_ip"] == "10.9.0.1"
    head, rows = table(cli("neutron router-list"))
    assert head[:3] == ["id", "name", "external_gateway_info"] and f"r{year}" in [r[1] for r in rows]
    assert facts(cli(f"neutron router-show r{year}"))["status"] == "ACTIVE"
    port = facts(cli(f"neutron port-create n{year} --name p{year}"))
    head, rows = table(cli("neutron port-list"))
    assert head == ["id", "name", "mac_address", "fixed_ips"]
    assert next(r for r in rows if r[0] == port["id"])[1:3] == [f"p{year}", port["mac_address"]]
    fip = facts(cli("neutron floatingip-create public"))
    cli(f"neutron floatingip-associate {fip['id']} {port['id']}")
    head, rows = table(cli("neutron floatingip-list"))
    assert head == ["id", "fixed_ip_address", "floating_ip_address", "port_id"]
    shown = next(r for r in rows if r[0] == fip["id"])
    assert shown[1].startswith("10.9.0.") and shown[2:] == [fip["floating_ip_address"], port["id"]]
    cli(f"neutron floatingip-disassociate {fip['id']}")
    cli(f"neutron floatingip-delete {fip['id']}")
    cli(f"neutron port-update p{year} --name q{year}")
    cli(f"neutron port-delete q{year}")
    cli(f"neutron security-group-create g{year}")
    rule = "--protocol tcp --port-range-min 22 --port-range-max 22 --remote-ip-prefix 10.0.0.0/8"
    made = facts(cli(f"neutron security-group-rule-create {rule} g{year}"))
    assert (made["port_range_min"], made["protocol"], made["direction"]) == ("22", "tcp", "ingress")
    head, rows = table(cli("neutron security-group-list"))
    assert head[:2] == ["id", "name"] and {"default", f"g{year}"} <= {r[1] for r in rows}
    head, rows = table(cli("neutron security-group-rule-list"))
    assert head[:2] == ["id", "security_group"] and made["id"] in [r[0] for r in rows]
    cli(f"neutron security-group-rule-delete {made['id']}")
    cli(f"neutron security-group-delete g{year}")
    assert facts(cli("neutron quota-show"))["network"] == "100"
    assert facts(cli("neutron ext-show router"))["alias"] == "router"
    assert "public" in cli("neutron net-external-list")
    no_network(cli, year)
    assert net not in cli("neutron net-list")


def boot(cli: Cli, year: str, glance: str) -> tuple[str, str]:
    """A network, an image, a keypair, a group, and a server made of them; the ids of image and server."""
    net = network_of(cli, year)
    (cli.home / "boot.raw").write_bytes(b"b" * 100_000)
    named = f"--name i{year} --is-public true --disk-format raw --container-format bare --file boot.raw"
    image = facts(cli(f"{glance} image-create {named}"))["id"]
    assert "PRIVATE KEY" in cli(f"nova keypair-add k{year}")
    cli(f"nova secgroup-create g{year} words")
    words = f"--flavor m1.nano --image i{year} --key-name k{year} --security-groups g{year} --nic net-id={net}"
    made = facts(cli(f"nova boot {words} vm{year}"))
    assert made["name"] == f"vm{year}" and made["status"] in {"BUILD", "ACTIVE"}
    assert wait(lambda: facts(cli(f"nova show vm{year}"))["status"] == "ACTIVE", 30, every=1)
    return image, made["id"]


@both_years
def test_nova(cli: Cli, year: str) -> None:
    glance, nothing = glance_one(year), "None" if year == "2013" else "-"
    image, server = boot(cli, year, glance)
    head, rows = table(cli("nova list"))
    assert head == ["ID", "Name", "Status", "Task State", "Power State", "Networks"]
    row = next(r for r in rows if r[0] == server)
    assert row[:5] == [server, f"vm{year}", "ACTIVE", nothing, "Running"]
    assert re.fullmatch(rf"n{year}=10\.9\.0\.\d+", row[5])
    shown = facts(cli(f"nova show vm{year}"))
    assert shown[f"n{year} network"] == row[5].partition("=")[2]
    assert shown["image"] == f"i{year} ({image})" and shown["flavor"] == "m1.nano (42)"
    head, rows = table(cli("nova image-list"))
    assert head == ["ID", "Name", "Status", "Server"] and [image, f"i{year}", "ACTIVE", ""] in rows
    assert facts(cli(f"nova image-show i{year}"))["OS-EXT-IMG-SIZE:size"] == "100000"
    head, rows = table(cli("nova flavor-list"))
    assert head[:5] == ["ID", "Name", "Memory_MB", "Disk", "Ephemeral"] and ["1", "m1.tiny"] in [r[:2] for r in rows]
    head, rows = table(cli("nova keypair-list"))
    assert head == (["Name", "Fingerprint"] if year == "2013" else ["Name", "Type", "Fingerprint"])
    assert f"k{year}" in [r[0] for r in rows]
    head, rows = table(cli("nova net-list"))
    assert head == ["ID", "Label", "CIDR"] and f"n{year}" in [r[1] for r in rows]
    assert table(cli("nova hypervisor-list"))[0][:2] == ["ID", "Hypervisor hostname"]
    head, rows = table(cli("nova service-list"))
    assert head[-7:] == ["Binary", "Host", "Zone", "Status", "State", "Updated_at", "Disabled Reason"]
    assert "nova-compute" in rows[0] and "up" in rows[0]
    assert table(cli("nova availability-zone-list"))[0] == ["Name", "Status"]
    assert "vm" in cli(f"nova console-log vm{year}")
    head, rows = table(cli(f"nova secgroup-add-rule g{year} tcp 22 22 0.0.0.0/0"))
    assert head == ["IP Protocol", "From Port", "To Port", "IP Range", "Source Group"]
    assert rows == [["tcp", "22", "22", "0.0.0.0/0", ""]]
    cli(f"nova secgroup-add-rule g{year} icmp -1 -1 10.0.0.0/8")
    cli(f"nova secgroup-add-group-rule g{year} default tcp 80 90")
    assert sorted(table(cli(f"nova secgroup-list-rules g{year}"))[1]) == [
        ["icmp", "-1", "-1", "10.0.0.0/8", ""],
        ["tcp", "22", "22", "0.0.0.0/0", ""],
        ["tcp", "80", "90", "", "default"],
    ]
    cli(f"nova secgroup-delete-rule g{year} tcp 22 22 0.0.0.0/0")
    head, rows = table(cli("nova secgroup-list"))
    assert head == ["Id", "Name", "Description"]
    group = next(r for r in rows if r[1] == f"g{year}")
    assert UUID.fullmatch(group[0]) and group[2] == "words"
    cli(f"nova add-secgroup vm{year} default")
    assert {r[1] for r in table(cli(f"nova list-secgroup vm{year}"))[1]} == {"default", f"g{year}"}
    cli(f"nova remove-secgroup vm{year} default")
    assert table(cli(f"nova list-secgroup vm{year}"))[1] == [group]
    head, rows = table(cli("nova floating-ip-pool-list"))
    assert rows == [["public"]]
    head, rows = table(cli("nova floating-ip-create public"))
    old = year == "2013"
    assert head == (["Ip", "Instance Id", "Fixed Ip", "Pool"] if old else ["Id", "IP", "Server Id", "Fixed IP", "Pool"])
    address = rows[0][0 if old else 1]
    cli(f"nova add-floating-ip vm{year} {address}")
    mine = next(r for r in table(cli("nova floating-ip-list"))[1] if address in r)
    assert server in mine and "public" in mine
    assert next(r for r in table(cli("nova list"))[1] if r[0] == server)[5].endswith(f", {address}")
    cli(f"nova remove-floating-ip vm{year} {address}")
    cli(f"nova floating-ip-delete {address}")
    assert address not in cli("nova floating-ip-list")
    cli(f"nova stop vm{year}")
    cli(f"nova delete vm{year}")
    assert wait(lambda: server not in cli("nova list"), 20, every=1)
    cli(f"nova secgroup-delete g{year}")
    cli(f"nova keypair-delete k{year}")
    assert f"k{year}" not in cli("nova keypair-list")
    cli(f"nova image-delete i{year}")
    assert image not in cli("nova image-list")
    no_network(cli, year)


@both_years
def test_swift_and_cinder(cli: Cli, year: str) -> None:
    (cli.home / "f.txt").write_text("hello\n")
    assert "f.txt" in cli(f"swift upload box{year} f.txt")
    assert f"box{year}" in cli("swift list").split()
    assert cli(f"swift list box{year}").split() == ["f.txt"]
    assert re.search(r"^Containers: [1-9]$", re.sub(r"^ +", "", cli("swift stat"), flags=re.M), re.M)
    assert "hello" in cli(f"swift download box{year} f.txt -o -")
    cli(f"swift delete box{year}")
    assert f"box{year}" not in cli("swift list").split()
    answer = cli("cinder list", code=1)
    assert "endpoint" in answer, "volumes are not there yet, and the catalogue does not name them"


# -- classic ports -------------------------------------------------------------------------------------------------


@both_years
def test_the_classic_ports_are_in_the_catalogue(classic: LegacyCloud, clients: Path, year: str, tmp_path: Path) -> None:
    cli = classic.cli(clients, year, tmp_path)
    answer = cli("keystone catalog")
    host = f"http://{classic.host}"
    tenant = facts(cli("keystone token-get"))["tenant_id"]
    for url in (f"{host}:5000/v2.0", f"{host}:35357/v2.0", f"{host}:9292", f"{host}:9696"):
        assert f" {url} " in answer, answer
    assert f" {host}:8774/v2.1/{tenant} " in answer and f" {host}:8080/v1/AUTH_{tenant} " in answer
    glance = glance_one(year)
    image, server = boot(cli, f"c{year}", glance)
    assert image in cli(f"{glance} image-list") and server in cli("nova list")
    assert cli("swift stat")
    cli(f"nova delete vmc{year}")


@both_years
def test_the_guides_commands(classic: LegacyCloud, clients: Path, year: str, tmp_path: Path) -> None:
    """`export SERVICE_TOKEN=AdminToken SERVICE_ENDPOINT=http://…:35357/v2.0`, then what the guide types, with other names."""
    token = {"SERVICE_TOKEN": "AdminToken", "SERVICE_ENDPOINT": f"http://{classic.host}:35357/v2.0"}
    keystone = classic.cli(clients, year, tmp_path, **token)
    tenant = facts(keystone(f"keystone tenant-create --name=test{year}"))
    assert tenant == {"description": "", "enabled": "True", "id": tenant["id"], "name": f"test{year}"}
    user = facts(keystone(f"keystone user-create --name=tester{year} --pass=cl0udAdmin --email=cloud@admin.com"))
    assert [user[k] for k in ("email", "enabled", "name", "tenantId")] == [
        "cloud@admin.com", "True", f"tester{year}", "",
    ]  # fmt: skip
    assert set(user) == {"email", "enabled", "id", "name", "tenantId"}
    role = facts(keystone(f"keystone role-create --name=Member{year}"))
    assert set(role) == {"id", "name"}
    words = f"--user-id {user['id']} --role-id {role['id']} --tenant-id {tenant['id']}"
    assert keystone(f"keystone user-role-add {words}") == ""
    head, rows = table(keystone("keystone user-list"))
    assert head == ["id", "name", "enabled", "email"]
    assert [user["id"], f"tester{year}", "True", "cloud@admin.com"] in rows


# -- the clients of today ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["one", "classic"])
def test_the_client_of_today_discovers_as_before(where: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Identity v3's catalogue names the one address; the newest microversion is found there."""
    place: LegacyCloud = request.getfixturevalue(where)
    program = ROOT / ".venv-clients/bin/openstack"
    if not program.exists():
        pytest.fail("the openstack client is not installed: 'make clients' brings it")
    env = {
        "OS_AUTH_URL": place.auth.removesuffix("/v2.0") + "/v3",
        "OS_USERNAME": "admin",
        "OS_PASSWORD": "cl0udAdmin",
        "OS_PROJECT_NAME": "admin",
        "OS_USER_DOMAIN_ID": "default",
        "OS_PROJECT_DOMAIN_ID": "default",
        "OS_COMPUTE_API_VERSION": "2.96",
        "HOME": str(tmp_path),
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
    }

    def openstack(*words: str) -> str:
        done = subprocess.run([program, *words], env=env, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, f"{words}: {done.stdout} {done.stderr[-2000:]}"
        return done.stdout

    answer = openstack("catalog", "list", "-f", "value", "-c", "Endpoints")
    assert f"http://{place.host}:8700/compute/v2.1" in answer and ":8774" not in answer
    assert "public" in openstack("network", "list")
    for words in (("server", "list"), ("image", "list"), ("flavor", "list"), ("hypervisor", "list")):
        openstack(*words)
    openstack("versions", "show", "--service", "compute")


def lines(text: str) -> Iterator[tuple[str, list[str]]]:
    """The fenced blocks of a page: kind and lines."""
    for m in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S):
        yield m[1], m[2].splitlines()


@both_years
def test_the_page_for_newcomers(cli: Cli, year: str, one: LegacyCloud) -> None:
    """docs/legacy-clients.md: each line of its blocks of commands, in order."""
    page = (ROOT / "docs/legacy-clients.md").read_text()
    commands = [line for kind, block in lines(page) if kind == "console" for line in block if line.startswith("$ ")]
    assert len(commands) >= 12
    (cli.home / "guest.qcow2").write_bytes(qcow2())
    stored: dict[str, str] = {}
    run: Callable[[str], str] = cli
    for command in commands:
        line = command.removeprefix("$ ")
        keep = re.fullmatch(r"(\w+)=\$\((.*?) \| awk '/ (\w+) /\{print \$4\}'\)", line)
        for name, value in stored.items():
            line = line.replace(f"${name}", value)
        if keep is not None:
            stored[keep[1]] = facts(run(keep[2]))[keep[3]]
            continue
        if "--os-image-api-version" not in line and line.startswith("glance "):
            line = line.replace("glance", glance_one(year), 1)
        run(line)
