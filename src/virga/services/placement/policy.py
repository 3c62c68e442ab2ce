# SPDX-License-Identifier: Apache-2.0
"""Placement's rules, by placement's names and with its defaults: administrators and services; usages of a project are its readers'."""

from __future__ import annotations

from virga.authority.rules import ADMIN, IN_PROJECT, SERVICE, Check, role
from virga.authority.rules import Rule as AnyRule

_P = "placement:"
_OWN = ADMIN | SERVICE


def Rule(name: str, check: Check, text: str) -> AnyRule:
    """A rule for tokens of projects: placement takes none of the system or a domain."""
    return AnyRule(name, check, text, scopes=("project",))


LIST_PROVIDERS = Rule(_P + "resource_providers:list", _OWN, "List resource providers")
CREATE_PROVIDER = Rule(_P + "resource_providers:create", _OWN, "Create a resource provider")
SHOW_PROVIDER = Rule(_P + "resource_providers:show", _OWN, "Show a resource provider")
UPDATE_PROVIDER = Rule(_P + "resource_providers:update", _OWN, "Change a resource provider")
DELETE_PROVIDER = Rule(_P + "resource_providers:delete", _OWN, "Delete a resource provider")
LIST_CLASSES = Rule(_P + "resource_classes:list", _OWN, "List resource classes")
CREATE_CLASS = Rule(_P + "resource_classes:create", _OWN, "Create a resource class")
SHOW_CLASS = Rule(_P + "resource_classes:show", _OWN, "Show a resource class")
UPDATE_CLASS = Rule(_P + "resource_classes:update", _OWN, "Rename or make sure of a resource class")
DELETE_CLASS = Rule(_P + "resource_classes:delete", _OWN, "Delete a resource class")
LIST_INVENTORIES = Rule(_P + "resource_providers:inventories:list", _OWN, "List a provider's inventories")
CREATE_INVENTORY = Rule(_P + "resource_providers:inventories:create", _OWN, "Add an inventory to a provider")
SHOW_INVENTORY = Rule(_P + "resource_providers:inventories:show", _OWN, "Show an inventory of a provider")
UPDATE_INVENTORY = Rule(_P + "resource_providers:inventories:update", _OWN, "Change a provider's inventories")
DELETE_INVENTORY = Rule(_P + "resource_providers:inventories:delete", _OWN, "Delete a provider's inventories")
LIST_AGGREGATES = Rule(_P + "resource_providers:aggregates:list", _OWN, "List a provider's aggregates")
UPDATE_AGGREGATES = Rule(_P + "resource_providers:aggregates:update", _OWN, "Set a provider's aggregates")
PROVIDER_USAGES = Rule(_P + "resource_providers:usages", _OWN, "See what is used of a provider")
TOTAL_USAGES = Rule(_P + "usages", ADMIN | SERVICE | (role("reader") & IN_PROJECT), "See what a project uses in all")
LIST_TRAITS = Rule(_P + "traits:list", _OWN, "List traits")
SHOW_TRAIT = Rule(_P + "traits:show", _OWN, "Ask whether there is a trait")
UPDATE_TRAIT = Rule(_P + "traits:update", _OWN, "Make sure of a trait")
DELETE_TRAIT = Rule(_P + "traits:delete", _OWN, "Delete a trait")
LIST_PROVIDER_TRAITS = Rule(_P + "resource_providers:traits:list", _OWN, "List a provider's traits")
UPDATE_PROVIDER_TRAITS = Rule(_P + "resource_providers:traits:update", _OWN, "Set a provider's traits")
DELETE_PROVIDER_TRAITS = Rule(_P + "resource_providers:traits:delete", _OWN, "Take all traits from a provider")
MANAGE_ALLOCATIONS = Rule(_P + "allocations:manage", _OWN, "Set the allocations of many consumers")
SHOW_ALLOCATIONS = Rule(_P + "allocations:list", _OWN, "List a consumer's allocations")
UPDATE_ALLOCATIONS = Rule(_P + "allocations:update", _OWN, "Set a consumer's allocations")
DELETE_ALLOCATIONS = Rule(_P + "allocations:delete", _OWN, "Delete a consumer's allocations")
PROVIDER_ALLOCATIONS = Rule(_P + "resource_providers:allocations:list", _OWN, "List the allocations from a provider")
CANDIDATES = Rule(_P + "allocation_candidates:list", _OWN, "List allocation candidates")
RESHAPE = Rule(_P + "reshaper:reshape", SERVICE, "Move inventories and allocations between providers at once")
