# SPDX-License-Identifier: Apache-2.0
"""Federation's rules, by Keystone's names."""

from __future__ import annotations

from virga.authority.rules import ADMIN, READ_ALL, Rule

GET_PROVIDER = Rule("identity:get_identity_provider", READ_ALL, "Show an identity provider")
LIST_PROVIDERS = Rule("identity:list_identity_providers", READ_ALL, "List identity providers")
CREATE_PROVIDER = Rule("identity:create_identity_provider", ADMIN, "Trust an identity provider")
UPDATE_PROVIDER = Rule("identity:update_identity_provider", ADMIN, "Change an identity provider")
DELETE_PROVIDER = Rule("identity:delete_identity_provider", ADMIN, "Forget an identity provider")
GET_PROTOCOL = Rule("identity:get_protocol", READ_ALL, "Show a provider's protocol")
LIST_PROTOCOLS = Rule("identity:list_protocols", READ_ALL, "List a provider's protocols")
CREATE_PROTOCOL = Rule("identity:create_protocol", ADMIN, "Give a provider a protocol")
UPDATE_PROTOCOL = Rule("identity:update_protocol", ADMIN, "Change a provider's protocol")
DELETE_PROTOCOL = Rule("identity:delete_protocol", ADMIN, "Take a protocol from a provider")
GET_MAPPING = Rule("identity:get_mapping", READ_ALL, "Show a mapping")
LIST_MAPPINGS = Rule("identity:list_mappings", READ_ALL, "List mappings")
CREATE_MAPPING = Rule("identity:create_mapping", ADMIN, "Create a mapping")
UPDATE_MAPPING = Rule("identity:update_mapping", ADMIN, "Change a mapping")
DELETE_MAPPING = Rule("identity:delete_mapping", ADMIN, "Delete a mapping")
GET_SERVICE_PROVIDER = Rule("identity:get_service_provider", READ_ALL, "Show a service provider")
LIST_SERVICE_PROVIDERS = Rule("identity:list_service_providers", READ_ALL, "List service providers")
CREATE_SERVICE_PROVIDER = Rule("identity:create_service_provider", ADMIN, "Name a service provider")
UPDATE_SERVICE_PROVIDER = Rule("identity:update_service_provider", ADMIN, "Change a service provider")
DELETE_SERVICE_PROVIDER = Rule("identity:delete_service_provider", ADMIN, "Forget a service provider")
