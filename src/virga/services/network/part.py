# SPDX-License-Identifier: Apache-2.0
"""Network as a part of a process. The switch is the node's: whoever runs the machine's drivers leaves it in the registry."""

from __future__ import annotations

from virga.ground.act import Act
from virga.services.identity import api as identity
from virga.services.network import api, loops, policy, routes
from virga.services.network.settings import Network
from virga.services.part import Part, Site, rules_of


def _prepare(site: Site) -> None:
    """The external network of a new cloud."""
    own = site.registry.use(Network)
    with site.db.write() as tx:
        project = identity.project_id(tx, "admin") or ""
        act = Act(api.system_actor(project), site.registry, site.db, open=tx)
        api.ensure_external(act, own.external_name, own.external_cidr)


PART = Part(
    name="network",
    apis=lambda _: (routes.SERVICE,),
    rules=rules_of(policy),
    settings=Network,
    loops=lambda _: loops.LOOPS,
    prepare=_prepare,
)
