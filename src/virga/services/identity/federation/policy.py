# SPDX-License-Identifier: Apache-2.0
"""Federation's rules, by Keystone's names."""

from __future__ import annotations

from virga.authority.rules import ADMIN, READ_ALL, Rule

SP = ("system", "project")
GET_PROVIDER = Rule("identity:get_identity_provider", READ_ALL, "Show an identity provider", SP)
LIST_PROVIDERS = Rule("identity:list_identity_providers", READ_ALL, "List identity providers", SP)
CREATE_PROVIDER = Rule("identity:create_identity_provider", ADMIN, "Trust an identity provider", SP)
UPDATE_PROVIDER = Rule("identity:update_identity_provider", ADMIN, "Change an identity provider", SP)
DELETE_PROVIDER = Rule("identity:delete_identity_provider", ADMIN, "Forget an identity provider", SP)
GET_PROTOCOL = Rule("identity:get_protocol", READ_ALL, "Show a provider's protocol", SP)
LIST_PROTOCOLS = Rule("identity:list_protocols", READ_ALL, "List a provider's protocols", SP)
CREATE_PROTOCOL = Rule("identity:create_protocol", ADMIN, "Give a provider a protocol", SP)
UPDATE_PROTOCOL = Rule("identity:update_protocol", ADMIN, "Change a provider's protocol", SP)
DELETE_PROTOCOL = Rule("identity:delete_protocol", ADMIN, "Take a protocol from a provider", SP)
GET_MAPPING = Rule("identity:get_mapping", READ_ALL, "Show a mapping", SP)
LIST_MAPPINGS = Rule("identity:list_mappings", READ_ALL, "List mappings", SP)
CREATE_MAPPING = Rule("identity:create_mapping", ADMIN, "Create a mapping", SP)
UPDATE_MAPPING = Rule("identity:update_mapping", ADMIN, "Change a mapping", SP)
DELETE_MAPPING = Rule("identity:delete_mapping", ADMIN, "Delete a mapping", SP)
GET_SERVICE_PROVIDER = Rule("identity:get_service_provider", READ_ALL, "Show a service provider", SP)
LIST_SERVICE_PROVIDERS = Rule("identity:list_service_providers", READ_ALL, "List service providers", SP)
CREATE_SERVICE_PROVIDER = Rule("identity:create_service_provider", ADMIN, "Name a service provider", SP)
UPDATE_SERVICE_PROVIDER = Rule("identity:update_service_provider", ADMIN, "Change a service provider", SP)
DELETE_SERVICE_PROVIDER = Rule("identity:delete_service_provider", ADMIN, "Forget a service provider", SP)
