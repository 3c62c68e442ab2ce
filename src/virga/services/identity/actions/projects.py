# SPDX-License-Identifier: Apache-2.0
"""Projects: trees of them in a domain, and their tags. Domains are projects too, of a kind (`is_domain`)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from virga.authority.rules import allow, may
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.db.rows import Where
from virga.ground.errors import Conflict, Forbidden, Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.http.pages import Page
from virga.ground.wire import given
from virga.services.identity import events, filters, model, policy, settings, store, wire
from virga.services.identity.actions import domains
from virga.services.identity.tokens import Tokens, parents_of, roles_on_project

MAX_TAGS = 80


def found(tx: Tx, id: str) -> model.Project:
    """The project of this id; a domain is none. Raises NotFound."""
    project = store.PROJECTS.get(tx, id)
    if project is None:
        raise NotFound(f"Could not find project: {id}.")
    return project


def held(act: Act, user_id: str, id: str) -> model.Project:
    """The project with this id, if the user has a role on it, or the caller may see it anyway. Raises NotFound: nobody learns from
    naming another's project whether it exists."""
    project = found(act.tx, id)
    if not roles_on_project(act.tx, user_id, project) and not may(
        act.actor, policy.GET_PROJECT, target=policy.on_project(project)
    ):
        raise NotFound(f"Could not find project: {id}.")
    return project


def below(tx: Tx, id: str) -> list[model.Project]:
    """All projects under one, level by level."""
    out: list[model.Project] = []
    level = [id]
    while level:
        children = store.PROJECTS.within(tx, "parent_id", level)
        out += children
        level = [c.id for c in children]
    return out


def create(act: Act, body: wire.CreateProject) -> model.Project:
    """POST /v3/projects: under a parent project, or under its domain. Raises Invalid, Forbidden."""
    tx = act.tx
    if body.is_domain:
        return _create_domain(act, body)
    parent_id = body.parent_id if isinstance(body.parent_id, str) else None
    parent = store.PROJECTS.get(tx, parent_id) if parent_id is not None else None
    named = body.domain_id if isinstance(body.domain_id, str) else None
    domain_id = named or (parent.domain_id if parent is not None else parent_id) or domains.domain_for(act, None)
    allow(act, policy.CREATE_PROJECT, target={"target.project.domain_id": domain_id, "target.project.id": None})
    if store.DOMAINS.get(tx, domain_id) is None:
        raise Invalid(
            f"Could not find {'project' if named is None and parent_id else 'domain'}: {domain_id}.", field="domain_id"
        )
    if parent is None and parent_id is not None and parent_id != domain_id:
        known = store.DOMAINS.get(tx, parent_id) is not None
        raise Invalid(
            f"Cannot create project, the parent ({parent_id}) is acting as a domain, but this project's domain id ({domain_id}) does not match the parent's id."
            if known
            else f"Could not find project: {parent_id}.",
            field="parent_id",
        )
    if parent is not None and parent.domain_id != domain_id:
        raise Invalid(
            f"Cannot create project, since it specifies its domain_id {domain_id}, but specifies a parent in a different domain ({parent.domain_id}).",
            field="domain_id",
        )
    above = [] if parent is None else [parent, *parents_of(tx, parent)]
    for each in above:
        if not each.enabled:
            raise Invalid(
                f"cannot create a project in a branch containing a disabled project: {each.id}", field="parent_id"
            )
    most = act.use(settings.Identity).max_depth
    if len(above) + 1 > most:
        raise Forbidden(f"Max hierarchy depth reached for {parent_id} branch: projects nest at most {most} deep.")
    name = body.name.strip()
    _free(tx, domain_id, name)
    return store.PROJECTS.insert(
        tx,
        id=uuid.uuid4().hex,
        name=name,
        domain_id=domain_id,
        parent_id=parent.id if parent is not None else domain_id,
        description=body.description or "",
        enabled=body.enabled,
        tags=_tags(body.tags),
        extra=body.extra,
        options=domains.settled({}, body.options),
    )


def _create_domain(act: Act, body: wire.CreateProject) -> model.Project:
    if isinstance(body.parent_id, str) or isinstance(body.domain_id, str):
        raise Invalid("only root projects are allowed to act as domains.", field="parent_id")
    shape = wire.CreateDomain(
        name=body.name,
        description=body.description,
        enabled=body.enabled,
        options=body.options,
        tags=body.tags,
        extra=body.extra,
    )
    return model.Project.of(domains.create(act, shape))


def _tags(tags: list[str]) -> list[str]:
    if len(tags) != len(set(tags)):
        raise Invalid("Invalid input for field 'project.tags': a tag is there twice", field="tags")
    return list(tags)


def _free(tx: Tx, domain_id: str, name: str) -> None:
    if store.PROJECTS.by(tx, domain_id=domain_id, name=name) is not None:
        raise Conflict(
            f"Conflict occurred attempting to store project - it is not permitted to have two projects with the same name in the same domain: {name}."
        )


@dataclass(frozen=True)
class ProjectDetails:
    """A project with what the caller asked to see around it: lists of projects, or trees of ids."""

    project: model.Project
    around: dict[str, Any] = field(default_factory=dict)


def show(call: Call, id: str) -> ProjectDetails:
    """GET /v3/projects/{id}, with `parents_as_list`, `parents_as_ids`, `subtree_as_list`, `subtree_as_ids`.
    Raises Invalid."""
    tx, q = call.tx, call.query
    project = store.PROJECTS.get(tx, id)
    domain = store.DOMAINS.get(tx, id) if project is None else None
    facts = (
        policy.on_project(project) if domain is None else {"target.project.id": id, "target.project.domain_id": None}
    )
    allow(call, policy.GET_PROJECT, target=facts)
    if domain is not None:
        return ProjectDetails(model.Project.of(domain))
    project = found(tx, id)
    requested = {
        name
        for name in ("parents_as_list", "parents_as_ids", "subtree_as_list", "subtree_as_ids")
        if name in q and q.yes(name)
    }
    for way in ("parents", "subtree"):
        if {f"{way}_as_list", f"{way}_as_ids"} <= requested:
            raise Invalid(
                f"Cannot use {way}_as_list and {way}_as_ids query params at the same time.", field=f"{way}_as_ids"
            )
    around: dict[str, Any] = {}
    if "parents_as_list" in requested:
        around["parents"] = [p for p in parents_of(tx, project) if roles_on_project(tx, call.actor.user_id, p)]
    elif "parents_as_ids" in requested:
        tree: Any = {project.domain_id: None}
        for parent in reversed(parents_of(tx, project)):
            tree = {parent.id: tree}
        around["parents"] = tree
    if "subtree_as_list" in requested:
        around["subtree"] = [p for p in below(tx, id) if roles_on_project(tx, call.actor.user_id, p)]
    elif "subtree_as_ids" in requested:
        around["subtree"] = _tree(id, below(tx, id))
    return ProjectDetails(project, around)


def _tree(id: str, under: list[model.Project]) -> dict[str, Any] | None:
    children: dict[str, list[str]] = {}
    for project in under:
        children.setdefault(project.parent_id, []).append(project.id)

    def of(at: str) -> dict[str, Any] | None:
        return {c: of(c) for c in children[at]} if at in children else None

    return of(id)


def index(call: Call) -> Page[model.Project]:
    """GET /v3/projects, by name, domain_id, parent_id, enabled, is_domain, tags, tags-any, not-tags, not-tags-any."""
    q, own = call.query, call.actor.domain_id
    allow(call, policy.LIST_PROJECTS, target={"target.domain_id": own} if own else None)
    if "is_domain" in q and q.yes("is_domain"):
        c = store.DOMAINS.c
        only = [c.id == own] if own else []
        page = filters.listed(call, store.DOMAINS, *filters.where(call, store.DOMAINS, "name", "enabled"), *only)
        return Page([model.Project.of(d) for d in page.items], page.marker)
    where = filters.where(call, store.PROJECTS, "name", "domain_id", "parent_id", "enabled") + _tagged(call)
    if own:
        where.append(store.PROJECTS.c.domain_id == own)
    return filters.listed(call, store.PROJECTS, *where)


def _tagged(call: Call) -> list[Where]:
    """Conditions on tags (API working group, "Tags"): all of, any of, not all of, none of."""
    out: list[Where] = []
    for name, any_of, no in (
        ("tags", False, False),
        ("tags-any", True, False),
        ("not-tags", False, True),
        ("not-tags-any", True, True),
    ):
        if name in call.query:
            tags = [t for t in (call.query.get(name) or "").split(",") if t]
            ids = store.tagged(call.tx, tags, any_of)
            column = store.PROJECTS.c.id
            out.append(column.not_in(ids) if no else column.in_(ids))
    return out


def update(act: Act, id: str, body: wire.UpdateProject) -> model.Project:
    """PATCH /v3/projects/{id}: disabling ends the tokens of the project. Raises Invalid, Forbidden."""
    project = store.PROJECTS.get(act.tx, id)
    if project is None and store.DOMAINS.get(act.tx, id) is not None:
        change = {
            k: v for k, v in given(body).items() if k in {"name", "description", "enabled", "options", "tags", "extra"}
        }
        return model.Project.of(domains.update(act, id, wire.UpdateDomain(**change)))
    allow(act, policy.UPDATE_PROJECT, target=policy.on_project(project))
    project = found(act.tx, id)
    change = given(body)
    domains.hold(project.options, change, "project", id)
    extra = change.pop("extra")
    if change.pop("domain_id", project.domain_id) != project.domain_id:
        raise Invalid("Cannot change Domain ID", field="domain_id")
    if change.pop("parent_id", project.parent_id) != project.parent_id:
        raise Forbidden("Update of `parent_id` is not allowed.")
    if change.pop("is_domain", False):
        raise Invalid("Update of `is_domain` is not allowed.", field="is_domain")
    if "name" in change:
        change["name"] = change["name"].strip()
        if change["name"] != project.name:
            _free(act.tx, project.domain_id, change["name"])
    if change.get("description", "") is None:
        change["description"] = ""
    if "tags" in change:
        change["tags"] = _tags(change["tags"])
    if "options" in change:
        change["options"] = domains.settled(project.options, change["options"])
    enabled = change.get("enabled", project.enabled)
    if enabled and not project.enabled and not all(p.enabled for p in parents_of(act.tx, project)):
        raise Forbidden(f"Cannot enable project {id} since it has disabled parents")
    if project.enabled and not enabled:
        alive = [p.id for p in below(act.tx, id) if p.enabled]
        if alive:
            raise Forbidden(
                f"Cannot disable project {id} since its subtree contains enabled projects: {', '.join(alive)}."
            )
    store.PROJECTS.put(act.tx, id, **change, extra=domains.merged(project.extra, extra))
    if enabled != project.enabled or "name" in change:
        act.use(Tokens).bump_generation(act.tx)
    return found(act.tx, id)


def delete(act: Act, id: str) -> None:
    """DELETE /v3/projects/{id}: not while it has children. The services clean up after the event. Raises Forbidden."""
    project = store.PROJECTS.get(act.tx, id)
    if project is None and store.DOMAINS.get(act.tx, id) is not None:
        domains.delete(act, id)
        return
    allow(act, policy.DELETE_PROJECT, target=policy.on_project(project))
    project = found(act.tx, id)
    domains.hold(project.options, None, "project", id)
    children = store.PROJECTS.find(act.tx, store.PROJECTS.c.parent_id == id)
    if children:
        raise Forbidden(
            f"Cannot delete the project {id} since it is not a leaf in the hierarchy: its children are {', '.join(c.id for c in children)}."
        )
    store.forget_project(act.tx, id)
    store.PROJECTS.delete(act.tx, store.PROJECTS.c.id == id)
    act.use(Tokens).bump_generation(act.tx)
    act.emit(events.ProjectDeleted(project_id=id))


def tags(act: Act, id: str) -> list[str]:
    """GET /v3/projects/{id}/tags"""
    allow(act, policy.LIST_PROJECT_TAGS, target=policy.on_project(store.PROJECTS.get(act.tx, id)))
    return found(act.tx, id).tags


def replace_tags(act: Act, id: str, body: wire.Tags) -> list[str]:
    """PUT /v3/projects/{id}/tags"""
    allow(act, policy.UPDATE_PROJECT_TAGS, target=policy.on_project(store.PROJECTS.get(act.tx, id)))
    _retag(act.tx, found(act.tx, id), _tags(body.tags))
    return body.tags


def delete_tags(act: Act, id: str) -> None:
    """DELETE /v3/projects/{id}/tags"""
    allow(act, policy.DELETE_PROJECT_TAGS, target=policy.on_project(store.PROJECTS.get(act.tx, id)))
    _retag(act.tx, found(act.tx, id), [])


def has_tag(act: Act, id: str, tag: str) -> None:
    """GET /v3/projects/{id}/tags/{tag}. Raises NotFound."""
    allow(act, policy.GET_PROJECT_TAG, target=policy.on_project(store.PROJECTS.get(act.tx, id)))
    if unquote(tag) not in found(act.tx, id).tags:
        raise NotFound(f"Could not find project tag: {tag}.")


def add_tag(act: Act, id: str, tag: str) -> None:
    """PUT /v3/projects/{id}/tags/{tag}. Raises Invalid."""
    allow(act, policy.CREATE_PROJECT_TAG, target=policy.on_project(store.PROJECTS.get(act.tx, id)))
    act.tx.hold(f"identity:tags {id}")  # tags lie in one column: two that come at once are both kept
    project = found(act.tx, id)
    if not 0 < len(tag) <= 255 or "," in tag or "/" in tag:
        raise Invalid("Invalid input for field 'tag': at most 255 characters, without comma and slash", field="tag")
    if tag not in project.tags:
        if len(project.tags) >= MAX_TAGS:
            raise Invalid(f"Invalid input for field 'tags': a project has at most {MAX_TAGS} tags", field="tags")
        _retag(act.tx, project, [*project.tags, tag])


def delete_tag(act: Act, id: str, tag: str) -> None:
    """DELETE /v3/projects/{id}/tags/{tag}. Raises NotFound."""
    allow(act, policy.DELETE_PROJECT_TAG, target=policy.on_project(store.PROJECTS.get(act.tx, id)))
    act.tx.hold(f"identity:tags {id}")
    project = found(act.tx, id)
    if tag not in project.tags:
        raise NotFound(f"Could not find project tag: {tag}.")
    _retag(act.tx, project, [t for t in project.tags if t != tag])


def _retag(tx: Tx, project: model.Project, tags: list[str]) -> None:
    domains.hold(project.options, {"tags": tags}, "project", project.id)
    store.PROJECTS.put(tx, project.id, tags=tags)
