# SPDX-License-Identifier: Apache-2.0
"""Extensions of networks."""

from __future__ import annotations

from virga.ground.http.table import Route
from virga.services.network import answers, nouns
from virga.services.network.actions import documents
from virga.services.network.extensions.extension import Extension
from virga.services.network.views import documents as documents_views

EXTENSIONS = (
    Extension(
        alias="external-net",
        name="Neutron external network",
        description="Networks that lead out, and which of them is the usual one",
        updated="2013-01-14T10:00:00-00:00",
        fields={nouns.NETWORK: ("router:external", "is_default")},
    ),
    Extension(
        alias="provider",
        name="Provider Network",
        description="How a network is carried",
        updated="2012-09-07T10:00:00-00:00",
        fields={
            nouns.NETWORK: ("provider:network_type", "provider:physical_network", "provider:segmentation_id"),
        },
    ),
    Extension(
        alias="net-mtu",
        name="Network MTU",
        description="The largest packet that a network carries",
        updated="2015-03-25T10:00:00-00:00",
        fields={nouns.NETWORK: ("mtu",)},
    ),
    Extension(
        alias="net-mtu-writable",
        name="Network MTU (writable)",
        description="A network's MTU is its owner's to choose",
        updated="2017-07-12T00:00:00-00:00",
        takes={nouns.NETWORK: ("mtu",)},
        needs=("net-mtu",),
    ),
    Extension(
        alias="availability_zone",
        name="Availability Zone",
        description="The zones that networks and routers are in",
        updated="2015-01-01T10:00:00-00:00",
        routes=(
            Route(
                "GET",
                "/v2.0/availability_zones",
                documents.document,
                view=documents_views.zones,
                answer=answers.ZonesAnswer,
                inline=True,
            ),
        ),
    ),
)
