# SPDX-License-Identifier: Apache-2.0
"""The command line. `virga up` starts a cloud, `virga down` ends it; the rest looks, explains and helps."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from virga import __version__
from virga.cli_identity import identity
from virga.cli_images import image
from virga.cli_objects import objects, serve

if TYPE_CHECKING:
    from virga.client import Client
    from virga.settings import Settings

GUEST_IMAGE = "virga-guest"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="virga")
@click.option(
    "--state",
    metavar="DIR",
    help="The folder that holds the cloud. Default: /var/lib/virga for root, ~/.local/state/virga for others.",
)
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A settings file; default: virga.toml in the state folder.",
)
@click.pass_context
def main(ctx: click.Context, state: str | None, config: Path | None) -> None:
    """Virga: OpenStack that starts in two seconds, never gets stuck, and always tells you why.

    \b
    First steps:
      virga up --sim --ephemeral    a simulated cloud in memory; no root, nothing installed
      virga doctor                  what this machine lacks for a real one
      virga up -d                   a real cloud in the background
      virga launch first            a machine, with everything it needs; prints its ssh line
      source $(virga openrc)        then use openstack, Terraform, your own tools
      virga down                    stop; machines keep running. --purge leaves nothing behind
    """
    ctx.obj = {"state": state, "config": config}


for command in (identity, image, objects, serve):
    main.add_command(command)


def _settings(ctx: click.Context, **over: Any) -> Settings:
    from virga.settings import SettingsError, load

    try:
        return load(ctx.obj["config"], **({"state": ctx.obj["state"]} | over))
    except SettingsError as e:
        raise click.ClickException(str(e)) from None


class Steps:
    """Progress, a line a step, with the time it took."""

    def __init__(self) -> None:
        self._name, self._since = "", 0.0
        self._live = sys.stderr.isatty()

    def __call__(self, name: str) -> None:
        self.done()
        self._name, self._since = name, time.monotonic()
        if self._live:
            click.echo(click.style("  ... ", fg="yellow") + name, nl=False, err=True)

    def done(self, word: str = "ok") -> None:
        if self._name:
            mark = click.style(f"  {word:<4}", fg="green" if word == "ok" else "red")
            click.echo(
                ("\r" if self._live else "")
                + f"{mark}{self._name}  {time.monotonic() - self._since:.1f} s"
                + ("\033[K" if self._live else ""),
                err=True,
            )
        self._name = ""


# -- up and down ---------------------------------------------------------------------------------------------------


@main.command()
@click.option("--sim", is_flag=True, help="Simulated machines, networks and disks: no root, no packages.")
@click.option("--ephemeral", is_flag=True, help="Keep everything in memory; it is gone at the end. (Only with --sim.)")
@click.option("--listen", metavar="HOST:PORT", help="Where all APIs listen. Default: 127.0.0.1:8700.")
@click.option("-d", "--detach", is_flag=True, help="Start in the background and return when the cloud is ready.")
@click.option(
    "--sim-fail",
    multiple=True,
    metavar="POINT=N%",
    help="Make a verb fail that often: compute.spawn=5%, compute.stop, compute.reboot, compute.withdraw.",
)
@click.option(
    "--sim-clock", is_flag=True, help='Simulated time stands still until POST /sim/clock {"advance": seconds} moves it.'
)
@click.pass_context
def up(
    ctx: click.Context,
    sim: bool,
    ephemeral: bool,
    listen: str | None,
    detach: bool,
    sim_fail: tuple[str, ...],
    sim_clock: bool,
) -> None:
    """Start the cloud. Started twice, it says so; killed anywhere, the next start goes on where it was."""
    over: dict[str, Any] = {
        "server.listen": listen,
        "simulated": sim or None,
        "ephemeral": ephemeral or None,
        "sim.fail": list(sim_fail) or None,
        "sim.clock": sim_clock or None,
    }
    settings = _settings(ctx, **over)
    if settings.ephemeral and not settings.simulated:
        raise click.ClickException("--ephemeral needs --sim: real disks and networks cannot live in memory.")
    if not settings.ephemeral and (pid := _pid(settings)) is not None:
        click.echo(f"The cloud in {settings.state} is up already (pid {pid}), at {_url(settings)}.")
        return
    if detach:
        if settings.ephemeral:
            raise click.ClickException("--detach and --ephemeral do not go together: nobody could find it again.")
        _detach(settings, sys.argv)
        return
    _foreground(settings)


def _foreground(settings: Settings) -> None:
    from virga.ground import log

    log.setup(settings.server.log_level)
    from virga.app import Cloud, serve
    from virga.ground.errors import Broken

    steps = Steps()
    if not settings.simulated:
        _must_be_fit(settings)
    state = Path(settings.state)
    if not settings.ephemeral:
        state.mkdir(parents=True, exist_ok=True, mode=0o711)
        _remember(settings)
        _write_pid(state)
    steps("database and first accounts")
    cloud = Cloud(settings)
    guests = {"how": "leave"}
    try:
        try:
            cloud.prepare()
        except Broken as e:
            raise click.ClickException(
                f"{e} Restore that file from its copy; if it is lost, see 'virga keys forget'."
            ) from e
        if settings.simulated:
            cloud.simulate()
            cloud.stock()
        else:
            cloud.equip(steps)
        steps("loops, sagas, APIs")
        cloud.start()

        def ready(addresses: list[str]) -> None:
            steps.done()
            if not settings.ephemeral:
                write_openrc(settings)
            click.echo(f"Virga is ready at {_url(settings)}  (identity at {_url(settings)}/identity/v3)", err=True)

        async def run() -> None:
            stop = asyncio.Event()
            loop = asyncio.get_running_loop()
            for sig in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(sig, stop.set)

            def ending(how: str) -> None:
                guests["how"] = how
                stop.set()

            loop.add_signal_handler(signal.SIGUSR1, ending, "stop")
            loop.add_signal_handler(signal.SIGUSR2, ending, "kill")
            await serve(cloud, ready, stop)

        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(run())
    except BaseException:
        steps.done("FAIL")
        raise
    finally:
        cloud.stop(guests=guests["how"])
        if not settings.ephemeral:
            (state / "virga.pid").unlink(missing_ok=True)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop

        return uvloop.new_event_loop
    except ImportError:
        return asyncio.new_event_loop


def _must_be_fit(settings: Settings) -> None:
    from virga.doctor import check

    bad = [f for f in check(settings) if f.level == "bad"]
    if bad:
        lines = "\n".join(f"  {f.name}: {f.text}\n    -> {f.fix}" for f in bad)
        raise click.ClickException(
            f"This machine is not ready:\n{lines}\nOn Debian, 'make deps' installs what is missing; 'virga up --sim' needs nothing."
        )


def _remember(settings: Settings) -> None:
    """What the first start was told by flags and environment becomes this cloud's settings file, so that every later command
    means the same cloud."""
    file = Path(settings.state) / "virga.toml"
    if not file.exists():
        lines = [
            f"name = {json.dumps(settings.name)}",
            f"simulated = {json.dumps(settings.simulated)}",
            "",
            "[server]",
            f"listen = {json.dumps(settings.server.listen)}",
        ]
        lines += [
            "",
            "[network]",
            f"uplink = {json.dumps(settings.network.uplink)}",
            f"external_cidr = {json.dumps(settings.network.external_cidr)}",
        ]
        _private(
            file, "\n".join(["# Written by the first 'virga up'. 'virga config' prints every setting.", *lines]) + "\n"
        )


def _write_pid(state: Path) -> None:
    from virga.node.supervisor import started

    fresh = state / "virga.pid.new"
    fresh.write_text(f"{os.getpid()} {started(os.getpid())}")
    fresh.rename(state / "virga.pid")


def _pid(settings: Settings) -> int | None:
    from virga.node.supervisor import started

    try:
        pid, start = (Path(settings.state) / "virga.pid").read_text().split()[:2]
    except (OSError, ValueError):
        return None
    return int(pid) if started(int(pid)) == start else None


def _url(settings: Settings) -> str:
    return (
        settings.server.public_url.rstrip("/")
        or f"{'https' if settings.server.tls else 'http'}://{settings.server.listen}"
    )


def _detach(settings: Settings, argv: list[str]) -> None:
    """Start ourselves without a terminal, and wait until the cloud answers."""
    from virga.client import wait

    state = Path(settings.state)
    state.mkdir(parents=True, exist_ok=True, mode=0o711)
    words = [sys.executable, "-m", "virga", *[w for w in argv[1:] if w not in {"-d", "--detach"}]]
    with open(state / "virga.log", "ab") as out:
        at = out.tell()
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    printed = 0

    def ready() -> Any:
        nonlocal printed
        text = (state / "virga.log").read_bytes()[at:].decode(errors="replace")
        lines = [x for x in text.splitlines() if x.startswith(("  ok", "  FAIL", "Virga is ready"))]
        for line in lines[printed:]:
            click.echo(line)
        printed = len(lines)
        if child.poll() is not None:
            tail = "\n".join(x for x in text.splitlines()[-25:] if not x.startswith("  ok"))
            raise click.ClickException(f"The cloud did not start (exit {child.returncode}):\n{tail}")
        return any(x.startswith("Virga is ready") for x in lines)

    if not wait(ready, 120, every=0.05):
        raise click.ClickException(f"The cloud is not ready after 120 s; see {state / 'virga.log'} and 'virga doctor'.")


@main.command()
def policy() -> None:
    """Print every rule with its default, as a policy.yaml to start from."""
    import virga.app  # noqa: F401 - every service declares its rules
    from virga.authority.rules import REGISTRY

    for rule in sorted(REGISTRY.values(), key=lambda r: r.name):
        scopes = f" (scope: {', '.join(rule.scopes)})" if rule.scopes else ""
        click.echo(f"# {rule.text}{scopes}\n#{json.dumps(rule.name)}: {json.dumps(rule.source)}\n")


@main.group()
def keys() -> None:
    """The keys that seal tokens, credentials and objects."""


@keys.command("rotate")
@click.pass_context
def rotate_keys(ctx: click.Context) -> None:
    """Make a new token key. Nobody is logged out; the old keys go when no living token needs them."""
    from virga.app import Cloud

    cloud = Cloud(_settings(ctx))
    with cloud.db.write() as tx:
        cloud.tokens.load(tx)
        number = cloud.tokens.rotate(tx)
    cloud.db.close()
    click.echo(f"Token key {number} is made.")


@keys.command("forget")
@click.pass_context
def forget_keys(ctx: click.Context) -> None:
    """The credential key file is lost: drop all token keys, so that the cloud starts again. Everybody logs in anew; credentials that the
    lost file sealed stay unreadable until it is found."""
    from virga.app import Cloud

    settings = _settings(ctx)
    if _pid(settings) is not None:
        raise click.ClickException("The cloud is running: 'virga down' first.")
    cloud = Cloud(settings)
    with cloud.db.write() as tx:
        cloud.tokens.forget(tx)
    cloud.db.close()
    click.echo("There is a new token key.")


@keys.command("objects")
@click.pass_context
def rotate_objects(ctx: click.Context) -> None:
    """Seal what comes from now on with a new key. The cloud may be up; what older keys sealed stays readable while the file keeps them."""
    from virga.ground.keyfile import KeyFile
    from virga.services.objects.api import keys_of

    file = KeyFile(keys_of(Path(_settings(ctx).state)))
    file.rotate()
    count = len(file.read())
    click.echo(
        f"{file.path} has {count} key{'s' if count > 1 else ''}; new objects are sealed with the first. Keep a copy: without it they are lost."
    )


@keys.command("credentials")
@click.pass_context
def rotate_credentials(ctx: click.Context) -> None:
    """Seal all credentials and token keys with a new key, and drop the old keys. The cloud must be down: it keeps the keys in memory."""
    from virga.app import Cloud
    from virga.services.identity import api

    settings = _settings(ctx)
    if _pid(settings) is not None:
        raise click.ClickException("The cloud is running: 'virga down' first.")
    cloud = Cloud(settings)
    click.echo(f"{api.reseal(cloud.db, cloud.doors)} secrets are sealed with a new key.")
    cloud.db.close()


@main.command()
@click.option(
    "--guests",
    type=click.Choice(["leave", "stop"]),
    default="leave",
    show_default=True,
    help="Leave machines running (with their network), or switch them off first.",
)
@click.option(
    "--purge", is_flag=True, help="Take everything away: machines, disks, networks, links, rules, the state folder."
)
@click.option("--yes", is_flag=True, help="Do not ask before a purge.")
@click.pass_context
def down(ctx: click.Context, guests: str, purge: bool, yes: bool) -> None:
    """Stop the cloud."""
    from virga.purge import purge as take_away

    settings = _settings(ctx)
    if purge and not yes and sys.stdin.isatty():
        click.confirm(f"Take away the cloud in {settings.state} with all its machines and disks?", abort=True)
    stop_process(settings, "kill" if purge else guests)
    if purge:
        take_away(settings)
        click.echo("Nothing is left.")


def stop_process(settings: Settings, guests: str) -> None:
    """End the running process of the cloud, if there is one."""
    from virga.node.supervisor import started

    pid = _pid(settings)
    if pid is None:
        click.echo("The cloud is not running.")
        return
    start = started(pid)
    os.kill(pid, {"stop": signal.SIGUSR1, "kill": signal.SIGUSR2, "leave": signal.SIGTERM}[guests])
    pause = threading.Event()
    for _ in range(1500):
        if started(pid) != start:
            click.echo(
                "The cloud is stopped."
                + (" Machines keep running." if guests == "leave" and not settings.simulated else "")
            )
            return
        pause.wait(0.1)
    os.kill(pid, signal.SIGKILL)
    click.echo("The cloud did not stop in time and was ended; the next start puts everything right.")


# -- looking -------------------------------------------------------------------------------------------------------


@main.command()
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Check this machine and the engines; every finding names its fix. Changes nothing."""
    from virga.doctor import check, engines

    settings = _settings(ctx)
    worst = 0
    running = _pid(settings) is not None
    for f in [*check(settings), *(engines(settings) if running and not settings.simulated else [])]:
        colour = {"ok": "green", "warn": "yellow", "bad": "red"}[f.level]
        click.echo(click.style(f"  {f.level:<5}", fg=colour) + f"{f.name}: {f.text}")
        if f.fix:
            click.echo(f"         -> {f.fix}")
        worst = max(worst, 1 if f.level == "bad" else 0)
    for saga in _troubled(settings):
        click.echo(
            click.style("  warn ", fg="yellow")
            + f"saga {saga['name']} {saga['id']}: its undo is tried for the {saga['attempts']}th time: {saga['error']}"
        )
    ctx.exit(worst)


def _troubled(settings: Settings) -> list[dict[str, Any]]:
    if settings.ephemeral or (not (Path(settings.state) / "virga.db").exists() and not settings.database.url):
        return []
    from virga.ground.db.engine import Database
    from virga.ground.sagas.saga import SAGAS

    with Database(settings.records()).read() as tx:
        rows = SAGAS.find(tx, SAGAS.c.ended.is_(None), SAGAS.c.state == "undo", SAGAS.c.attempts > 2)
    return [{"name": s.name, "id": s.id, "attempts": s.attempts, "error": s.error} for s in rows]


def _client(settings: Settings) -> Client:
    from virga.client import Client, Refused

    password = os.environ.get("VIRGA_ADMIN_PASSWORD")
    file = Path(settings.state) / "admin-password"
    if password is None:
        if not file.exists():
            raise click.ClickException(f"There is no cloud in {settings.state}: start one with 'virga up -d'.")
        password = file.read_text().strip()
    client = Client(_url(settings), password, ca=Path(settings.state) / "tls.crt")
    try:
        client.login()
    except OSError:
        raise click.ClickException(f"Nobody answers at {_url(settings)}: start the cloud with 'virga up -d'.") from None
    except Refused as e:
        raise click.ClickException(f"The cloud refused the administrator's password: {e}") from None
    return client


@main.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """What runs: process, engines, hosts, servers."""
    settings = _settings(ctx)
    pid = _pid(settings)
    body: dict[str, Any] = {"state": settings.state, "url": _url(settings), "pid": pid}
    if pid is not None:
        client = _client(settings)
        servers = client.get("/compute/v2.1/servers/detail?all_tenants=1")["servers"]
        body["hosts"] = {h["host"]: h["state"] for h in client.get("/compute/v2.1/os-services")["services"]}
        body["servers"] = {s["name"]: s["status"] for s in servers}
    if as_json:
        click.echo(json.dumps(body))
    else:
        click.echo(
            f"cloud    {'up' if pid else 'down'}"
            + (f" (pid {pid}) at {body['url']}" if pid else f", state in {settings.state}")
        )
        for name, what in body.get("hosts", {}).items():
            click.echo(f"host     {name}: {what}")
        for name, what in body.get("servers", {}).items():
            click.echo(f"server   {name}: {what}")
    ctx.exit(0 if pid else 3)


@main.command()
@click.pass_context
def config(ctx: click.Context) -> None:
    """Print every setting with its meaning and default; save it as virga.toml in the state folder and change what you need."""
    from virga.settings import sample

    click.echo(sample())


@main.command()
@click.option("--print", "show", is_flag=True, help="Print the text instead of the file's path.")
@click.pass_context
def openrc(ctx: click.Context, show: bool) -> None:
    """The path of a file to source, so that OpenStack's tools find this cloud. A clouds.yaml lies beside it."""
    path = write_openrc(_settings(ctx))
    click.echo(path.read_text() if show else str(path))


def write_openrc(settings: Settings) -> Path:
    """openrc and clouds.yaml in the state folder, readable by their owner."""
    state, url = Path(settings.state), _url(settings)
    password = os.environ.get("VIRGA_ADMIN_PASSWORD") or (state / "admin-password").read_text().strip()
    values = {
        "OS_AUTH_URL": f"{url}/identity/v3",
        "OS_USERNAME": "admin",
        "OS_PASSWORD": password,
        "OS_PROJECT_NAME": "admin",
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_REGION_NAME": settings.identity.region,
        "OS_IDENTITY_API_VERSION": "3",
    }
    if settings.server.tls and not settings.server.tls_cert:
        values["OS_CACERT"] = str(state / "tls.crt")
    quoted = {k: "'" + v.replace("'", "'\\''") + "'" for k, v in values.items()}
    _private(state / "openrc", "".join(f"export {k}={v}\n" for k, v in quoted.items()))
    auth = {
        "auth_url": values["OS_AUTH_URL"],
        "username": "admin",
        "password": password,
        "project_name": "admin",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
    cloud: dict[str, Any] = {"auth": auth, "region_name": settings.identity.region, "identity_api_version": 3}
    if "OS_CACERT" in values:
        cloud["cacert"] = values["OS_CACERT"]
    # JSON is YAML, and quotes whatever a password may hold
    _private(state / "clouds.yaml", json.dumps({"clouds": {"virga": cloud}}, indent=2) + "\n")
    return state / "openrc"


def _private(file: Path, text: str) -> None:
    fresh = file.with_name(file.name + ".new")
    fd = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    os.write(fd, text.encode())
    os.close(fd)
    fresh.rename(file)


# -- a machine at once ---------------------------------------------------------------------------------------------


def _outside(settings: Settings) -> str | None:
    return f"{settings.name}-out" if settings.network.uplink == "none" and not settings.simulated else None


@main.command()
@click.argument("name")
@click.option("--flavor", default="m1.nano", show_default=True)
@click.option(
    "--image", default=GUEST_IMAGE, show_default=True, help="An image's name; the tiny guest is uploaded when it lacks."
)
@click.option(
    "--image-file",
    type=click.Path(path_type=Path),
    envvar="VIRGA_GUEST_IMAGE",
    default=Path(".cache/guest/guest.qcow2"),
    show_default=True,
)
@click.option("--wait/--no-wait", "wait_ssh", default=True, help="Wait until ssh answers.")
@click.pass_context
def launch(ctx: click.Context, name: str, flavor: str, image: str, image_file: Path, wait_ssh: bool) -> None:
    """Start a machine with all it needs: network, router, key, rule, floating IP. Prints its ssh line."""
    from virga import launch as launching
    from virga.client import Refused

    settings = _settings(ctx)
    client, key, steps = _client(settings), Path(settings.state) / "id_virga", Steps()
    try:
        _, address = launching.launch(
            client, name, image=image, image_file=image_file, key=key, say=steps, flavor=flavor
        )
        words = launching.ssh_words(address, key, _outside(settings))
        if wait_ssh and not settings.simulated:
            steps("wait for ssh")
            if not launching.answers_ssh(words, 240):
                raise launching.LaunchFailed(
                    f"{name} is ACTIVE and does not answer ssh at {address}; look at 'openstack console log show {name}'."
                )
        steps.done()
    except (launching.LaunchFailed, Refused) as e:
        steps.done("FAIL")
        raise click.ClickException(str(e)) from None
    click.echo(" ".join(words))


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def ssh(ctx: click.Context, name: str, command: tuple[str, ...]) -> None:
    """Log in to a machine by its name, or run a command on it."""
    from virga import launch as launching

    settings = _settings(ctx)
    client = _client(settings)
    found = client.get(f"/compute/v2.1/servers/detail?name=^{name}$")["servers"]
    if not found:
        raise click.ClickException(f"There is no server {name}.")
    address = next(
        (a["addr"] for rows in found[0]["addresses"].values() for a in rows if a["OS-EXT-IPS:type"] == "floating"), None
    )
    if address is None:
        raise click.ClickException(f"{name} has no floating IP; 'virga launch {name}' gives it one.")
    words = [*launching.ssh_words(address, Path(settings.state) / "id_virga", _outside(settings)), *command]
    os.execvp(words[0], words)


@main.command()
@click.pass_context
def sagas(ctx: click.Context) -> None:
    """Long operations under way, and those that failed lately, with the reason."""
    from virga.ground.db.engine import Database
    from virga.ground.sagas.saga import SAGAS
    from virga.ground.world import iso

    with Database(_settings(ctx).records()).read() as tx:
        rows = SAGAS.find(
            tx, SAGAS.c.ended.is_(None) | (SAGAS.c.state == "failed"), order=SAGAS.c.created.desc(), limit=50
        )
    for s in rows:
        click.echo(f"{iso(s.created)}  {s.state:<6} {s.name} {s.exclusive or ''}  {s.error or ''}")


if __name__ == "__main__":
    main()
