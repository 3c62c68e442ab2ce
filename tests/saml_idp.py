# SPDX-License-Identifier: Apache-2.0
"""A real SAML 2 identity provider for tests: Debian's SimpleSAMLphp under PHP's own web server, as our child, its files in a folder."""

from __future__ import annotations

import datetime as dt
import html
import os
import re
import socket
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from directories import free_port
from virga.client import wait

WWW = Path("/usr/share/simplesamlphp/www")
PEOPLE = {"anna": ("anna-pw", ["engineers", "cooks"]), "bob": ("bob-pw", ["guests"])}


def key_and_certificate(folder: Path, name: str) -> tuple[bytes, bytes]:
    """A fresh key with its own certificate, as PEM; also written to the folder."""
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=9))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    certificate = made.public_bytes(serialization.Encoding.PEM)
    (folder / f"{name}.pem").write_bytes(pem)
    (folder / f"{name}.crt").write_bytes(certificate)
    return pem, certificate


class SimpleSaml:
    """`url` is its address, `metadata` that of its metadata, `key` and `certificate` what it signs with."""

    def __init__(self, folder: Path) -> None:
        if not WWW.exists():
            pytest.fail("SimpleSAMLphp is not installed: 'scripts/deps test' brings it")
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.metadata, self.entity = f"{self.url}/saml2/idp/metadata.php", f"{self.url}/idp"
        for name in ("config", "metadata", "cert", "tmp", "log", "data", "sessions"):
            (folder / name).mkdir(parents=True)
        self.key, self.certificate = key_and_certificate(folder / "cert", "idp")
        people = ",\n".join(
            f"'{name}:{password}' => ['uid' => ['{name}'], 'mail' => ['{name}@corp.test'], 'groups' => [{', '.join(repr(g) for g in groups)}]]"
            for name, (password, groups) in PEOPLE.items()
        )
        self._php("config/authsources.php", f"$config = ['people' => ['exampleauth:UserPass', {people}]];")
        self._php(
            "config/config.php",
            f"""$config = [
'baseurlpath' => '{self.url}/', 'certdir' => '{folder}/cert/', 'loggingdir' => '{folder}/log/', 'datadir' => '{folder}/data/',
'tempdir' => '{folder}/tmp', 'metadatadir' => '{folder}/metadata', 'technicalcontact_email' => 'na@example.org', 'timezone' => 'UTC',
'secretsalt' => '{os.urandom(16).hex()}', 'auth.adminpassword' => '{os.urandom(16).hex()}', 'admin.protectindexpage' => true,
'debug' => ['saml' => false, 'backtraces' => true], 'showerrors' => true, 'errorreporting' => false, 'logging.handler' => 'file', 'logging.level' => 5,
'enable.saml20-idp' => true, 'module.enable' => ['exampleauth' => true, 'core' => true, 'saml' => true], 'session.cookie.secure' => false,
'session.phpsession.savepath' => '{folder}/sessions', 'store.type' => 'phpsession', 'metadata.sources' => [['type' => 'flatfile']], 'language.default' => 'en',
];""",
        )
        self._php(
            "metadata/saml20-idp-hosted.php",
            f"""$metadata['{self.entity}'] = ['host' => '__DEFAULT__', 'privatekey' => 'idp.pem', 'certificate' => 'idp.crt', 'auth' => 'people',
'saml20.ecp' => true, 'signature.algorithm' => 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256'];""",
        )
        self._php("metadata/saml20-sp-remote.php", "$metadata = [];")
        words = [
            "php",
            "-d",
            "session.save_path=" + str(folder / "sessions"),
            "-S",
            f"127.0.0.1:{self.port}",
            "-t",
            str(WWW),
        ]
        env = os.environ | {"SIMPLESAMLPHP_CONFIG_DIR": str(folder / "config"), "PHP_CLI_SERVER_WORKERS": "2"}
        self.process = subprocess.Popen(
            words, stdout=subprocess.DEVNULL, stderr=open(folder / "php.log", "wb"), env=env, start_new_session=True
        )

        def there() -> bool:
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", self.port)) == 0

        assert wait(there, 15, every=0.05), (folder / "php.log").read_text()

    def _php(self, file: str, text: str) -> None:
        (self.folder / file).write_text(f"<?php\n{text}\n")

    def trust(self, entity: str, address: str, **more: str) -> None:
        """Know a service provider, whose assertions go to `address`."""
        services = ", ".join(
            f"['index' => {n}, 'isDefault' => {'true' if n == 0 else 'false'}, 'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:{binding}', 'Location' => '{address}']"
            for n, binding in enumerate(("HTTP-POST", "PAOS"))
        )
        rest = "".join(f", '{k}' => {v}" for k, v in more.items())
        file = self.folder / "metadata/saml20-sp-remote.php"
        file.write_text(
            file.read_text() + f"$metadata['{entity}'] = ['AssertionConsumerService' => [{services}]{rest}];\n"
        )

    def end(self) -> None:
        os.killpg(self.process.pid, 15)
        self.process.wait(10)


class Browser:
    """A person at the provider's pages: follows redirects, fills in the form, brings back the provider's form."""

    def __init__(self) -> None:
        self.http = httpx.Client(follow_redirects=False, timeout=20)

    def log_in(self, start: str, user: str, password: str) -> tuple[str, dict[str, str]]:
        """From the cloud's address to the form that the provider has the browser post: (address, fields)."""
        answer = self.http.get(start)
        for _ in range(8):
            if answer.status_code in {302, 303}:
                answer = self.http.get(str(httpx.URL(str(answer.url)).join(answer.headers["location"])))
            elif 'name="username"' in answer.text:
                fields = form(answer.text)[1] | {"username": user, "password": password}
                answer = self.http.post(str(answer.url).split("?")[0], data=fields)
            else:
                break
        assert answer.status_code == 200 and "SAMLResponse" in answer.text, (answer.status_code, answer.text[:2000])
        return form(answer.text)

    def post(self, address: str, fields: dict[str, str]) -> Any:
        return self.http.post(address, data=fields)


def form(page: str) -> tuple[str, dict[str, str]]:
    action = re.search(r'<form[^>]*action="([^"]+)"', page)
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))
    return html.unescape(action[1]) if action else "", {k: html.unescape(v) for k, v in fields.items()}


def host_of(url: str) -> str:
    return urlsplit(url).netloc
