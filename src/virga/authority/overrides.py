# SPDX-License-Identifier: Apache-2.0
"""The operator's rules over the program's: `policy.yaml` in oslo.policy's language, and the files of `policy.d`. A file maps names to
expressions. A name of a rule replaces that rule; any other name may be named by the file's own rules (`rule:x`), and one that the
program's rules name (Keystone's `admin_required`) changes all of those. Files are read again when they change; one that cannot be read
changes nothing and is reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from virga.authority.language import LanguageError, parse
from virga.authority.rules import REGISTRY, Check
from virga.ground import log

COMMON = {
    "context_is_admin": "role:admin",
    "admin_api": "role:admin",
    "admin_only": "role:admin",
    "owner": "project_id:%(project_id)s",
    "admin_or_owner": "role:admin or project_id:%(project_id)s",
    "context_is_service": "role:service",
    "service_api": "role:service",
    "project_manager_api": "role:manager and project_id:%(project_id)s",
    "project_member_api": "role:member and project_id:%(project_id)s",
    "project_reader_api": "role:reader and project_id:%(project_id)s",
    "project_manager_or_admin": "rule:project_manager_api or rule:context_is_admin",
    "project_member_or_admin": "rule:project_member_api or rule:context_is_admin",
    "project_reader_or_admin": "rule:project_reader_api or rule:context_is_admin",
    "regular_user": "",
    "default": "role:admin",
}
"""Names that policy files of Nova, Neutron, Glance and others take for granted."""


class PolicyError(Exception):
    """A policy file is wrong; the message names the file and the rule."""


class Overrides:
    """`get(rule name)` is the operator's Check, or None."""

    def __init__(self, folder: Path | None, file: str = "") -> None:
        self.folder, self.file = folder, Path(file) if file else None
        self.log = log.get("policy")
        none: dict[str, Check] = {}
        self.get: Any = none.get
        self._seen: tuple[tuple[str, int], ...] = ()

    def files(self) -> list[Path]:
        if self.file is not None:
            return [self.file]
        if self.folder is None:
            return []
        return [
            p for p in (self.folder / "policy.yaml", *sorted((self.folder / "policy.d").glob("*.yaml"))) if p.is_file()
        ]

    def _stamps(self) -> tuple[tuple[str, int], ...]:
        return tuple((str(p), p.stat().st_mtime_ns) for p in self.files() if p.exists())

    def load(self) -> None:
        """Read all files. Raises PolicyError; then nothing has changed."""
        self._seen = self._stamps()
        new: dict[str, Check] = {}
        for path in self.files():
            new |= _read(path, self.log)
        self.get = new.get

    def refresh(self) -> bool:
        """Read the files again if they changed; whether they did and could be read."""
        if self._stamps() == self._seen:
            return False
        try:
            self.load()
        except PolicyError as e:
            self.log.error("policy_not_read", why=str(e))
            return False
        self.log.info("policy_read", files=[str(p) for p in self.files()])
        return True


def _read(path: Path, report: Any) -> dict[str, Check]:
    import yaml

    try:
        given = yaml.safe_load(path.read_text()) or {}
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as e:
        raise PolicyError(f"{path}: {e}") from e
    if not isinstance(given, dict) or not all(isinstance(k, str) for k in given):
        raise PolicyError(f"{path}: a mapping of rule names to expressions is needed")
    out: dict[str, Check] = {}
    used: set[str] = set()
    for name, expression in given.items():
        rule = REGISTRY.get(name)
        names = {
            **COMMON,
            **(rule.names if rule is not None else {}),
            **{n: r.source for n, r in REGISTRY.items()},
            **given,
        }
        try:
            check = parse(expression, names)
        except LanguageError as e:
            raise PolicyError(f"{path}: {name}: {e}") from e
        used |= {word.partition("rule:")[2].rstrip(")") for word in str(expression).split() if "rule:" in word}
        if rule is not None:
            out[name] = check
    for rule in REGISTRY.values():
        changed = {k: v for k, v in given.items() if k in rule.names}
        used |= set(changed)
        if changed and rule.name not in out:
            out[rule.name] = parse(rule.source, {**rule.names, **changed})
    strange = sorted(set(given) - set(REGISTRY) - used - set(COMMON))
    if strange:
        report.warning("policy_names_unknown", file=str(path), names=strange)
    return out
