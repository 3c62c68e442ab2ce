# SPDX-License-Identifier: Apache-2.0
"""Rules of metadata definitions, by Glance's names: everybody reads what is public or its own, administrators write."""

from __future__ import annotations

from virga.authority.rules import ADMIN, SCOPED, Rule, role

_READERS = ADMIN | (role("reader") & SCOPED)
READ = Rule("get_metadef_namespaces", _READERS, "Read metadata definitions")
ADD_NAMESPACE = Rule("add_metadef_namespace", ADMIN, "Add a namespace of metadata definitions")
MODIFY_NAMESPACE = Rule("modify_metadef_namespace", ADMIN, "Change a namespace of metadata definitions")
DELETE_NAMESPACE = Rule("delete_metadef_namespace", ADMIN, "Delete a namespace of metadata definitions")
ADD = {
    "object": Rule("add_metadef_object", ADMIN, "Add an object to a namespace"),
    "property": Rule("add_metadef_property", ADMIN, "Add a property to a namespace"),
    "tag": Rule("add_metadef_tag", ADMIN, "Add a tag to a namespace"),
    "association": Rule("add_metadef_resource_type_association", ADMIN, "Say what a namespace is for"),
}
MODIFY = {
    "object": Rule("modify_metadef_object", ADMIN, "Change an object of a namespace"),
    "property": Rule("modify_metadef_property", ADMIN, "Change a property of a namespace"),
    "tag": Rule("modify_metadef_tag", ADMIN, "Change a tag of a namespace"),
}
DELETE = {
    "object": Rule("delete_metadef_object", ADMIN, "Delete an object of a namespace"),
    "property": Rule("remove_metadef_property", ADMIN, "Delete a property of a namespace"),
    "tag": Rule("delete_metadef_tag", ADMIN, "Delete a tag of a namespace"),
    "association": Rule("remove_metadef_resource_type_association", ADMIN, "Take back what a namespace is for"),
}
