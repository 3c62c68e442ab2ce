# SPDX-License-Identifier: Apache-2.0
"""What is being done, a line a step."""

from __future__ import annotations

import sys
import time

import click


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
