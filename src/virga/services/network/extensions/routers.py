# SPDX-License-Identifier: Apache-2.0
"""Routers and floating IPs, and the extensions of both."""

from __future__ import annotations

from virga.ground.http.table import Route
from virga.services.network import answers, nouns, wire
from virga.services.network.actions import floatingip, interface, router
from virga.services.network.extensions import rows
from virga.services.network.extensions.extension import Extension
from virga.services.network.views import router as views


def _interface(verb: str, action: rows.Action) -> Route:
    path, answer = f"{nouns.ROUTER.path}/{{id}}/{verb}", answers.InterfaceOfRouter
    return Route("PUT", path, action, body=wire.RouterInterface, view=views.interface, answer=answer)


EXTENSIONS = (
    Extension(
        alias="router",
        name="Neutron L3 Router",
        description="Routers between subnets, their way out, and floating IPs",
        updated="2012-07-20T10:00:00-00:00",
        fields={nouns.QUOTA: ("router", "floatingip")},
        routes=(
            rows.create(nouns.ROUTER, router.create, wire.CreateRouter, bulk=False),
            rows.index(nouns.ROUTER, router.index),
            rows.show(nouns.ROUTER, router.show),
            rows.update(nouns.ROUTER, router.update, wire.UpdateRouter),
            rows.delete(nouns.ROUTER, router.delete),
            _interface("add_router_interface", interface.add),
            _interface("remove_router_interface", interface.remove),
            rows.create(nouns.FLOATING_IP, floatingip.create, wire.CreateFloatingIp, bulk=False),
            rows.index(nouns.FLOATING_IP, floatingip.index),
            rows.show(nouns.FLOATING_IP, floatingip.show),
            rows.update(nouns.FLOATING_IP, floatingip.update, wire.UpdateFloatingIp),
            rows.delete(nouns.FLOATING_IP, floatingip.delete),
        ),
    ),
    Extension(
        alias="ext-gw-mode",
        name="Neutron L3 Configurable external gateway mode",
        description="Whether a router hides its tenants' addresses",
        updated="2013-03-28T10:00:00-00:00",
        fields={nouns.ROUTER: ("external_gateway_info.enable_snat",)},
        needs=("router",),
    ),
    Extension(
        alias="extraroute",
        name="Neutron Extra Route",
        description="Routes of a router beside those of its interfaces",
        updated="2013-02-01T10:00:00-00:00",
        fields={nouns.ROUTER: ("routes",)},
        needs=("router",),
    ),
    Extension(
        alias="fip-port-details",
        name="Floating IP Port Details Extension",
        description="The port that a floating IP leads to",
        updated="2018-04-09T10:00:00-00:00",
        fields={nouns.FLOATING_IP: ("port_details",)},
        needs=("router",),
    ),
)
