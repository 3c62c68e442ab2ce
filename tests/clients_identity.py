# SPDX-License-Identifier: Apache-2.0
"""Every identity command of the openstack client, once, in one process. Run by the client's own Python:
`.venv-clients/bin/python tests/clients_identity.py AUTH_URL PASSWORD` prints one JSON object: command → [exit code, last words], and
`missing`, the commands of the client that no line below tries."""

from __future__ import annotations

import collections
import contextlib
import io
import json
import re
import sys
import tempfile
from importlib.metadata import entry_points
from pathlib import Path

FOLDER = Path(tempfile.mkdtemp(prefix="virga-cli-"))
(FOLDER / "rules.json").write_text(json.dumps([{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "sub"}]}]))
(FOLDER / "policy.json").write_text('{"default": "role:admin"}')
(FOLDER / "access.json").write_text(json.dumps([{"service": "compute", "method": "GET", "path": "/v2.1/servers"}]))

# `name=` before a command keeps what it prints as {name}; `?` before one allows a clear refusal (what it needs is not here)
LINES = """
domain=domain create --description d cli-domain
domain list
domain show {domain}
domain set --description e cli-domain
project=project create --domain default --tag blue --property a=b cli-project
project list --long
project list --tags blue
project show {project} --children --parents
project set --tag green --description x {project}
user=user create --domain default --password pw --email a@b.c --project {project} cli-user
user list --long
user list --project {project}
user show {user}
user set --description x {user}
group=group create --domain default cli-group
group list --long
group show {group}
group set --description x {group}
group add user {group} {user}
group contains user {group} {user}
group list --user {user}
user list --group {group}
role=role create --description x cli-role
role list
role show {role}
role set --name cli-role-2 {role}
role add --project {project} --user {user} {role}
role add --project {project} --user {user} member
role add --system all --group {group} reader
role add --domain default --user {user} --inherited reader
role assignment list --names --effective
role assignment list --user {user} --project {project}
role remove --domain default --user {user} --inherited reader
implied role create {role} --implied-role reader
implied role list
implied role delete {role} --implied-role reader
region create --description r cli-region
region list
region show cli-region
region set --description q cli-region
service=service create --name cli-service --description x cli-type
service list --long
service show {service}
service set --description y {service}
endpoint=endpoint create --region cli-region {service} public http://x.example/
endpoint list
endpoint show {endpoint}
endpoint set --url http://y.example/ {endpoint}
endpoint add project {endpoint} {project}
endpoint list --project {project}
endpoint remove project {endpoint} {project}
endpoint group create cli-eg {folder}/filters.json
endpoint group list
endpoint group show cli-eg
endpoint group set --description x cli-eg
endpoint group add project cli-eg {project}
endpoint group list --project {project}
endpoint group remove project cli-eg {project}
endpoint group delete cli-eg
credential=credential create --type cert --project {project} {user} blob
credential list
credential show {credential}
credential set --user {user} --type cert --data other --project {project} {credential}
credential delete {credential}
access=ec2 credentials create
ec2 credentials list
ec2 credentials show {access}
ec2 credentials delete {access}
application credential create --role member --access-rules {folder}/access.json --expiration 2099-01-01T00:00:00 cli-app
application credential list
application credential show cli-app
access_rule=access rule list
access rule show {access_rule}
application credential delete cli-app
access rule delete {access_rule}
trust=trust create --project admin --role member --impersonate admin {user}
trust list
trust show {trust}
trust delete {trust}
policy=policy create --type application/json {folder}/policy.json
policy list --long
policy show {policy}
policy set --type text/plain {policy}
policy delete {policy}
registered=registered limit create --service {service} --default-limit 5 cli-resource
registered limit list
registered limit show {registered}
registered limit set --default-limit 6 {registered}
limit=limit create --project {project} --service {service} --resource-limit 7 cli-resource
limit list
limit show {limit}
limit set --resource-limit 8 {limit}
limit delete {limit}
registered limit delete {registered}
catalog list
catalog show identity
token=token issue
token revoke {token}
user password set --original-password wrong --password other
?consumer=consumer create --description c
?consumer list
?consumer show {consumer}
?consumer set --description d {consumer}
?request token create --consumer-key {consumer} --consumer-secret x --project admin
?request token authorize --request-key x --role member
?access token create --consumer-key {consumer} --consumer-secret x --request-key y --request-secret z --verifier v
?consumer delete {consumer}
?identity provider create --remote-id r cli-idp
?identity provider list
?identity provider show cli-idp
?identity provider set --description x cli-idp
?mapping create --rules {folder}/rules.json cli-map
?mapping list
?mapping show cli-map
?mapping set --rules {folder}/rules.json cli-map
?federation protocol create --identity-provider cli-idp --mapping cli-map openid
?federation protocol list --identity-provider cli-idp
?federation protocol show --identity-provider cli-idp openid
?federation protocol set --identity-provider cli-idp --mapping cli-map openid
?federation protocol delete --identity-provider cli-idp openid
?mapping delete cli-map
?identity provider delete cli-idp
?service provider create --auth-url http://a/ --service-provider-url http://b/ cli-sp
?service provider list
?service provider show cli-sp
?service provider set --description x cli-sp
?service provider delete cli-sp
?federation project list
?federation domain list
endpoint delete {endpoint}
service delete {service}
region delete cli-region
role remove --project {project} --user {user} {role}
role delete {role}
group remove user {group} {user}
group delete {group}
user delete {user}
project delete {project}
domain set --disable cli-domain
domain delete cli-domain
"""
(FOLDER / "filters.json").write_text('{"interface": "public"}')


def run(shell: type, words: list[str]) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = int(shell().run(words) or 0)
        except SystemExit as e:
            code = int(e.code or 0) if not isinstance(e.code, str) else 1
    return code, out.getvalue(), err.getvalue()


def main(auth_url: str, password: str) -> None:
    from openstackclient.shell import OpenStackShell

    options = [
        "--os-auth-url",
        auth_url,
        "--os-username",
        "admin",
        "--os-password",
        password,
        "--os-project-name",
        "admin",
        "--os-user-domain-name",
        "Default",
        "--os-project-domain-name",
        "Default",
        "--os-identity-api-version",
        "3",
        "--os-region-name",
        "RegionOne",
    ]
    commands = sorted(
        (e.name.replace("_", " ") for e in entry_points(group="openstack.identity.v3")), key=len, reverse=True
    )
    stored = collections.defaultdict(lambda: "nothing", folder=str(FOLDER))
    tried: dict[str, list[object]] = {}
    wrong: list[str] = []
    for line in filter(None, (x.strip() for x in LINES.splitlines())):
        soft, text = line.startswith("?"), line.removeprefix("?")
        keep = re.match(r"(\w+)=(?=[a-z])", text)
        text = text[keep.end() :] if keep else text
        words = [w.format_map(stored) for w in text.split()]
        command = next(c for c in commands if text.startswith(c))
        shows = keep is not None and not command.endswith("list")
        code, out, err = run(
            OpenStackShell, [*options, *words, *(["-f", "json"] if shows or command.endswith("list") else [])]
        )
        answer = (err.strip() or out.strip())[-400:]
        tried[text] = [code, answer]
        if keep and code == 0:
            found = json.loads(out)
            found = found[0] if isinstance(found, list) else found
            stored[keep[1]] = str(found.get("access") or found.get("id") or found.get("ID"))
        clear = (
            re.search(
                r"HTTP 4\d\d|\(4\d\d\)|4\d\d[: ]|No .* found|not found|could not be found|oauthlib must be installed",
                answer,
            )
            is not None
        )
        if code and not (clear and (soft or "wrong" in words)):
            wrong.append(f"{text}: {answer}")
    done = {next(c for c in commands if t.startswith(c)) for t in tried}
    print(json.dumps({"tried": len(tried), "wrong": wrong, "missing": sorted(set(commands) - done)}))


if __name__ == "__main__":
    main(*sys.argv[1:3])
