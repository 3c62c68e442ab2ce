# SPDX-License-Identifier: Apache-2.0
"""Identity's rules, by Keystone's names, with Keystone's defaults and scopes (keystone, "Policy configuration"). `admin` is the
cloud's administrator wherever the role was given; who runs one domain has `manager` on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from virga.authority.language import parse
from virga.authority.rules import Rule
from virga.services.identity import model

NAMES: dict[str, str] = {
    "admin_required": "role:admin or is_admin:1",
    "service_role": "role:service",
    "service_or_admin": "rule:admin_required or rule:service_role",
    "owner": "user_id:%(user_id)s",
    "admin_or_owner": "rule:admin_required or rule:owner",
    "token_subject": "user_id:%(target.token.user_id)s",
    "admin_or_token_subject": "rule:admin_required or rule:token_subject",
    "service_admin_or_token_subject": "rule:service_or_admin or rule:token_subject",
    "domain_managed_target_role": "'manager':%(target.role.name)s or 'member':%(target.role.name)s or 'reader':%(target.role.name)s",
}
"""The rules that others name; a policy file may replace them too."""

ALL = ("system", "domain", "project")
SP = ("system", "project")
ADMIN = "rule:admin_required"
SYS_READ = "(role:reader and system_scope:all)"
READ = f"{ADMIN} or {SYS_READ}"
OWNER = "user_id:%(target.user.id)s"
CRED_OWNER = "user_id:%(target.credential.user_id)s"
TRUSTOR, TRUSTEE = "user_id:%(target.trust.trustor_user_id)s", "user_id:%(target.trust.trustee_user_id)s"
READ_USER = f"{READ} or (role:reader and token.domain.id:%(target.user.domain_id)s) or {OWNER}"
EDIT_USER = f"{ADMIN} or (role:manager and token.domain.id:%(target.user.domain_id)s)"
READ_IN_DOMAIN = f"{READ} or (role:reader and domain_id:%(target.domain_id)s)"
READ_GROUP = f"{READ} or (role:reader and domain_id:%(target.group.domain_id)s)"
READ_MEMBER = (
    f"{READ} or (role:reader and domain_id:%(target.group.domain_id)s and domain_id:%(target.user.domain_id)s)"
)
EDIT_GROUP = f"{ADMIN} or (role:manager and domain_id:%(target.group.domain_id)s)"
EDIT_MEMBER = (
    f"{ADMIN} or (role:manager and domain_id:%(target.group.domain_id)s and domain_id:%(target.user.domain_id)s)"
)
_ITS = "domain_id:%(target.project.domain_id)s and not None:%(target.project.domain_id)s"
READ_PROJECT = f"{READ} or (role:reader and {_ITS}) or project_id:%(target.project.id)s"
EDIT_PROJECT = f"{ADMIN} or (role:manager and {_ITS})"
_WHO = "(domain_id:%(target.user.domain_id)s or domain_id:%(target.group.domain_id)s)"
_WHERE = "(domain_id:%(target.project.domain_id)s or domain_id:%(target.domain.id)s)"
_ROLE = "(domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s)"
READ_GRANT = f"{READ} or (role:reader and {_WHO} and {_WHERE} and {_ROLE})"
LIST_GRANT = f"{READ} or (role:reader and {_WHO} and {_WHERE})"
EDIT_GRANT = f"{ADMIN} or (role:manager and {_WHO} and {_WHERE} and rule:domain_managed_target_role)"


def _rule(name: str, expression: str, text: str, scopes: tuple[str, ...] = SP) -> Rule:
    return Rule(f"identity:{name}", parse(expression, NAMES), text, scopes, expression or "@", NAMES)


def _noun(
    one: str, many: str, read: str, edit: str, scopes: tuple[str, ...] = SP
) -> tuple[Rule, Rule, Rule, Rule, Rule]:
    return (
        _rule(f"get_{one}", read, f"Show a {one}", scopes),
        _rule(f"list_{many}", read, f"List {many}", scopes),
        _rule(f"create_{one}", edit, f"Create a {one}", scopes),
        _rule(f"update_{one}", edit, f"Change a {one}", scopes),
        _rule(f"delete_{one}", edit, f"Delete a {one}", scopes),
    )


CHECK_TOKEN = _rule("check_token", f"{READ} or rule:token_subject", "See whether a token is alive", ALL)
VALIDATE_TOKEN = _rule("validate_token", f"{READ} or rule:service_role or rule:token_subject", "Look into a token", ALL)
REVOKE_TOKEN = _rule("revoke_token", f"{ADMIN} or rule:token_subject", "End a token", ALL)
GET_CATALOG = _rule("get_auth_catalog", "", "Read one's own catalogue", ())
GET_AUTH_PROJECTS = _rule("get_auth_projects", "", "See the projects one may go to", ())
GET_AUTH_DOMAINS = _rule("get_auth_domains", "", "See the domains one may go to", ())
GET_AUTH_SYSTEM = _rule("get_auth_system", "", "See whether one may go to the system", ())
LIST_REVOKE_EVENTS = _rule("list_revoke_events", "rule:service_or_admin", "See what ended tokens")
EC2TOKENS = _rule("ec2tokens_validate", "rule:service_or_admin", "Turn a signed EC2 request into a token", ALL)
S3TOKENS = _rule("s3tokens_validate", "rule:service_or_admin", "Turn a signed S3 request into a user", ALL)

GET_USER, _, CREATE_USER, UPDATE_USER, DELETE_USER = _noun("user", "users", READ_USER, EDIT_USER, ALL)
LIST_USERS = _rule("list_users", READ_IN_DOMAIN, "List users", ALL)
LIST_USER_PROJECTS = _rule("list_user_projects", f"{READ} or (role:reader and domain_id:%(target.user.domain_id)s) or {OWNER}", "List a user's projects", ALL)  # fmt: skip
GET_GROUP, LIST_GROUPS, CREATE_GROUP, UPDATE_GROUP, DELETE_GROUP = _noun("group", "groups", READ_GROUP, EDIT_GROUP, ALL)
LIST_GROUPS_FOR_USER = _rule("list_groups_for_user", f"{READ} or (role:reader and domain_id:%(target.user.domain_id)s) or rule:owner", "List a user's groups", ALL)  # fmt: skip
LIST_USERS_IN_GROUP = _rule("list_users_in_group", READ_GROUP, "List a group's users", ALL)
CHECK_USER_IN_GROUP = _rule("check_user_in_group", READ_MEMBER, "See whether a user is in a group", ALL)
ADD_USER_TO_GROUP = _rule("add_user_to_group", EDIT_MEMBER, "Put a user into a group", ALL)
REMOVE_USER_FROM_GROUP = _rule("remove_user_from_group", EDIT_MEMBER, "Take a user out of a group", ALL)

GET_PROJECT, _, CREATE_PROJECT, UPDATE_PROJECT, DELETE_PROJECT = _noun(
    "project", "projects", READ_PROJECT, EDIT_PROJECT, ALL
)
LIST_PROJECTS = _rule("list_projects", READ_IN_DOMAIN, "List projects", ALL)
LIST_PROJECT_TAGS = _rule("list_project_tags", READ_PROJECT, "List a project's tags", ALL)
GET_PROJECT_TAG = _rule("get_project_tag", READ_PROJECT, "See whether a project has a tag", ALL)
UPDATE_PROJECT_TAGS = _rule("update_project_tags", EDIT_PROJECT, "Replace a project's tags", ALL)
CREATE_PROJECT_TAG = _rule("create_project_tag", EDIT_PROJECT, "Give a project a tag", ALL)
DELETE_PROJECT_TAGS = _rule("delete_project_tags", EDIT_PROJECT, "Take all tags from a project", ALL)
DELETE_PROJECT_TAG = _rule("delete_project_tag", EDIT_PROJECT, "Take a tag from a project", ALL)
_, _, CREATE_DOMAIN, UPDATE_DOMAIN, DELETE_DOMAIN = _noun("domain", "domains", READ, ADMIN)
GET_DOMAIN = _rule("get_domain", f"{READ} or token.domain.id:%(target.domain.id)s or token.project.domain.id:%(target.domain.id)s", "Show a domain", ALL)  # fmt: skip
LIST_DOMAINS = _rule("list_domains", f"{READ} or (role:reader and domain_id:%(target.domain.id)s)", "List domains", ALL)
GET_DOMAIN_CONFIG = _rule("get_domain_config", READ, "Read a domain's own configuration")
GET_DOMAIN_CONFIG_DEFAULT = _rule("get_domain_config_default", READ, "Read the defaults of domains' configurations")
GET_SECURITY_COMPLIANCE = _rule("get_security_compliance_domain_config", "", "Read what passwords must be like", ALL)
CREATE_DOMAIN_CONFIG = _rule("create_domain_config", ADMIN, "Give a domain a configuration of its own")
UPDATE_DOMAIN_CONFIG = _rule("update_domain_config", ADMIN, "Change a domain's own configuration")
DELETE_DOMAIN_CONFIG = _rule("delete_domain_config", ADMIN, "Delete a domain's own configuration")

_, _, CREATE_ROLE, UPDATE_ROLE, DELETE_ROLE = _noun("role", "roles", READ, ADMIN)
GET_ROLE = _rule("get_role", f"{READ} or (role:manager and rule:domain_managed_target_role)", "Show a role", ALL)
LIST_ROLES = _rule("list_roles", f"{READ} or (role:manager and not domain_id:None)", "List roles", ALL)
GET_DOMAIN_ROLE = _rule("get_domain_role", READ, "Show a domain's own role")
LIST_DOMAIN_ROLES = _rule("list_domain_roles", READ, "List a domain's own roles")
CREATE_DOMAIN_ROLE = _rule("create_domain_role", ADMIN, "Create a domain's own role")
UPDATE_DOMAIN_ROLE = _rule("update_domain_role", ADMIN, "Change a domain's own role")
DELETE_DOMAIN_ROLE = _rule("delete_domain_role", ADMIN, "Delete a domain's own role")
GET_IMPLIED_ROLE = _rule("get_implied_role", READ, "Show an implied role")
LIST_IMPLIED_ROLES = _rule("list_implied_roles", READ, "List what a role implies")
CHECK_IMPLIED_ROLE = _rule("check_implied_role", READ, "See whether a role implies another")
CREATE_IMPLIED_ROLE = _rule("create_implied_role", ADMIN, "Let a role imply another")
DELETE_IMPLIED_ROLE = _rule("delete_implied_role", ADMIN, "Let a role no longer imply another")
LIST_ROLE_INFERENCE_RULES = _rule("list_role_inference_rules", READ, "List all implied roles")

CHECK_GRANT = _rule("check_grant", READ_GRANT, "See whether a role is granted", ALL)
LIST_GRANTS = _rule("list_grants", LIST_GRANT, "List the roles granted", ALL)
CREATE_GRANT = _rule("create_grant", EDIT_GRANT, "Grant a role", ALL)
REVOKE_GRANT = _rule("revoke_grant", EDIT_GRANT, "Take a role back", ALL)
SYSTEM_GRANTS = {
    (verb, who): _rule(f"{verb}_system_grant{'s' if verb == 'list' else ''}_for_{who}", READ if verb in {"list", "check"} else ADMIN,
                       f"{verb.capitalize()} a {who}'s role on the system")
    for who in ("user", "group") for verb in ("list", "check", "create", "revoke")
}  # fmt: skip
LIST_ROLE_ASSIGNMENTS = _rule("list_role_assignments", READ_IN_DOMAIN, "List who has which role where", ALL)
LIST_ROLE_ASSIGNMENTS_FOR_TREE = _rule("list_role_assignments_for_tree", READ_IN_DOMAIN, "List who has which role in a tree of projects", ALL)  # fmt: skip

_, _, CREATE_REGION, UPDATE_REGION, DELETE_REGION = _noun("region", "regions", "", ADMIN)
GET_REGION = _rule("get_region", "", "Show a region", ALL)
LIST_REGIONS = _rule("list_regions", "", "List regions", ALL)
GET_SERVICE, LIST_SERVICES, CREATE_SERVICE, UPDATE_SERVICE, DELETE_SERVICE = _noun("service", "services", READ, ADMIN)
GET_ENDPOINT, LIST_ENDPOINTS, CREATE_ENDPOINT, UPDATE_ENDPOINT, DELETE_ENDPOINT = _noun(
    "endpoint", "endpoints", READ, ADMIN
)
GET_ENDPOINT_GROUP, LIST_ENDPOINT_GROUPS, CREATE_ENDPOINT_GROUP, UPDATE_ENDPOINT_GROUP, DELETE_ENDPOINT_GROUP = _noun("endpoint_group", "endpoint_groups", READ, ADMIN)  # fmt: skip
LIST_PROJECTS_OF_ENDPOINT_GROUP = _rule(
    "list_projects_associated_with_endpoint_group", READ, "List an endpoint group's projects"
)
LIST_ENDPOINTS_OF_ENDPOINT_GROUP = _rule(
    "list_endpoints_associated_with_endpoint_group", READ, "List an endpoint group's endpoints"
)
GET_ENDPOINT_GROUP_IN_PROJECT = _rule(
    "get_endpoint_group_in_project", READ, "See whether a project has an endpoint group"
)
LIST_ENDPOINT_GROUPS_FOR_PROJECT = _rule("list_endpoint_groups_for_project", READ, "List a project's endpoint groups")
ADD_ENDPOINT_GROUP_TO_PROJECT = _rule("add_endpoint_group_to_project", ADMIN, "Give a project an endpoint group")
REMOVE_ENDPOINT_GROUP_FROM_PROJECT = _rule(
    "remove_endpoint_group_from_project", ADMIN, "Take an endpoint group from a project"
)
LIST_PROJECTS_FOR_ENDPOINT = _rule("list_projects_for_endpoint", READ, "List an endpoint's projects")
ADD_ENDPOINT_TO_PROJECT = _rule("add_endpoint_to_project", ADMIN, "Show a project an endpoint")
CHECK_ENDPOINT_IN_PROJECT = _rule("check_endpoint_in_project", READ, "See whether a project is shown an endpoint")
LIST_ENDPOINTS_FOR_PROJECT = _rule("list_endpoints_for_project", READ, "List the endpoints a project is shown")
REMOVE_ENDPOINT_FROM_PROJECT = _rule("remove_endpoint_from_project", ADMIN, "No longer show a project an endpoint")

GET_POLICY, _, CREATE_POLICY, UPDATE_POLICY, DELETE_POLICY = _noun("policy", "policies", READ, ADMIN)
LIST_POLICIES = _rule("list_policies", READ, "List policies")
POLICY_USES = {
    (verb, what): _rule(f"{verb}_policy_association_for_{what}", READ if verb == "check" else ADMIN, f"{verb.capitalize()} the policy of a {what}")
    for what in ("endpoint", "service", "region_and_service") for verb in ("create", "check", "delete")
}  # fmt: skip
GET_POLICY_FOR_ENDPOINT = _rule("get_policy_for_endpoint", READ, "Show an endpoint's policy")
LIST_ENDPOINTS_FOR_POLICY = _rule("list_endpoints_for_policy", READ, "List a policy's endpoints")

GET_CREDENTIAL, LIST_CREDENTIALS, CREATE_CREDENTIAL, UPDATE_CREDENTIAL, DELETE_CREDENTIAL = (
    _rule(f"{verb}_credential{'s' if verb == 'list' else ''}", f"{READ if verb in {'get', 'list'} else ADMIN} or {CRED_OWNER}", f"{verb.capitalize()} a credential", ALL)
    for verb in ("get", "list", "create", "update", "delete")
)  # fmt: skip
EC2_GET = _rule("ec2_get_credential", f"{READ} or {CRED_OWNER}", "Show an EC2 credential")
EC2_LIST = _rule("ec2_list_credentials", f"{READ} or rule:owner", "List a user's EC2 credentials")
EC2_CREATE = _rule("ec2_create_credential", f"{ADMIN} or (role:member and {CRED_OWNER})", "Create an EC2 credential")
EC2_DELETE = _rule("ec2_delete_credential", f"{ADMIN} or (role:member and {CRED_OWNER})", "Delete an EC2 credential")
GET_APP_CREDENTIAL = _rule("get_application_credential", f"{READ} or rule:owner", "Show an application credential")
LIST_APP_CREDENTIALS = _rule("list_application_credentials", f"{READ} or rule:owner", "List application credentials")
CREATE_APP_CREDENTIAL = _rule(
    "create_application_credential", "rule:owner", "Create an application credential", ("project",)
)
DELETE_APP_CREDENTIAL = _rule(
    "delete_application_credential", f"{ADMIN} or rule:owner", "Delete an application credential"
)
GET_ACCESS_RULE = _rule("get_access_rule", f"{SYS_READ} or {OWNER}", "Show an access rule")
LIST_ACCESS_RULES = _rule("list_access_rules", f"{SYS_READ} or {OWNER}", "List access rules")
DELETE_ACCESS_RULE = _rule(
    "delete_access_rule", f"(role:admin and system_scope:all) or {OWNER}", "Delete an access rule"
)
CREATE_TRUST = _rule("create_trust", TRUSTOR, "Create a trust", ("project",))
LIST_TRUSTS = _rule("list_trusts", READ, "List all trusts")
LIST_TRUSTS_FOR_TRUSTOR = _rule("list_trusts_for_trustor", f"{READ} or {TRUSTOR}", "List what a user entrusted")
LIST_TRUSTS_FOR_TRUSTEE = _rule("list_trusts_for_trustee", f"{READ} or {TRUSTEE}", "List what a user is entrusted with")
LIST_ROLES_FOR_TRUST = _rule("list_roles_for_trust", f"{READ} or {TRUSTOR} or {TRUSTEE}", "List a trust's roles")
GET_ROLE_FOR_TRUST = _rule("get_role_for_trust", f"{READ} or {TRUSTOR} or {TRUSTEE}", "Show a trust's role")
GET_TRUST = _rule("get_trust", f"{READ} or {TRUSTOR} or {TRUSTEE}", "Show a trust")
DELETE_TRUST = _rule("delete_trust", f"{ADMIN} or {TRUSTOR}", "End a trust")

UPDATE_REGISTERED_LIMIT = _rule("update_registered_limit", ADMIN, "Change a registered limit")
DELETE_REGISTERED_LIMIT = _rule("delete_registered_limit", ADMIN, "Delete a registered limit")
GET_REGISTERED_LIMIT = _rule("get_registered_limit", "", "Show a registered limit", ALL)
LIST_REGISTERED_LIMITS = _rule("list_registered_limits", "", "List registered limits", ALL)
CREATE_REGISTERED_LIMITS = _rule("create_registered_limits", ADMIN, "Register limits")
GET_LIMIT_MODEL = _rule("get_limit_model", "", "Read how limits of a tree of projects add up", ALL)
GET_LIMIT = _rule(
    "get_limit", f"{READ} or domain_id:%(target.limit.domain.id)s or domain_id:%(target.limit.project.domain_id)s "
    "or (project_id:%(target.limit.project_id)s and not None:%(target.limit.project_id)s)", "Show a limit", ALL,
)  # fmt: skip
LIST_LIMITS = _rule("list_limits", "", "List limits", ALL)
CREATE_LIMITS = _rule("create_limits", ADMIN, "Set limits")
UPDATE_LIMIT = _rule("update_limit", ADMIN, "Change a limit")
DELETE_LIMIT = _rule("delete_limit", ADMIN, "Delete a limit")


Target = Mapping[str, Any]


def on_user(user: model.User | None) -> Target:
    """The facts about a user; none about one who is not there, so that the refusal does not tell."""
    return {"target.user.id": None, "target.user.domain_id": ""} if user is None else {"target.user.id": user.id, "target.user.domain_id": user.domain_id}  # fmt: skip


def on_group(group: model.Group | None) -> Target:
    return {} if group is None else {"target.group.id": group.id, "target.group.domain_id": group.domain_id}


def on_project(project: model.Project | None) -> Target:
    return {} if project is None else {"target.project.id": project.id, "target.project.domain_id": project.domain_id}


def on_domain(domain_id: str | None) -> Target:
    return {} if domain_id is None else {"target.domain.id": domain_id, "target.domain_id": domain_id}


def on_role(role: model.Role | None) -> Target:
    return {} if role is None else {"target.role.name": role.name, "target.role.domain_id": role.domain_id}


def on_credential(user_id: str, project_id: str | None) -> Target:
    return {"target.credential.user_id": user_id, "target.credential.project_id": project_id}


def on_trust(trustor_id: str | None, trustee_id: str | None = None) -> Target:
    return {"target.trust.trustor_user_id": trustor_id, "target.trust.trustee_user_id": trustee_id}
