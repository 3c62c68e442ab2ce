# SPDX-License-Identifier: Apache-2.0
"""A real OpenLDAP for tests: slapd as our child, its files in a folder of its own, on free ports of the loopback."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from virga.client import wait
from virga.serving import own_certificate

SUFFIX = "dc=corp,dc=test"
ADMIN = f"cn=admin,{SUFFIX}"
SECRET = "dir-secret"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Slapd:
    """`url` is plain (with StartTLS), `secure` is ldaps; `ca` verifies both. A search without pages gives 50 entries at most."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("slapd", path="/usr/sbin:/usr/bin")
        if program is None:
            pytest.fail("slapd is not installed: 'scripts/deps test' brings it")
        self.program, self.folder = program, folder
        self.url, self.secure = f"ldap://127.0.0.1:{free_port()}", f"ldaps://127.0.0.1:{free_port()}"
        (folder / "db").mkdir(parents=True)
        (folder / "run").mkdir()
        self.ca, key = own_certificate(folder, frozenset({"127.0.0.1", "localhost"}))
        (folder / "slapd.conf").write_text(
            f"""
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/run/pid
argsfile {folder}/run/args
TLSCertificateFile {self.ca}
TLSCertificateKeyFile {key}
database mdb
suffix "{SUFFIX}"
rootdn "{ADMIN}"
rootpw {SECRET}
directory {folder}/db
maxsize 1073741824
dbnosync
sizelimit size.soft=50 size.hard=50 size.pr=none size.prtotal=unlimited
index objectClass,cn,sn,uid,member eq
access to attrs=userPassword by anonymous auth by self write by * none
access to * by users read by anonymous auth
"""
        )
        self.process: subprocess.Popen[bytes] | None = None
        self.start()
        self.load(
            f"dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\no: Corp\ndc: corp\n\n"
            f"dn: ou=Users,{SUFFIX}\nobjectClass: organizationalUnit\nou: Users\n\n"
            f"dn: ou=UserGroups,{SUFFIX}\nobjectClass: organizationalUnit\nou: UserGroups\n\n"
            f"dn: cn=reader,{SUFFIX}\nobjectClass: applicationProcess\nobjectClass: simpleSecurityObject\ncn: reader\nuserPassword: look\n"
        )

    def start(self) -> None:
        words = [self.program, "-d", "0", "-h", f"{self.url}/ {self.secure}/", "-f", str(self.folder / "slapd.conf")]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=open(self.folder / "log", "ab"))
        host, port = self.url.removeprefix("ldap://").split(":")

        def there() -> bool:
            with socket.socket() as s:
                return s.connect_ex((host, int(port))) == 0

        assert wait(there, 10, every=0.02), (self.folder / "log").read_text()

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def load(self, ldif: str) -> None:
        """Add entries."""
        self._tool("ldapadd", ldif)

    def change(self, ldif: str) -> None:
        self._tool("ldapmodify", ldif)

    def _tool(self, tool: str, ldif: str) -> None:
        words = [tool, "-x", "-H", self.url, "-D", ADMIN, "-w", SECRET]
        done = subprocess.run(words, input=ldif, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr

    def user(self, uid: str, password: str = "pw", more: str = "") -> str:
        """Add a user; gives its DN."""
        self.load(
            f"dn: cn={uid},ou=Users,{SUFFIX}\nobjectClass: inetOrgPerson\ncn: {uid}\nsn: {uid}\nuserPassword: {password}\n{more}"
        )
        return f"cn={uid},ou=Users,{SUFFIX}"

    def group(self, cn: str, *members: str) -> str:
        lines = "".join(f"member: {m}\n" for m in members)
        self.load(f"dn: cn={cn},ou=UserGroups,{SUFFIX}\nobjectClass: groupOfNames\ncn: {cn}\nou: {cn}\n{lines}")
        return f"cn={cn},ou=UserGroups,{SUFFIX}"
