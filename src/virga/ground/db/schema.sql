-- Written by 'make schema'; a test compares it with the migrations.
CREATE TABLE dir_entries (
  id VARCHAR(64) NOT NULL,
  domain_id VARCHAR(64) NOT NULL,
  kind VARCHAR(8) NOT NULL,
  local_id VARCHAR(255) NOT NULL,
  gone DOUBLE,
  CONSTRAINT pk_dir_entries PRIMARY KEY (id)
);
CREATE INDEX ix_dir_entries_domain_id ON dir_entries (domain_id);
CREATE TABLE fed_mappings (
  id VARCHAR(64) NOT NULL,
  rules JSON NOT NULL,
  schema_version VARCHAR(8) NOT NULL,
  CONSTRAINT pk_fed_mappings PRIMARY KEY (id)
);
CREATE TABLE fed_memberships (
  group_id VARCHAR(64) NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  idp_id VARCHAR(64) NOT NULL,
  expires DOUBLE NOT NULL,
  CONSTRAINT pk_fed_memberships PRIMARY KEY (group_id, user_id)
);
CREATE INDEX ix_fed_memberships_expires ON fed_memberships (expires);
CREATE TABLE fed_protocols (
  idp_id VARCHAR(64) NOT NULL,
  id VARCHAR(64) NOT NULL,
  mapping_id VARCHAR(64) NOT NULL,
  remote_id_attribute VARCHAR(64),
  CONSTRAINT pk_fed_protocols PRIMARY KEY (idp_id, id),
  CONSTRAINT fk_fed_protocols_idp_id_fed_providers FOREIGN KEY(idp_id) REFERENCES fed_providers (id),
  CONSTRAINT fk_fed_protocols_mapping_id_fed_mappings FOREIGN KEY(mapping_id) REFERENCES fed_mappings (id)
);
CREATE TABLE fed_providers (
  id VARCHAR(64) NOT NULL,
  enabled BOOLEAN NOT NULL,
  description TEXT,
  domain_id VARCHAR(64) NOT NULL,
  authorization_ttl INTEGER,
  remote_ids JSON NOT NULL,
  CONSTRAINT pk_fed_providers PRIMARY KEY (id)
);
CREATE TABLE fed_service_providers (
  id VARCHAR(64) NOT NULL,
  auth_url VARCHAR(256) NOT NULL,
  sp_url VARCHAR(256) NOT NULL,
  description TEXT,
  enabled BOOLEAN NOT NULL,
  relay_state_prefix VARCHAR(256),
  CONSTRAINT pk_fed_service_providers PRIMARY KEY (id)
);
CREATE TABLE fed_users (
  idp_id VARCHAR(64) NOT NULL,
  protocol_id VARCHAR(64) NOT NULL,
  unique_id VARCHAR(255) NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  CONSTRAINT pk_fed_users PRIMARY KEY (idp_id, protocol_id, unique_id)
);
CREATE INDEX ix_fed_users_user_id ON fed_users (user_id);
CREATE TABLE flavors (
  id VARCHAR(255) NOT NULL,
  name VARCHAR(255) NOT NULL,
  vcpus INTEGER NOT NULL,
  ram INTEGER NOT NULL,
  disk INTEGER NOT NULL,
  ephemeral INTEGER NOT NULL,
  swap INTEGER NOT NULL,
  rxtx_factor DOUBLE NOT NULL,
  is_public BOOLEAN NOT NULL,
  description TEXT,
  extra_specs JSON NOT NULL,
  created DOUBLE NOT NULL,
  CONSTRAINT pk_flavors PRIMARY KEY (id),
  CONSTRAINT uq_flavors_name UNIQUE (name)
);
CREATE TABLE floating_ips (
  id VARCHAR(36) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  description VARCHAR(255) NOT NULL,
  network_id VARCHAR(36) NOT NULL,
  port_id VARCHAR(36) NOT NULL,
  address VARCHAR(64) NOT NULL,
  fixed_port_id VARCHAR(36),
  fixed_ip VARCHAR(64),
  router_id VARCHAR(36),
  status VARCHAR(16) NOT NULL,
  tags JSON NOT NULL,
  revision INTEGER NOT NULL,
  created DOUBLE NOT NULL,
  updated DOUBLE NOT NULL,
  CONSTRAINT pk_floating_ips PRIMARY KEY (id)
);
CREATE INDEX ix_floating_ips_fixed_port_id ON floating_ips (fixed_port_id);
CREATE INDEX ix_floating_ips_project_id ON floating_ips (project_id);
CREATE INDEX ix_floating_ips_router_id ON floating_ips (router_id);
CREATE UNIQUE INDEX uq_floating_ips_fixed ON floating_ips (fixed_port_id, fixed_ip);
CREATE TABLE hosts (
  id VARCHAR(36) NOT NULL,
  name VARCHAR(255) NOT NULL,
  zone VARCHAR(255) NOT NULL,
  vcpus INTEGER NOT NULL,
  memory_mb INTEGER NOT NULL,
  disk_gb INTEGER NOT NULL,
  hypervisor JSON NOT NULL,
  enabled BOOLEAN NOT NULL,
  disabled_reason VARCHAR(255),
  forced_down BOOLEAN NOT NULL,
  seen DOUBLE NOT NULL,
  created DOUBLE NOT NULL,
  number INTEGER NOT NULL,
  storages JSON DEFAULT '[]' NOT NULL,
  claimed BOOLEAN DEFAULT 0 NOT NULL,
  CONSTRAINT pk_hosts PRIMARY KEY (id),
  CONSTRAINT uq_hosts_name UNIQUE (name)
);
CREATE TABLE id_access_rules (
  id VARCHAR(64) NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  service VARCHAR(64) NOT NULL,
  method VARCHAR(16) NOT NULL,
  path VARCHAR(128) NOT NULL,
  CONSTRAINT pk_id_access_rules PRIMARY KEY (id)
);
CREATE INDEX ix_id_access_rules_user_id ON id_access_rules (user_id);
CREATE TABLE id_app_credentials (
  id VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  description TEXT,
  secret_hash VARCHAR(255) NOT NULL,
  expires DOUBLE,
  unrestricted BOOLEAN NOT NULL,
  roles JSON NOT NULL,
  access_rules JSON,
  made_by VARCHAR(64),
  CONSTRAINT pk_id_app_credentials PRIMARY KEY (id),
  CONSTRAINT uq_id_app_credentials_user_id UNIQUE (user_id, name)
);
CREATE INDEX ix_id_app_credentials_made_by ON id_app_credentials (made_by);
CREATE INDEX ix_id_app_credentials_project_id ON id_app_credentials (project_id);
CREATE TABLE id_credentials (
  id VARCHAR(64) NOT NULL,
  type VARCHAR(255) NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  project_id VARCHAR(64),
  blob TEXT NOT NULL,
  extra JSON NOT NULL,
  CONSTRAINT pk_id_credentials PRIMARY KEY (id)
);
CREATE INDEX ix_id_credentials_user_id ON id_credentials (user_id);
CREATE TABLE id_domain_options (
  domain_id VARCHAR(64) NOT NULL,
  "group" VARCHAR(255) NOT NULL,
  option VARCHAR(255) NOT NULL,
  value JSON,
  secret BOOLEAN NOT NULL,
  CONSTRAINT pk_id_domain_options PRIMARY KEY (domain_id, "group", option)
);
CREATE TABLE id_domains (
  id VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  description TEXT NOT NULL,
  enabled BOOLEAN NOT NULL,
  extra JSON NOT NULL,
  options JSON NOT NULL,
  tags JSON NOT NULL,
  CONSTRAINT pk_id_domains PRIMARY KEY (id),
  CONSTRAINT uq_id_domains_name UNIQUE (name)
);
CREATE TABLE id_endpoint_groups (
  id VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  description TEXT,
  filters JSON NOT NULL,
  CONSTRAINT pk_id_endpoint_groups PRIMARY KEY (id)
);
CREATE TABLE id_endpoints (
  id VARCHAR(64) NOT NULL,
  service_id VARCHAR(64) NOT NULL,
  interface VARCHAR(8) NOT NULL,
  region_id VARCHAR(255),
  url TEXT NOT NULL,
  enabled BOOLEAN NOT NULL,
  extra JSON NOT NULL,
  CONSTRAINT pk_id_endpoints PRIMARY KEY (id),
  CONSTRAINT fk_id_endpoints_service_id_id_services FOREIGN KEY(service_id) REFERENCES id_services (id),
  CONSTRAINT fk_id_endpoints_region_id_id_regions FOREIGN KEY(region_id) REFERENCES id_regions (id)
);
CREATE TABLE id_grants (
  role_id VARCHAR(64) NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  target VARCHAR(8) NOT NULL,
  target_id VARCHAR(64) NOT NULL,
  inherited BOOLEAN NOT NULL,
  CONSTRAINT pk_id_grants PRIMARY KEY (role_id, user_id, target, target_id, inherited)
);
CREATE INDEX ix_id_grants_user_id ON id_grants (user_id);
CREATE TABLE id_group_grants (
  role_id VARCHAR(64) NOT NULL,
  group_id VARCHAR(64) NOT NULL,
  target VARCHAR(8) NOT NULL,
  target_id VARCHAR(64) NOT NULL,
  inherited BOOLEAN NOT NULL,
  CONSTRAINT pk_id_group_grants PRIMARY KEY (role_id, group_id, target, target_id, inherited)
);
CREATE INDEX ix_id_group_grants_group_id ON id_group_grants (group_id);
CREATE TABLE id_groups (
  id VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  domain_id VARCHAR(64) NOT NULL,
  description TEXT NOT NULL,
  extra JSON NOT NULL,
  CONSTRAINT pk_id_groups PRIMARY KEY (id),
  CONSTRAINT uq_id_groups_domain_id UNIQUE (domain_id, name)
);
CREATE TABLE id_implied_roles (
  prior_id VARCHAR(64) NOT NULL,
  implied_id VARCHAR(64) NOT NULL,
  CONSTRAINT pk_id_implied_roles PRIMARY KEY (prior_id, implied_id)
);
CREATE TABLE id_keys (
  number INTEGER NOT NULL,
  secret VARCHAR(255) NOT NULL,
  created DOUBLE NOT NULL,
  CONSTRAINT pk_id_keys PRIMARY KEY (number)
);
CREATE TABLE id_limits (
  id VARCHAR(64) NOT NULL,
  project_id VARCHAR(64),
  domain_id VARCHAR(64),
  service_id VARCHAR(64) NOT NULL,
  region_id VARCHAR(255),
  resource_name VARCHAR(255) NOT NULL,
  resource_limit INTEGER NOT NULL,
  description TEXT,
  registered_limit_id VARCHAR(64) NOT NULL,
  CONSTRAINT pk_id_limits PRIMARY KEY (id)
);
CREATE INDEX ix_id_limits_project_id ON id_limits (project_id);
CREATE TABLE id_memberships (
  group_id VARCHAR(64) NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  CONSTRAINT pk_id_memberships PRIMARY KEY (group_id, user_id)
);
CREATE INDEX ix_id_memberships_user_id ON id_memberships (user_id);
CREATE TABLE id_old_passwords (
  id INTEGER NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  password_hash VARCHAR(255) NOT NULL,
  made DOUBLE NOT NULL,
  by_user BOOLEAN NOT NULL,
  CONSTRAINT pk_id_old_passwords PRIMARY KEY (id)
);
CREATE INDEX ix_id_old_passwords_user_id ON id_old_passwords (user_id);
CREATE TABLE id_policies (
  id VARCHAR(64) NOT NULL,
  type VARCHAR(255) NOT NULL,
  blob TEXT NOT NULL,
  extra JSON NOT NULL,
  CONSTRAINT pk_id_policies PRIMARY KEY (id)
);
CREATE TABLE id_policy_uses (
  id VARCHAR(64) NOT NULL,
  policy_id VARCHAR(64) NOT NULL,
  endpoint_id VARCHAR(64),
  service_id VARCHAR(64),
  region_id VARCHAR(255),
  CONSTRAINT pk_id_policy_uses PRIMARY KEY (id)
);
CREATE INDEX ix_id_policy_uses_policy_id ON id_policy_uses (policy_id);
CREATE TABLE id_project_endpoint_groups (
  project_id VARCHAR(64) NOT NULL,
  endpoint_group_id VARCHAR(64) NOT NULL,
  CONSTRAINT pk_id_project_endpoint_groups PRIMARY KEY (project_id, endpoint_group_id)
);
CREATE TABLE id_project_endpoints (
  project_id VARCHAR(64) NOT NULL,
  endpoint_id VARCHAR(64) NOT NULL,
  CONSTRAINT pk_id_project_endpoints PRIMARY KEY (project_id, endpoint_id)
);
CREATE TABLE id_projects (
  id VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  domain_id VARCHAR(64) NOT NULL,
  parent_id VARCHAR(64) NOT NULL,
  description TEXT NOT NULL,
  enabled BOOLEAN NOT NULL,
  tags JSON NOT NULL,
  extra JSON NOT NULL,
  options JSON NOT NULL,
  CONSTRAINT pk_id_projects PRIMARY KEY (id),
  CONSTRAINT uq_id_projects_domain_id UNIQUE (domain_id, name)
);
CREATE INDEX ix_id_projects_parent_id ON id_projects (parent_id);
CREATE TABLE id_regions (
  id VARCHAR(255) NOT NULL,
  description TEXT NOT NULL,
  parent_region_id VARCHAR(255),
  extra JSON NOT NULL,
  CONSTRAINT pk_id_regions PRIMARY KEY (id)
);
CREATE TABLE id_registered_limits (
  id VARCHAR(64) NOT NULL,
  service_id VARCHAR(64) NOT NULL,
  region_id VARCHAR(255),
  resource_name VARCHAR(255) NOT NULL,
  default_limit INTEGER NOT NULL,
  description TEXT,
  CONSTRAINT pk_id_registered_limits PRIMARY KEY (id)
);
CREATE TABLE id_revocations (
  audit_id VARCHAR(32) NOT NULL,
  expires DOUBLE NOT NULL,
  CONSTRAINT pk_id_revocations PRIMARY KEY (audit_id)
);
CREATE INDEX ix_id_revocations_expires ON id_revocations (expires);
CREATE TABLE id_revoke_events (
  id INTEGER NOT NULL,
  facts JSON NOT NULL,
  made DOUBLE NOT NULL,
  CONSTRAINT pk_id_revoke_events PRIMARY KEY (id)
);
CREATE INDEX ix_id_revoke_events_made ON id_revoke_events (made);
CREATE TABLE id_roles (
  id VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  domain_id VARCHAR(64),
  description TEXT,
  extra JSON NOT NULL,
  options JSON NOT NULL,
  CONSTRAINT pk_id_roles PRIMARY KEY (id),
  CONSTRAINT uq_id_roles_domain_id UNIQUE (domain_id, name)
);
CREATE UNIQUE INDEX uq_id_roles_global_name ON id_roles (name) WHERE domain_id IS NULL;
CREATE TABLE id_services (
  id VARCHAR(64) NOT NULL,
  type VARCHAR(255) NOT NULL,
  name VARCHAR(255),
  description TEXT,
  enabled BOOLEAN NOT NULL,
  extra JSON NOT NULL,
  CONSTRAINT pk_id_services PRIMARY KEY (id)
);
CREATE TABLE id_spent (
  what VARCHAR(128) NOT NULL,
  expires DOUBLE NOT NULL,
  CONSTRAINT pk_id_spent PRIMARY KEY (what)
);
CREATE INDEX ix_id_spent_expires ON id_spent (expires);
CREATE TABLE id_state (
  one INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  CONSTRAINT pk_id_state PRIMARY KEY (one)
);
CREATE TABLE id_trusts (
  id VARCHAR(64) NOT NULL,
  trustor_id VARCHAR(64) NOT NULL,
  trustee_id VARCHAR(64) NOT NULL,
  project_id VARCHAR(64),
  impersonation BOOLEAN NOT NULL,
  roles JSON NOT NULL,
  expires DOUBLE,
  remaining_uses INTEGER,
  redelegated_id VARCHAR(64),
  redelegation_count INTEGER NOT NULL,
  allow_redelegation BOOLEAN NOT NULL,
  deleted_at DOUBLE,
  extra JSON NOT NULL,
  CONSTRAINT pk_id_trusts PRIMARY KEY (id)
);
CREATE INDEX ix_id_trusts_project_id ON id_trusts (project_id);
CREATE INDEX ix_id_trusts_redelegated_id ON id_trusts (redelegated_id);
CREATE INDEX ix_id_trusts_trustee_id ON id_trusts (trustee_id);
CREATE INDEX ix_id_trusts_trustor_id ON id_trusts (trustor_id);
CREATE TABLE id_users (
  id VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  domain_id VARCHAR(64) NOT NULL,
  enabled BOOLEAN NOT NULL,
  default_project_id VARCHAR(64),
  password_hash VARCHAR(255),
  password_expires_at DOUBLE,
  valid_after DOUBLE NOT NULL,
  options JSON NOT NULL,
  extra JSON NOT NULL,
  password_set DOUBLE,
  failures INTEGER NOT NULL,
  failed_at DOUBLE,
  active_at DOUBLE,
  CONSTRAINT pk_id_users PRIMARY KEY (id),
  CONSTRAINT uq_id_users_domain_id UNIQUE (domain_id, name)
);
CREATE INDEX ix_id_users_name ON id_users (name, id);
CREATE TABLE image_ids (
  id VARCHAR(36) NOT NULL,
  CONSTRAINT pk_image_ids PRIMARY KEY (id)
);
CREATE TABLE image_locations (
  id VARCHAR(36) NOT NULL,
  image_id VARCHAR(36) NOT NULL,
  store VARCHAR(64) NOT NULL,
  "key" TEXT NOT NULL,
  meta JSON NOT NULL,
  created DOUBLE NOT NULL,
  CONSTRAINT pk_image_locations PRIMARY KEY (id)
);
CREATE INDEX ix_image_locations_image_id ON image_locations (image_id);
CREATE TABLE image_members (
  image_id VARCHAR(36) NOT NULL,
  member_id VARCHAR(255) NOT NULL,
  status VARCHAR(20) NOT NULL,
  created DOUBLE NOT NULL,
  updated DOUBLE NOT NULL,
  CONSTRAINT pk_image_members PRIMARY KEY (image_id, member_id)
);
CREATE INDEX ix_image_members_member_id ON image_members (member_id, status);
CREATE TABLE image_properties (
  image_id VARCHAR(36) NOT NULL,
  name VARCHAR(255) NOT NULL,
  head VARCHAR(255) NOT NULL,
  CONSTRAINT pk_image_properties PRIMARY KEY (image_id, name)
);
CREATE INDEX ix_image_properties_name ON image_properties (name, head, image_id);
CREATE TABLE image_tags (
  image_id VARCHAR(36) NOT NULL,
  tag VARCHAR(255) NOT NULL,
  CONSTRAINT pk_image_tags PRIMARY KEY (image_id, tag)
);
CREATE INDEX ix_image_tags_tag ON image_tags (tag, image_id);
CREATE TABLE image_tasks (
  id VARCHAR(36) NOT NULL,
  image_id VARCHAR(36),
  type VARCHAR(30) NOT NULL,
  status VARCHAR(30) NOT NULL,
  owner VARCHAR(64) NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  request_id VARCHAR(64) NOT NULL,
  input JSON NOT NULL,
  result JSON,
  message TEXT NOT NULL,
  created DOUBLE NOT NULL,
  updated DOUBLE NOT NULL,
  expires DOUBLE,
  CONSTRAINT pk_image_tasks PRIMARY KEY (id)
);
CREATE INDEX ix_image_tasks_image_id ON image_tasks (image_id);
CREATE INDEX ix_image_tasks_owner ON image_tasks (owner, created, id);
CREATE TABLE images (
  id VARCHAR(36) NOT NULL,
  name VARCHAR(255),
  owner VARCHAR(64) NOT NULL,
  status VARCHAR(16) NOT NULL,
  visibility VARCHAR(16) NOT NULL,
  disk_format VARCHAR(20),
  container_format VARCHAR(20),
  detected VARCHAR(20),
  min_disk INTEGER NOT NULL,
  min_ram INTEGER NOT NULL,
  size BIGINT,
  virtual_size BIGINT,
  checksum VARCHAR(32),
  os_hash_algo VARCHAR(16),
  os_hash_value VARCHAR(128),
  protected BOOLEAN NOT NULL,
  os_hidden BOOLEAN NOT NULL,
  tags JSON NOT NULL,
  properties JSON NOT NULL,
  upload VARCHAR(36),
  upload_lease DOUBLE NOT NULL,
  created DOUBLE NOT NULL,
  updated DOUBLE NOT NULL,
  stores JSON DEFAULT '[]' NOT NULL,
  staged VARCHAR(64),
  staged_size BIGINT DEFAULT '0' NOT NULL,
  importing JSON DEFAULT '[]' NOT NULL,
  failed JSON DEFAULT '[]' NOT NULL,
  saga_id VARCHAR(36),
  task_id VARCHAR(36),
  reason TEXT,
  CONSTRAINT pk_images PRIMARY KEY (id),
  CONSTRAINT ck_images_arriving_has_a_lease CHECK (status not in ('saving', 'uploading') or upload_lease > 0),
  CONSTRAINT ck_images_importing_has_a_saga CHECK (status <> 'importing' or saga_id is not null)
);
CREATE INDEX ix_images_created ON images (created, id);
CREATE INDEX ix_images_live ON images (status, upload_lease) WHERE status in ('saving', 'uploading', 'importing');
CREATE INDEX ix_images_name ON images (name);
CREATE INDEX ix_images_owner ON images (owner, created, id);
CREATE INDEX ix_images_visible ON images (visibility, created, id);
CREATE TABLE keypairs (
  id INTEGER NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  type VARCHAR(8) NOT NULL,
  public_key TEXT NOT NULL,
  fingerprint VARCHAR(255) NOT NULL,
  created DOUBLE NOT NULL,
  CONSTRAINT pk_keypairs PRIMARY KEY (id),
  CONSTRAINT uq_keypairs_user_id UNIQUE (user_id, name)
);
CREATE TABLE leases (
  name VARCHAR(128) NOT NULL,
  owner VARCHAR(64) NOT NULL,
  epoch INTEGER NOT NULL,
  CONSTRAINT pk_leases PRIMARY KEY (name)
);
CREATE TABLE machines (
  id VARCHAR(36) NOT NULL,
  server_id VARCHAR(36) NOT NULL,
  host_id VARCHAR(36) NOT NULL,
  role VARCHAR(16) NOT NULL,
  wanted JSON NOT NULL,
  generation INTEGER NOT NULL,
  seen INTEGER NOT NULL,
  error TEXT,
  power VARCHAR(16),
  found JSON,
  reported DOUBLE NOT NULL,
  created DOUBLE NOT NULL,
  CONSTRAINT pk_machines PRIMARY KEY (id),
  CONSTRAINT uq_machines_server_id UNIQUE (server_id, host_id)
);
CREATE INDEX ix_machines_host ON machines (host_id);
CREATE INDEX ix_machines_undone ON machines (host_id, server_id) WHERE seen < generation;
CREATE UNIQUE INDEX uq_machines_run ON machines (server_id) WHERE role = 'run';
CREATE TABLE metadef_items (
  id VARCHAR(36) NOT NULL,
  namespace_id VARCHAR(36) NOT NULL,
  kind VARCHAR(16) NOT NULL,
  name VARCHAR(80) NOT NULL,
  body JSON NOT NULL,
  created DOUBLE NOT NULL,
  updated DOUBLE NOT NULL,
  CONSTRAINT pk_metadef_items PRIMARY KEY (id),
  CONSTRAINT uq_metadef_items_namespace_id UNIQUE (namespace_id, kind, name)
);
CREATE INDEX ix_metadef_items_kind ON metadef_items (kind, name);
CREATE TABLE metadef_namespaces (
  id VARCHAR(36) NOT NULL,
  namespace VARCHAR(80) NOT NULL,
  display_name VARCHAR(80),
  description TEXT,
  visibility VARCHAR(16) NOT NULL,
  protected BOOLEAN NOT NULL,
  owner VARCHAR(255) NOT NULL,
  created DOUBLE NOT NULL,
  updated DOUBLE NOT NULL,
  CONSTRAINT pk_metadef_namespaces PRIMARY KEY (id),
  CONSTRAINT uq_metadef_namespaces_namespace UNIQUE (namespace)
);
CREATE TABLE metadef_resource_types (
  name VARCHAR(80) NOT NULL,
  protected BOOLEAN NOT NULL,
  created DOUBLE NOT NULL,
  updated DOUBLE NOT NULL,
  CONSTRAINT pk_metadef_resource_types PRIMARY KEY (name)
);
CREATE TABLE network_dirty (
  kind VARCHAR(16) NOT NULL,
  id VARCHAR(36) NOT NULL,
  generation INTEGER NOT NULL,
  CONSTRAINT pk_network_dirty PRIMARY KEY (kind, id)
);
CREATE TABLE networks (
  id VARCHAR(36) NOT NULL,
  name VARCHAR(255) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  description VARCHAR(255) NOT NULL,
  admin_state_up BOOLEAN NOT NULL,
  shared BOOLEAN NOT NULL,
  external BOOLEAN NOT NULL,
  is_default BOOLEAN NOT NULL,
  mtu INTEGER NOT NULL,
  port_security BOOLEAN NOT NULL,
  physical VARCHAR(64),
  tags JSON NOT NULL,
  revision INTEGER NOT NULL,
  created DOUBLE NOT NULL,
  updated DOUBLE NOT NULL,
  CONSTRAINT pk_networks PRIMARY KEY (id)
);
CREATE INDEX ix_networks_project_id ON networks (project_id);
CREATE TABLE oauth_access (
  id VARCHAR(64) NOT NULL,
  secret VARCHAR(255) NOT NULL,
  consumer_id VARCHAR(64) NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  roles JSON NOT NULL,
  expires DOUBLE,
  CONSTRAINT pk_oauth_access PRIMARY KEY (id)
);
CREATE INDEX ix_oauth_access_consumer_id ON oauth_access (consumer_id);
CREATE INDEX ix_oauth_access_user_id ON oauth_access (user_id);
CREATE TABLE oauth_consumers (
  id VARCHAR(64) NOT NULL,
  secret VARCHAR(255) NOT NULL,
  description TEXT,
  CONSTRAINT pk_oauth_consumers PRIMARY KEY (id)
);
CREATE TABLE oauth_requests (
  id VARCHAR(64) NOT NULL,
  secret VARCHAR(255) NOT NULL,
  consumer_id VARCHAR(64) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  expires DOUBLE NOT NULL,
  verifier VARCHAR(64),
  user_id VARCHAR(64),
  roles JSON NOT NULL,
  CONSTRAINT pk_oauth_requests PRIMARY KEY (id)
);
CREATE INDEX ix_oauth_requests_consumer_id ON oauth_requests (consumer_id);
CREATE TABLE obj_accounts (
  name VARCHAR(1024) NOT NULL,
  created DOUBLE NOT NULL,
  meta JSON NOT NULL,
  control JSON NOT NULL,
  deleted DOUBLE,
  CONSTRAINT pk_obj_accounts PRIMARY KEY (name)
);
CREATE TABLE obj_containers (
  id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  account VARCHAR(1024) NOT NULL,
  name VARCHAR(1024) NOT NULL,
  policy VARCHAR(64) NOT NULL,
  created DOUBLE NOT NULL,
  changed DOUBLE NOT NULL,
  meta JSON NOT NULL,
  control JSON NOT NULL,
  objects BIGINT NOT NULL,
  bytes BIGINT NOT NULL,
  CONSTRAINT uq_obj_containers_account_name UNIQUE (account, name)
);
CREATE INDEX ix_obj_containers_name ON obj_containers (name);
CREATE TABLE obj_history (
  container_id INTEGER NOT NULL,
  name VARCHAR(1024) NOT NULL,
  version VARCHAR(24) NOT NULL,
  unversioned BOOLEAN NOT NULL,
  created DOUBLE NOT NULL,
  changed DOUBLE NOT NULL,
  etag VARCHAR(64) NOT NULL,
  size BIGINT NOT NULL,
  content_type TEXT NOT NULL,
  kind VARCHAR(8) NOT NULL,
  body VARCHAR(40),
  delete_at BIGINT,
  meta JSON NOT NULL,
  control JSON,
  CONSTRAINT pk_obj_history PRIMARY KEY (container_id, name, version)
)
 WITHOUT ROWID;
CREATE INDEX ix_obj_history_body ON obj_history (body);
CREATE TABLE obj_objects (
  container_id INTEGER NOT NULL,
  name VARCHAR(1024) NOT NULL,
  version VARCHAR(24) NOT NULL,
  unversioned BOOLEAN NOT NULL,
  created DOUBLE NOT NULL,
  changed DOUBLE NOT NULL,
  etag VARCHAR(64) NOT NULL,
  size BIGINT NOT NULL,
  content_type TEXT NOT NULL,
  kind VARCHAR(8) NOT NULL,
  body VARCHAR(40),
  delete_at BIGINT,
  meta JSON NOT NULL,
  control JSON,
  CONSTRAINT pk_obj_objects PRIMARY KEY (container_id, name)
)
 WITHOUT ROWID;
CREATE INDEX ix_obj_objects_body ON obj_objects (body);
CREATE INDEX ix_obj_objects_delete_at ON obj_objects (delete_at) WHERE delete_at IS NOT NULL;
CREATE TABLE obj_parts (
  upload VARCHAR(40) NOT NULL,
  number INTEGER NOT NULL,
  body VARCHAR(40) NOT NULL,
  size BIGINT NOT NULL,
  etag VARCHAR(64) NOT NULL,
  changed DOUBLE NOT NULL,
  control JSON,
  CONSTRAINT pk_obj_parts PRIMARY KEY (upload, number)
);
CREATE INDEX ix_obj_parts_body ON obj_parts (body);
CREATE TABLE obj_pieces (
  body VARCHAR(40) NOT NULL,
  number INTEGER NOT NULL,
  blob VARCHAR(40) NOT NULL,
  size BIGINT NOT NULL,
  etag VARCHAR(64) NOT NULL,
  control JSON,
  CONSTRAINT pk_obj_pieces PRIMARY KEY (body, number)
);
CREATE INDEX ix_obj_pieces_blob ON obj_pieces (blob);
CREATE TABLE obj_quarantine (
  body VARCHAR(40) NOT NULL,
  since DOUBLE NOT NULL,
  why TEXT NOT NULL,
  CONSTRAINT pk_obj_quarantine PRIMARY KEY (body)
);
CREATE TABLE obj_small (
  body VARCHAR(40) NOT NULL,
  data BLOB NOT NULL,
  CONSTRAINT pk_obj_small PRIMARY KEY (body)
);
CREATE TABLE obj_sync (
  container_id INTEGER NOT NULL,
  name VARCHAR(1024) NOT NULL,
  at DOUBLE NOT NULL,
  deleted BOOLEAN NOT NULL,
  cursor VARCHAR(1024),
  tries INTEGER NOT NULL,
  due DOUBLE NOT NULL,
  why TEXT,
  CONSTRAINT pk_obj_sync PRIMARY KEY (container_id, name)
);
CREATE INDEX ix_obj_sync_due ON obj_sync (due);
CREATE TABLE obj_trash (
  body VARCHAR(40) NOT NULL,
  since DOUBLE NOT NULL,
  CONSTRAINT pk_obj_trash PRIMARY KEY (body)
);
CREATE TABLE obj_uploads (
  id VARCHAR(40) NOT NULL,
  container_id INTEGER NOT NULL,
  name VARCHAR(1024) NOT NULL,
  created DOUBLE NOT NULL,
  content_type TEXT NOT NULL,
  meta JSON NOT NULL,
  control JSON,
  owner VARCHAR(64) NOT NULL,
  CONSTRAINT pk_obj_uploads PRIMARY KEY (id)
);
CREATE INDEX ix_obj_uploads_name ON obj_uploads (container_id, name, id);
CREATE TABLE orders (
  id VARCHAR(36) NOT NULL,
  server_id VARCHAR(36) NOT NULL,
  host_id VARCHAR(36) NOT NULL,
  kind VARCHAR(32) NOT NULL,
  arguments JSON NOT NULL,
  state VARCHAR(16) NOT NULL,
  progress JSON,
  result JSON,
  error TEXT,
  saga_id VARCHAR(36),
  created DOUBLE NOT NULL,
  ended DOUBLE,
  CONSTRAINT pk_orders PRIMARY KEY (id)
);
CREATE INDEX ix_orders_ended ON orders (ended);
CREATE INDEX ix_orders_saga_id ON orders (saga_id);
CREATE INDEX ix_orders_server_id ON orders (server_id);
CREATE INDEX ix_orders_undone ON orders (host_id, server_id) WHERE state = 'wanted';
CREATE TABLE outbox (
  id INTEGER NOT NULL,
  topic VARCHAR(64) NOT NULL,
  payload JSON NOT NULL,
  created DOUBLE NOT NULL,
  sent DOUBLE,
  CONSTRAINT pk_outbox PRIMARY KEY (id)
);
CREATE INDEX ix_outbox_unsent ON outbox (id) WHERE sent is null;
CREATE TABLE placement_allocations (
  consumer_id VARCHAR(36) NOT NULL,
  provider_id VARCHAR(36) NOT NULL,
  resource_class VARCHAR(255) NOT NULL,
  used BIGINT NOT NULL,
  created DOUBLE NOT NULL,
  CONSTRAINT pk_placement_allocations PRIMARY KEY (consumer_id, provider_id, resource_class)
);
CREATE INDEX ix_placement_allocations_provider ON placement_allocations (provider_id, resource_class);
CREATE TABLE placement_classes (
  name VARCHAR(255) NOT NULL,
  created DOUBLE NOT NULL,
  CONSTRAINT pk_placement_classes PRIMARY KEY (name)
);
CREATE TABLE placement_consumers (
  id VARCHAR(36) NOT NULL,
  project_id VARCHAR(255) NOT NULL,
  user_id VARCHAR(255) NOT NULL,
  generation INTEGER NOT NULL,
  type VARCHAR(255),
  created DOUBLE NOT NULL,
  updated DOUBLE NOT NULL,
  CONSTRAINT pk_placement_consumers PRIMARY KEY (id)
);
CREATE INDEX ix_placement_consumers_project ON placement_consumers (project_id, user_id);
CREATE TABLE placement_inventories (
  provider_id VARCHAR(36) NOT NULL,
  resource_class VARCHAR(255) NOT NULL,
  total BIGINT NOT NULL,
  reserved BIGINT NOT NULL,
  min_unit BIGINT NOT NULL,
  max_unit BIGINT NOT NULL,
  step_size BIGINT NOT NULL,
  allocation_ratio DOUBLE NOT NULL,
  used BIGINT NOT NULL,
  free BIGINT NOT NULL,
  updated DOUBLE NOT NULL,
  CONSTRAINT pk_placement_inventories PRIMARY KEY (provider_id, resource_class)
);
CREATE INDEX ix_placement_inventories_free ON placement_inventories (resource_class, free, provider_id);
CREATE TABLE placement_provider_aggregates (
  provider_id VARCHAR(36) NOT NULL,
  aggregate_id VARCHAR(36) NOT NULL,
  CONSTRAINT pk_placement_provider_aggregates PRIMARY KEY (provider_id, aggregate_id)
);
CREATE INDEX ix_placement_provider_aggregates_aggregate_id ON placement_provider_aggregates (aggregate_id);
CREATE TABLE placement_provider_traits (
  provider_id VARCHAR(36) NOT NULL,
  trait VARCHAR(255) NOT NULL,
  CONSTRAINT pk_placement_provider_traits PRIMARY KEY (provider_id, trait)
);
CREATE INDEX ix_placement_provider_traits_trait ON placement_provider_traits (trait);
CREATE TABLE placement_providers (
  id VARCHAR(36) NOT NULL,
  name VARCHAR(200) NOT NULL,
  generation INTEGER NOT NULL,
  root_id VARCHAR(36) NOT NULL,
  parent_id VARCHAR(36),
  created DOUBLE NOT NULL,
  updated DOUBLE NOT NULL,
  CONSTRAINT pk_placement_providers PRIMARY KEY (id),
  CONSTRAINT uq_placement_providers_name UNIQUE (name)
);
CREATE INDEX ix_placement_providers_parent_id ON placement_providers (parent_id);
CREATE INDEX ix_placement_providers_root_id ON placement_providers (root_id);
CREATE TABLE placement_traits (
  name VARCHAR(255) NOT NULL,
  created DOUBLE NOT NULL,
  CONSTRAINT pk_placement_traits PRIMARY KEY (name)
);
CREATE TABLE port_ips (
  port_id VARCHAR(36) NOT NULL,
  subnet_id VARCHAR(36) NOT NULL,
  ip VARCHAR(64) NOT NULL,
  router_id VARCHAR(36),
  CONSTRAINT pk_port_ips PRIMARY KEY (port_id, subnet_id, ip),
  CONSTRAINT uq_port_ips_subnet_id UNIQUE (subnet_id, ip),
  CONSTRAINT fk_port_ips_port_id_ports FOREIGN KEY(port_id) REFERENCES ports (id) ON DELETE CASCADE,
  CONSTRAINT fk_port_ips_subnet_id_subnets FOREIGN KEY(subnet_id) REFERENCES subnets (id)
);
CREATE UNIQUE INDEX uq_port_ips_router_id ON port_ips (router_id, subnet_id);
CREATE TABLE port_security_groups (
  port_id VARCHAR(36) NOT NULL,
  group_id VARCHAR(36) NOT NULL,
  CONSTRAINT pk_port_security_groups PRIMARY KEY (port_id, group_id),
  CONSTRAINT fk_port_security_groups_port_id_ports FOREIGN KEY(port_id) REFERENCES ports (id) ON DELETE CASCADE,
  CONSTRAINT fk_port_security_groups_group_id_security_groups FOREIGN KEY(group_id) REFERENCES security_groups (id)
);
CREATE INDEX ix_port_security_groups_group_id ON port_security_groups (group_id);
CREATE TABLE ports (
  id VARCHAR(36) NOT NULL,
  name VARCHAR(255) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  description VARCHAR(255) NOT NULL,
  network_id VARCHAR(36) NOT NULL,
  mac VARCHAR(17) NOT NULL,
  admin_state_up BOOLEAN NOT NULL,
  status VARCHAR(16) NOT NULL,
  device_id VARCHAR(255) NOT NULL,
  device_owner VARCHAR(255) NOT NULL,
  host VARCHAR(255) NOT NULL,
  vnic_type VARCHAR(32) NOT NULL,
  profile JSON NOT NULL,
  port_security BOOLEAN NOT NULL,
  pairs JSON NOT NULL,
  dhcp_options JSON NOT NULL,
  tags JSON NOT NULL,
  revision INTEGER NOT NULL,
  created DOUBLE NOT NULL,
  updated DOUBLE NOT NULL,
  CONSTRAINT pk_ports PRIMARY KEY (id),
  CONSTRAINT uq_ports_network_id UNIQUE (network_id, mac),
  CONSTRAINT fk_ports_network_id_networks FOREIGN KEY(network_id) REFERENCES networks (id)
);
CREATE INDEX ix_ports_device_id ON ports (device_id);
CREATE INDEX ix_ports_project_id ON ports (project_id);
CREATE UNIQUE INDEX uq_ports_gateway ON ports (device_id) WHERE device_owner = 'network:router_gateway';
CREATE UNIQUE INDEX uq_ports_metadata ON ports (network_id) WHERE device_owner = 'network:distributed';
CREATE TABLE processes (
  id VARCHAR(36) NOT NULL,
  node VARCHAR(255) NOT NULL,
  started DOUBLE NOT NULL,
  seen DOUBLE NOT NULL,
  CONSTRAINT pk_processes PRIMARY KEY (id)
);
CREATE TABLE project_limits (
  project_id VARCHAR(64) NOT NULL,
  service VARCHAR(32) NOT NULL,
  name VARCHAR(64) NOT NULL,
  value INTEGER NOT NULL,
  CONSTRAINT pk_project_limits PRIMARY KEY (project_id, service, name)
);
CREATE TABLE routers (
  id VARCHAR(36) NOT NULL,
  name VARCHAR(255) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  description VARCHAR(255) NOT NULL,
  admin_state_up BOOLEAN NOT NULL,
  gateway_network_id VARCHAR(36),
  gateway_port_id VARCHAR(36),
  enable_snat BOOLEAN NOT NULL,
  routes JSON NOT NULL,
  tags JSON NOT NULL,
  revision INTEGER NOT NULL,
  created DOUBLE NOT NULL,
  updated DOUBLE NOT NULL,
  CONSTRAINT pk_routers PRIMARY KEY (id)
);
CREATE INDEX ix_routers_project_id ON routers (project_id);
CREATE TABLE saga_resources (
  resource VARCHAR(128) NOT NULL,
  saga_id VARCHAR(36) NOT NULL,
  hold VARCHAR(9) NOT NULL,
  CONSTRAINT pk_saga_resources PRIMARY KEY (resource, saga_id)
);
CREATE INDEX ix_saga_resources_saga_id ON saga_resources (saga_id);
CREATE UNIQUE INDEX uq_saga_resources_exclusive ON saga_resources (resource) WHERE hold = 'exclusive';
CREATE TABLE sagas (
  id VARCHAR(36) NOT NULL,
  name VARCHAR(64) NOT NULL,
  args JSON NOT NULL,
  notes JSON NOT NULL,
  state VARCHAR(12) NOT NULL,
  cursor INTEGER NOT NULL,
  step VARCHAR(64) NOT NULL,
  parent VARCHAR(36),
  parent_step VARCHAR(64),
  children INTEGER NOT NULL,
  owner VARCHAR(64),
  epoch INTEGER NOT NULL,
  wake DOUBLE NOT NULL,
  awaits VARCHAR(128),
  nudges INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  deadline DOUBLE NOT NULL,
  until DOUBLE NOT NULL,
  waits TEXT,
  done BIGINT NOT NULL,
  total BIGINT NOT NULL,
  what VARCHAR(255),
  error TEXT,
  request_id VARCHAR(64),
  created DOUBLE NOT NULL,
  ended DOUBLE,
  CONSTRAINT pk_sagas PRIMARY KEY (id)
);
CREATE INDEX ix_sagas_awaits ON sagas (awaits) WHERE ended is null and awaits is not null;
CREATE INDEX ix_sagas_due ON sagas (wake) WHERE ended is null;
CREATE INDEX ix_sagas_ended ON sagas (ended) WHERE ended is not null;
CREATE INDEX ix_sagas_held ON sagas (until) WHERE ended is null and owner is not null;
CREATE INDEX ix_sagas_parent ON sagas (parent) WHERE parent is not null;
CREATE TABLE schema_history (
  number VARCHAR(8) NOT NULL,
  name VARCHAR(64) NOT NULL,
  kind VARCHAR(8) NOT NULL,
  applied DOUBLE NOT NULL,
  CONSTRAINT pk_schema_history PRIMARY KEY (number)
);
CREATE TABLE security_group_rules (
  id VARCHAR(36) NOT NULL,
  group_id VARCHAR(36) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  description VARCHAR(255) NOT NULL,
  direction VARCHAR(8) NOT NULL,
  ethertype VARCHAR(8) NOT NULL,
  protocol VARCHAR(40),
  port_min INTEGER,
  port_max INTEGER,
  remote_ip_prefix VARCHAR(64),
  remote_group_id VARCHAR(36),
  revision INTEGER NOT NULL,
  created DOUBLE NOT NULL,
  updated DOUBLE NOT NULL,
  CONSTRAINT pk_security_group_rules PRIMARY KEY (id),
  CONSTRAINT fk_security_group_rules_group_id_security_groups FOREIGN KEY(group_id) REFERENCES security_groups (id) ON DELETE CASCADE
);
CREATE INDEX ix_security_group_rules_group_id ON security_group_rules (group_id);
CREATE INDEX ix_security_group_rules_remote_group_id ON security_group_rules (remote_group_id);
CREATE TABLE security_groups (
  id VARCHAR(36) NOT NULL,
  name VARCHAR(255) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  description VARCHAR(255) NOT NULL,
  stateful BOOLEAN NOT NULL,
  is_default BOOLEAN NOT NULL,
  tags JSON NOT NULL,
  revision INTEGER NOT NULL,
  created DOUBLE NOT NULL,
  updated DOUBLE NOT NULL,
  CONSTRAINT pk_security_groups PRIMARY KEY (id)
);
CREATE INDEX ix_security_groups_project_id ON security_groups (project_id);
CREATE UNIQUE INDEX uq_security_groups_default ON security_groups (project_id) WHERE is_default;
CREATE TABLE server_actions (
  id INTEGER NOT NULL,
  server_id VARCHAR(36) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  action VARCHAR(255) NOT NULL,
  request_id VARCHAR(64) NOT NULL,
  start DOUBLE NOT NULL,
  finish DOUBLE,
  message TEXT,
  events JSON NOT NULL,
  CONSTRAINT pk_server_actions PRIMARY KEY (id)
);
CREATE INDEX ix_server_actions_server_id ON server_actions (server_id);
CREATE TABLE server_groups (
  id VARCHAR(36) NOT NULL,
  name VARCHAR(255) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  policy VARCHAR(32) NOT NULL,
  rules JSON NOT NULL,
  created DOUBLE NOT NULL,
  CONSTRAINT pk_server_groups PRIMARY KEY (id)
);
CREATE INDEX ix_server_groups_project ON server_groups (project_id, created, id);
CREATE TABLE servers (
  id VARCHAR(36) NOT NULL,
  name VARCHAR(255) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  user_id VARCHAR(64) NOT NULL,
  vm_state VARCHAR(16) NOT NULL,
  task_state VARCHAR(32),
  power_state INTEGER NOT NULL,
  host VARCHAR(255),
  flavor_id VARCHAR(255) NOT NULL,
  vcpus INTEGER NOT NULL,
  ram INTEGER NOT NULL,
  disk INTEGER NOT NULL,
  flavor JSON NOT NULL,
  image_id VARCHAR(36),
  key_name VARCHAR(255),
  key_data TEXT,
  user_data TEXT,
  metadata JSON NOT NULL,
  config_drive BOOLEAN NOT NULL,
  zone VARCHAR(255),
  description VARCHAR(255),
  hostname VARCHAR(255) NOT NULL,
  locked BOOLEAN NOT NULL,
  locked_reason VARCHAR(255),
  tags JSON NOT NULL,
  access_v4 VARCHAR(64) NOT NULL,
  access_v6 VARCHAR(64) NOT NULL,
  disk_config VARCHAR(8) NOT NULL,
  wanted JSON NOT NULL,
  groups JSON NOT NULL,
  reservation_id VARCHAR(32) NOT NULL,
  launch_index INTEGER NOT NULL,
  saga_id VARCHAR(36),
  fault JSON,
  created DOUBLE NOT NULL,
  updated DOUBLE NOT NULL,
  launched DOUBLE,
  boot JSON DEFAULT '{}' NOT NULL,
  ephemeral INTEGER DEFAULT '0' NOT NULL,
  locked_by VARCHAR(8),
  hints JSON,
  server_group_id VARCHAR(36),
  CONSTRAINT pk_servers PRIMARY KEY (id),
  CONSTRAINT ck_servers_task_has_a_saga CHECK (task_state is null or saga_id is not null)
);
CREATE INDEX ix_servers_host ON servers (host);
CREATE INDEX ix_servers_project ON servers (project_id, created, id);
CREATE INDEX ix_servers_server_group ON servers (server_group_id);
CREATE TABLE subnets (
  id VARCHAR(36) NOT NULL,
  name VARCHAR(255) NOT NULL,
  project_id VARCHAR(64) NOT NULL,
  description VARCHAR(255) NOT NULL,
  network_id VARCHAR(36) NOT NULL,
  ip_version INTEGER NOT NULL,
  cidr VARCHAR(64) NOT NULL,
  gateway_ip VARCHAR(64),
  enable_dhcp BOOLEAN NOT NULL,
  pools JSON NOT NULL,
  dns_nameservers JSON NOT NULL,
  host_routes JSON NOT NULL,
  ipv6_ra_mode VARCHAR(20),
  ipv6_address_mode VARCHAR(20),
  tags JSON NOT NULL,
  revision INTEGER NOT NULL,
  created DOUBLE NOT NULL,
  updated DOUBLE NOT NULL,
  CONSTRAINT pk_subnets PRIMARY KEY (id),
  CONSTRAINT fk_subnets_network_id_networks FOREIGN KEY(network_id) REFERENCES networks (id)
);
CREATE INDEX ix_subnets_network_id ON subnets (network_id);
CREATE INDEX ix_subnets_project_id ON subnets (project_id);
