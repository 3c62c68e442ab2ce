# SPDX-License-Identifier: Apache-2.0
"""`virga image`: build the tiny image or a whole Debian, bring in official ones by alias."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click

from virga.cli.context import client_of, settings_of


@click.group()
def image() -> None:
    """Images: build the tiny one, import official ones by alias."""


@contextlib.contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on the terminal's error output; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total or None)


@image.command("import")
@click.argument("alias", required=False)
@click.option("--name", help="The image's name in the cloud; default: the alias.")
@click.option("--mirror", help="Another address for the distribution's site, with the same paths below it.")
@click.pass_context
def image_import(ctx: click.Context, alias: str | None, name: str | None, mirror: str | None) -> None:
    """Bring a distribution's official image into the cloud. Without ALIAS: list what is known. Its published hash is shown, and what
    does not have it is not kept."""
    from virga.client import Refused
    from virga.distributions import ALIASES, ImportFailed, bring, mirrored

    if alias is None:
        for known, source in ALIASES.items():
            click.echo(f"{known:14s} {source.folder}/{source.file}")
        return
    if alias not in ALIASES:
        raise click.ClickException(f"'{alias}' is not known; there are: {', '.join(ALIASES)}")
    source = mirrored(ALIASES[alias], mirror) if mirror else ALIASES[alias]
    try:
        with _bar(alias) as progress:
            made = bring(
                client_of(settings_of(ctx)),
                alias,
                source,
                lambda text: click.echo(f"  {text}", err=True),
                name,
                progress,
            )
    except (ImportFailed, Refused, OSError) as e:
        raise click.ClickException(f"{alias} was not imported: {e}") from e
    click.echo(f"{made['id']}  {made['name']}  {made['size']} bytes, {made['os_hash_algo']} {made['os_hash_value']}")


@image.command("build")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--debian", is_flag=True, help="The whole Debian with cloud-init, instead of the tiny one.")
@click.option("--parts", is_flag=True, help="--debian: kernel, initrd and root file system too (aki, ari, ami).")
@click.option(
    "--size",
    type=int,
    default=1536,
    show_default=True,
    help="--debian: MiB of the root file system; it grows at the first boot.",
)
@click.option("--package", "packages", multiple=True, help="--debian: one more package in the image.")
def image_build(folder: Path, debian: bool, parts: bool, size: int, packages: tuple[str, ...]) -> None:
    """Build an image from Debian packages into FOLDER: the tiny one (a kernel and a shell, half a minute), or --debian (the whole system
    with cloud-init, some minutes). Root."""
    kind = "debian" if debian else "tiny"
    script = Path(__file__).parents[1] / "node/guest" / {"tiny": "build.sh", "debian": "debian.sh"}[kind]
    folder.mkdir(parents=True, exist_ok=True)
    env = (
        os.environ | {"ROOTMB": str(size), "PACKAGES": ",".join(packages), "PARTS": "1" if parts else ""}
        if kind == "debian"
        else None
    )
    log = folder / "build.log"
    with log.open("w") as err:
        child = subprocess.Popen([str(script), str(folder)], stdout=subprocess.PIPE, stderr=err, text=True, env=env)
        assert child.stdout is not None
        _follow(child.stdout, kind)
    if child.wait():
        tail = "".join(log.read_text(errors="replace").splitlines(keepends=True)[-8:])
        raise click.ClickException(
            f"the build ended with {child.returncode}; 'make packages' installs what it needs. The end of {log}:\n{tail}"
        )
    for made in sorted(folder.glob({"tiny": "guest.*", "debian": "debian.*"}[kind])):
        click.echo(f"{made}  {made.stat().st_size} bytes")


def _follow(lines: Iterable[str], kind: str) -> None:
    """Show how far a build is: lines `@ done total what`."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(kind, total=None)
        for line in lines:
            words = line.rstrip("\n").split(" ", 3)
            if words[0] == "@" and len(words) == 4:
                shown.update(task, completed=int(words[1]), total=int(words[2]), description=f"{kind}: {words[3]}")
