# SPDX-License-Identifier: Apache-2.0
"""The two sides of a comparison: their processes, what these cost, and how they are started and stopped. Everything listens on loopback,
keeps its state in a folder of its own and is stopped by the id of its process."""

from __future__ import annotations

import configparser
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UPSTREAM = ROOT / ".venv-upstream"
HOST = "127.0.0.1"
WORKERS = 2
RABBIT = "/usr/lib/rabbitmq/bin/rabbitmq-server"
SERVICES = ("glance", "nova", "placement", "neutron")


def say(words: str) -> None:
    """A line of progress for whoever waits."""
    print(f"{time.strftime('%H:%M:%S')}  {words}", file=sys.stderr, flush=True)


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody holds now, all different."""
    held = [socket.socket() for _ in range(count)]
    for s in held:
        s.bind((HOST, 0))
    ports = [int(s.getsockname()[1]) for s in held]
    for s in held:
        s.close()
    return ports


def session_of(pid: str) -> int:
    """The session that a process belongs to; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[3])
    except (OSError, IndexError):
        return 0


def in_sessions(leaders: set[int]) -> list[int]:
    """The processes that live in these sessions."""
    return [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and session_of(p.name) in leaders]


class Side:
    """Processes that are measured together. Each that is started leads a session; what it starts in turn stays in that session."""

    name = ""
    last_to_go: tuple[str, ...] = ()

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: dict[str, subprocess.Popen[bytes]] = {}
        self.gone: dict[int, float] = {}
        self.password = secrets.token_hex(12)
        self.auth = ""

    def run(self, name: str, *words: str | Path, **env: str) -> None:
        """Start a process that stays; what it says goes to NAME.log."""
        with open(self.folder / f"{name}.log", "ab") as log:
            self.started[name] = subprocess.Popen(
                [str(w) for w in words],
                env=os.environ | env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def do(self, name: str, *words: str | Path, **env: str) -> None:
        """Run something to its end. Raises SystemExit with the last of its words if it fails."""
        with open(self.folder / f"{name}.log", "ab") as log:
            code = subprocess.run(
                [str(w) for w in words], env=os.environ | env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            ).returncode
        if code:
            raise SystemExit(f"{words[0]} ended with {code}:\n{self.last(name)}")

    def last(self, name: str, lines: int = 15) -> str:
        """The end of a process's log."""
        return "\n".join((self.folder / f"{name}.log").read_text(errors="replace").splitlines()[-lines:])

    def wait(self, name: str, ready: Callable[[], bool], seconds: float = 180) -> None:
        """Until `ready` says so. Raises SystemExit when the process ended or the time is over."""
        end = time.monotonic() + seconds
        while True:
            try:
                if ready():
                    return
            except OSError:
                pass
            for one, process in self.started.items():
                if process.poll() is not None:
                    raise SystemExit(f"{one} ended by itself:\n{self.last(one)}")
            if time.monotonic() > end:
                raise SystemExit(f"{name} did not come up in {seconds:.0f} s:\n{self.last(name)}")
            threading.Event().wait(0.1)

    def listens(self, name: str, port: int) -> None:
        """Wait until something listens on the port."""

        def ready() -> bool:
            with socket.create_connection((HOST, port), 1):
                return True

        self.wait(name, ready)

    def pids(self) -> list[int]:
        """Every process of this side that lives now."""
        return in_sessions({p.pid for p in self.started.values()})

    def cpu(self) -> float:
        """Seconds of processor time that this side has used so far, to the nanosecond: the scheduler's own clock of each process, threads
        that ended included; a process that ended keeps what it was last seen with."""
        for pid in self.pids():
            try:
                self.gone[pid] = time.clock_gettime(
                    (~pid << 3) | 2
                )  # CPUCLOCK_SCHED of a process, see clock_getcpuclockid(3)
            except OSError:
                pass
        return sum(self.gone.values())

    def pss(self) -> float:
        """MiB of memory, shared pages counted once."""
        total = 0
        for pid in self.pids():
            try:
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            total += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
        return total / 1024

    def start(self) -> None:
        """Bring the side up, from nothing to APIs that answer."""
        raise NotImplementedError

    def stop(self) -> None:
        """End every process of this side: asked at first, then told; what others stand on (a database, a broker) goes last."""
        for wave in (
            [n for n in self.started if n not in self.last_to_go],
            [n for n in self.started if n in self.last_to_go],
        ):
            leaders = {self.started[n].pid for n in wave}
            for sign, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
                for pid in in_sessions(leaders):
                    try:
                        os.kill(pid, sign)
                    except ProcessLookupError:
                        pass
                end = time.monotonic() + patience
                while time.monotonic() < end and in_sessions(leaders):
                    for name in wave:
                        self.started[name].poll()
                    threading.Event().wait(0.1)
        self.started.clear()


class Ours(Side):
    """Virga with its simulated machines and switch, its database on the disk."""

    name = "virga"

    def start(self) -> None:
        """One process; it is up when it listens."""
        port = free_ports(1)[0]
        words = ["-m", "virga", "--state", self.folder / "state", "up", "--sim", "--listen", f"{HOST}:{port}"]
        env = {"VIRGA_ADMIN_PASSWORD": self.password, "VIRGA_SERVER_LOG_LEVEL": "error"}
        self.run("virga", ROOT / ".venv/bin/python", *words, **env)
        self.auth = f"http://{HOST}:{port}/identity/v3"
        self.listens("virga", port)


class Theirs(Side):
    """Keystone, Glance, Placement, Nova, Neutron, each behind uWSGI with two workers, and MariaDB, RabbitMQ, memcached. Nova's machines
    are its own fake ones, Neutron's switch is `bind_anywhere`."""

    name = "upstream"
    last_to_go = ("mysql", "memcached", "rabbit", "epmd")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        names = ("keystone", *SERVICES, "mysql", "memcached", "rabbit", "rabbit-dist", "epmd")
        self.port = dict(zip(names, free_ports(len(names)), strict=True))
        self.secret = secrets.token_hex(12)
        self.auth = f"http://{HOST}:{self.port['keystone']}/v3"
        self.endpoints = {
            "image": f"http://{HOST}:{self.port['glance']}",
            "compute": f"http://{HOST}:{self.port['nova']}/v2.1",
            "placement": f"http://{HOST}:{self.port['placement']}",
            "network": f"http://{HOST}:{self.port['neutron']}",
        }

    # -- configuration ---------------------------------------------------------------------------------------------

    def write(self, name: str, sections: dict[str, dict[str, object]]) -> Path:
        """A service's configuration, readable by its owner only."""
        words = configparser.RawConfigParser(default_section="")
        words.optionxform = str  # type: ignore[method-assign, assignment]
        words.read_dict(sections)
        path = self.folder / "etc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w") as f:
            words.write(f)
        path.chmod(0o600)
        return path

    def database(self, name: str, user: str = "") -> dict[str, object]:
        """Where a service's tables are."""
        where = f"{HOST}:{self.port['mysql']}/{name}?charset=utf8mb4"
        return {"connection": f"mysql+pymysql://{user or name}:{self.secret}@{where}"}

    def account(self, user: str) -> dict[str, object]:
        """How a service logs in when it asks another."""
        return {
            "auth_type": "password",
            "auth_url": self.auth,
            "project_domain_name": "Default",
            "user_domain_name": "Default",
            "project_name": "service",
            "region_name": "RegionOne",
            "username": user,
            "password": self.secret,
        }

    def checks(self, user: str) -> dict[str, object]:
        """How a service checks the tokens that it is shown: with a memory for them."""
        return self.account(user) | {
            "www_authenticate_uri": self.auth,
            "memcached_servers": f"{HOST}:{self.port['memcached']}",
            "service_token_roles_required": "true",
        }

    def configure(self) -> None:
        """Write every file that the services read. Quotas are off, durability is each program's own default."""
        folder, log = self.folder, self.folder / "log"
        for name in (
            "log",
            "lock",
            "images",
            "staging",
            "tasks",
            "nova",
            "neutron",
            "rabbit",
            "plugins/bind_anywhere-1.dist-info",
        ):
            (folder / name).mkdir(parents=True, exist_ok=True)
        plug = folder / "plugins/bind_anywhere-1.dist-info"
        (plug / "METADATA").write_text("Metadata-Version: 2.1\nName: bind_anywhere\nVersion: 1\n")
        (plug / "entry_points.txt").write_text(
            "[neutron.ml2.mechanism_drivers]\nbind_anywhere = upstream.bind_anywhere:BindAnywhere\n"
        )
        cache = {
            "enabled": "true",
            "backend": "dogpile.cache.pymemcache",
            "memcache_servers": f"{HOST}:{self.port['memcached']}",
        }
        broker = f"rabbit://guest:guest@{HOST}:{self.port['rabbit']}/"
        locks: dict[str, object] = {"lock_path": folder / "lock"}
        etc = UPSTREAM / "etc"
        self.write(
            "my.cnf",
            {
                "mysqld": {
                    "datadir": folder / "mysql",
                    "socket": folder / "mysql.sock",
                    "pid-file": folder / "mysql.pid",
                    "port": self.port["mysql"],
                    "bind-address": HOST,
                    "skip-name-resolve": "1",
                    "max_connections": 400,
                    "innodb_buffer_pool_size": "256M",
                    "character-set-server": "utf8mb4",
                }
            },
        )
        self.write(
            "keystone/keystone.conf",
            {
                "DEFAULT": {"log_file": log / "keystone.log"},
                "database": self.database("keystone"),
                "token": {"provider": "fernet"},
                "fernet_tokens": {"key_repository": folder / "fernet"},
                "credential": {"key_repository": folder / "credential"},
                "cache": cache,
            },
        )
        self.write(
            "glance/glance-api.conf",
            {
                "DEFAULT": {
                    "log_file": log / "glance.log",
                    "enabled_backends": "local:file",
                    "worker_self_reference_url": self.endpoints["image"],
                },
                "glance_store": {"default_backend": "local"},
                "local": {"filesystem_store_datadir": folder / "images"},
                "os_glance_staging_store": {"filesystem_store_datadir": folder / "staging"},
                "os_glance_tasks_store": {"filesystem_store_datadir": folder / "tasks"},
                "database": self.database("glance"),
                "paste_deploy": {"flavor": "keystone", "config_file": etc / "glance/glance-api-paste.ini"},
                "oslo_concurrency": locks,
                "keystone_authtoken": self.checks("glance"),
            },
        )
        self.write(
            "placement/placement.conf",
            {
                "DEFAULT": {"log_file": log / "placement.log"},
                "placement_database": self.database("placement"),
                "api": {"auth_strategy": "keystone"},
                "keystone_authtoken": self.checks("placement"),
            },
        )
        self.write(
            "neutron/neutron.conf",
            {
                "DEFAULT": {
                    "log_dir": log,
                    "state_path": folder / "neutron",
                    "core_plugin": "ml2",
                    "service_plugins": "router",
                    "auth_strategy": "keystone",
                    "transport_url": broker,
                    "notify_nova_on_port_status_changes": "true",
                    "notify_nova_on_port_data_changes": "true",
                    "api_paste_config": etc / "neutron/api-paste.ini",
                    "rpc_workers": 1,
                    "rpc_state_report_workers": 0,
                    "dhcp_agent_notification": "false",
                },
                "database": self.database("neutron"),
                "oslo_concurrency": locks,
                "quotas": {
                    f"quota_{n}": -1 for n in ("network", "subnet", "port", "security_group", "security_group_rule")
                },
                "nova": self.account("nova"),
                "keystone_authtoken": self.checks("neutron"),
            },
        )
        self.write(
            "neutron/ml2_conf.ini",
            {
                "ml2": {
                    "type_drivers": "flat,vlan,vxlan,local",
                    "tenant_network_types": "vxlan",
                    "mechanism_drivers": "bind_anywhere",
                    "extension_drivers": "port_security",
                },
                "ml2_type_vxlan": {"vni_ranges": "1:100000"},
                "securitygroup": {"enable_security_group": "true"},
            },
        )
        self.write(
            "nova/nova.conf",
            {
                "DEFAULT": {
                    "log_dir": log,
                    "state_path": folder / "nova",
                    "transport_url": broker,
                    "compute_driver": "fake.FakeDriver",
                    "my_ip": HOST,
                    "host": "bench",
                    "use_cow_images": "false",
                },
                "api_database": self.database("nova_api", "nova"),
                "database": self.database("nova"),
                "quota": dict.fromkeys(("instances", "cores", "ram", "server_groups"), -1),
                "wsgi": {"api_paste_config": etc / "nova/api-paste.ini"},
                "api": {"auth_strategy": "keystone"},
                "conductor": {"workers": WORKERS},
                "scheduler": {"workers": 1},
                "oslo_concurrency": locks,
                "cache": cache,
                "glance": {"api_servers": self.endpoints["image"]},
                "vnc": {"enabled": "false"},
                "upgrade_levels": {"compute": "auto"},
                "notifications": {"notification_format": "unversioned"},
                "neutron": self.account("neutron"),
                "placement": self.account("placement"),
                "service_user": self.account("nova") | {"send_service_user_token": "true"},
                "keystone_authtoken": self.checks("nova"),
            },
        )
        (folder / "etc/nova/api-paste.ini").symlink_to(etc / "nova/api-paste.ini")  # searched beside nova.conf only
        (folder / "nova/compute_id").write_text(str(uuid.uuid4()))

    # -- processes -------------------------------------------------------------------------------------------------

    def web(self, name: str, module: str, **env: str) -> None:
        """A service's API behind uWSGI."""
        words = f"--http-socket {HOST}:{self.port[name]} --module {module}:application --master --processes {WORKERS} --threads 1"
        words += " --enable-threads --thunder-lock --lazy-apps --need-app --die-on-term --buffer-size 65535 --disable-logging"
        words += " --chunked-input-limit 16777216 --add-header"
        self.run(name, UPSTREAM / "bin/uwsgi", *words.split(), "Connection: close", **self.env, **env)

    def start(self) -> None:
        """From nothing: tables, first user, services, endpoints, a host that takes machines."""
        from concurrent.futures import ThreadPoolExecutor

        self.configure()
        folder, etc = self.folder, self.folder / "etc"
        self.env = {
            "PATH": f"{UPSTREAM / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": f"{ROOT / 'scripts'}:{folder / 'plugins'}",
            "HOME": str(folder),
        }
        say("upstream: MariaDB, RabbitMQ, memcached")
        self.run("memcached", "memcached", "-u", "root", "-l", HOST, "-p", str(self.port["memcached"]), "-U", "0")
        self.run("epmd", "epmd", "-port", str(self.port["epmd"]), "-address", HOST)
        (folder / "rabbit/plugins").write_text("[].\n")
        self.listens("epmd", self.port["epmd"])
        self.run(
            "rabbit",
            RABBIT,
            RABBITMQ_NODENAME="bench@localhost",
            RABBITMQ_NODE_IP_ADDRESS=HOST,
            RABBITMQ_NODE_PORT=str(self.port["rabbit"]),
            RABBITMQ_DIST_PORT=str(self.port["rabbit-dist"]),
            RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}",
            ERL_EPMD_PORT=str(self.port["epmd"]),
            ERL_EPMD_ADDRESS=HOST,
            RABBITMQ_MNESIA_BASE=str(folder / "rabbit"),
            RABBITMQ_LOG_BASE=str(folder / "log"),
            RABBITMQ_ENABLED_PLUGINS_FILE=str(folder / "rabbit/plugins"),
            RABBITMQ_CONF_ENV_FILE="/dev/null",
            RABBITMQ_CONFIG_FILE=str(folder / "rabbit/none"),
            RABBITMQ_PID_FILE=str(folder / "rabbit/pid"),
            HOME=str(folder / "rabbit"),
        )
        words = ["--user=root", f"--datadir={folder / 'mysql'}", "--auth-root-authentication-method=normal"]
        self.do("mysql-install", "mariadb-install-db", "--no-defaults", *words)
        self.run("mysql", "mariadbd", f"--defaults-file={etc / 'my.cnf'}", "--user=root")
        for name in ("mysql", "memcached", "rabbit"):
            self.listens(name, self.port[name])
        sql = "".join(
            f"CREATE DATABASE {d}; CREATE USER IF NOT EXISTS '{d.partition('_')[0]}'@'%' IDENTIFIED BY '{self.secret}';"
            f"GRANT ALL ON {d}.* TO '{d.partition('_')[0]}'@'%';"
            for d in ("keystone", "glance", "nova_api", "nova", "nova_cell0", "placement", "neutron")
        )
        self.do("sql", "mariadb", "--no-defaults", "-h", HOST, "-P", str(self.port["mysql"]), "-u", "root", "-e", sql)
        say("upstream: tables (a minute)")
        keystone = [UPSTREAM / "bin/keystone-manage", "--config-file", etc / "keystone/keystone.conf"]
        nova = [UPSTREAM / "bin/nova-manage", "--config-file", etc / "nova/nova.conf"]
        neutron = ["--config-file", etc / "neutron/neutron.conf", "--config-file", etc / "neutron/ml2_conf.ini"]
        cell0 = str(self.database("nova_cell0", "nova")["connection"])

        def tables_of_keystone() -> None:
            self.do("keystone-tables", *keystone, "db_sync")
            for kind in ("fernet_setup", "credential_setup"):
                self.do("keystone-tables", *keystone, kind, "--keystone-user", "root", "--keystone-group", "root")
            urls = [f"--bootstrap-{kind}-url={self.auth}" for kind in ("public", "internal", "admin")]
            words = [f"--bootstrap-password={self.password}", "--bootstrap-region-id=RegionOne", *urls]
            self.do("keystone-tables", *keystone, "bootstrap", *words)

        def tables_of_nova() -> None:
            self.do("nova-tables", *nova, "api_db", "sync")
            self.do("nova-tables", *nova, "cell_v2", "map_cell0", "--database_connection", cell0)
            self.do("nova-tables", *nova, "db", "sync")
            self.do("nova-tables", *nova, "cell_v2", "create_cell", "--name=cell1")

        def tables_of_others() -> None:
            glance = [UPSTREAM / "bin/glance-manage", "--config-file", etc / "glance/glance-api.conf"]
            self.do("glance-tables", *glance, "db_sync")
            placement = [UPSTREAM / "bin/placement-manage", "--config-dir", etc / "placement"]
            self.do("placement-tables", *placement, "db", "sync", OS_PLACEMENT_CONFIG_DIR=str(etc / "placement"))
            self.do("neutron-tables", UPSTREAM / "bin/neutron-db-manage", *neutron, "upgrade", "heads", **self.env)

        with ThreadPoolExecutor(3) as pool:
            for job in [pool.submit(f) for f in (tables_of_keystone, tables_of_nova, tables_of_others)]:
                job.result()
        say("upstream: services")
        self.web("keystone", "keystone.wsgi.api", OS_KEYSTONE_CONFIG_FILES=str(etc / "keystone/keystone.conf"))
        self.listens("keystone", self.port["keystone"])
        self.enlist()
        self.web("placement", "placement.wsgi.api", OS_PLACEMENT_CONFIG_DIR=str(etc / "placement"))
        self.web("glance", "glance.wsgi.api", OS_GLANCE_CONFIG_DIR=str(etc / "glance"))
        files = {"OS_NEUTRON_CONFIG_DIR": str(etc / "neutron"), "OS_NEUTRON_CONFIG_FILES": "neutron.conf;ml2_conf.ini"}
        self.web("neutron", "neutron.wsgi.api", **files)
        for name in ("neutron-rpc-server", "neutron-periodic-workers"):
            self.run(name, UPSTREAM / f"bin/{name}", *neutron, **self.env)
        self.web("nova", "nova.wsgi.osapi_compute", OS_NOVA_CONFIG_DIR=str(etc / "nova"))
        for name in ("nova-conductor", "nova-scheduler"):
            self.run(name, UPSTREAM / f"bin/{name}", "--config-file", etc / "nova/nova.conf", **self.env)
        script = [UPSTREAM / "bin/python", ROOT / "scripts/upstream/nova_compute.py"]
        self.run("nova-compute", *script, "--config-file", etc / "nova/nova.conf", **self.env)
        for name in SERVICES:
            self.listens(name, self.port[name])
        self.admit([*nova, "cell_v2", "discover_hosts"])

    def enlist(self) -> None:
        """Users and endpoints of the services, as every guide for installing OpenStack makes them."""
        from upstream.client import Talk

        talk = Talk(self)
        projects, users, roles = f"{self.auth}/projects", f"{self.auth}/users", f"{self.auth}/roles"
        have = {r["name"]: r["id"] for r in talk.get(roles)["roles"]}
        if "service" not in have:
            have["service"] = talk.post(roles, {"role": {"name": "service"}})["role"]["id"]
        project = talk.post(projects, {"project": {"name": "service", "domain_id": "default"}})["project"]["id"]
        for name in SERVICES:
            new = {"name": name, "domain_id": "default", "password": self.secret}
            user = talk.post(users, {"user": new})["user"]["id"]
            for role in ("admin", "service"):
                talk.ask("PUT", f"{projects}/{project}/users/{user}/roles/{have[role]}")
        for kind, url in self.endpoints.items():
            service = talk.post(f"{self.auth}/services", {"service": {"name": kind, "type": kind}})["service"]["id"]
            for face in ("public", "internal", "admin"):
                point = {"service_id": service, "interface": face, "url": url, "region_id": "RegionOne"}
                talk.post(f"{self.auth}/endpoints", {"endpoint": point})

    def admit(self, discover: list[str | Path]) -> None:
        """Wait for the host of machines and give it to its cell."""
        from upstream.client import Talk

        say("upstream: waits for its host of machines")
        talk, compute = Talk(self), self.endpoints["compute"]
        url = f"{compute}/os-services?binary=nova-compute"
        self.wait("nova-compute", lambda: any(s["state"] == "up" for s in talk.get(url)["services"]))
        self.do("nova-discover", *discover)
        self.wait("nova-compute", lambda: bool(talk.get(f"{compute}/os-hypervisors")["hypervisors"]))
