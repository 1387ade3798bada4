"""The tables. Times are ms since the epoch; JSON is kept as text, as it goes out."""

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

domains = sa.Table(
    "domains",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
)

projects = sa.Table(
    "projects",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("domain_id", sa.ForeignKey("domains.id"), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.UniqueConstraint("domain_id", "name"),
)

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("domain_id", sa.ForeignKey("domains.id"), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("password_hash", sa.String(255), nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("domain_id", "name"),
)

grants = sa.Table(
    "grants",
    metadata,
    sa.Column("user_id", sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("project_id", sa.ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("role", sa.String(64), nullable=False),
)

# Those that administrators made; the built-in ones are in roles.py. A grant names a role.
roles = sa.Table(
    "roles",
    metadata,
    sa.Column("domain_id", sa.ForeignKey("domains.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("policy", sa.Text, nullable=False),  # JSON
)

access_keys = sa.Table(
    "access_keys",
    metadata,
    sa.Column("access", sa.String(64), primary_key=True),
    sa.Column("secret", sa.Text, nullable=False),  # encrypted: a signature check needs it back
    sa.Column("user_id", sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

# A user's token, or, with source_id set, the credential of that source's agent.
tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),  # sha256 of the token
    sa.Column("user_id", sa.ForeignKey("users.id", ondelete="CASCADE"), index=True),
    sa.Column("project_id", sa.ForeignKey("projects.id", ondelete="CASCADE")),  # null: domain
    sa.Column("source_id", sa.ForeignKey("sources.id", ondelete="CASCADE"), index=True),
    sa.Column("issued_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, index=True),  # null: when revoked
)

enrolments = sa.Table(
    "enrolments",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),  # sha256 of the code
    sa.Column("project_id", sa.ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    sa.Column("created_by", sa.String(64), nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("used_at", sa.BigInteger),
    sa.Column("source_id", sa.String(36)),  # what it registered
)

sources = sa.Table(
    "sources",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("project_id", sa.ForeignKey("projects.id"), nullable=False),
    sa.Column("identity_key", sa.String(64), index=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("ip", sa.String(255), nullable=False, index=True),
    sa.Column("ipv6", sa.String(255), nullable=False, index=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("migration_cycle", sa.String(16), nullable=False),
    sa.Column("connected", sa.Boolean, nullable=False),
    sa.Column("add_date", sa.BigInteger, nullable=False),
    sa.Column("state_action_time", sa.BigInteger, nullable=False),
    sa.Column("stage_action_time", sa.BigInteger, nullable=False),
    sa.Column("last_visit_time", sa.BigInteger, nullable=False),
    sa.Column("migproject", sa.String(255), nullable=False),
    sa.Column("enterprise_project_id", sa.String(255), nullable=False),
    sa.Column("target_vm_id", sa.String(255), nullable=False),
    sa.Column("has_consistency_result", sa.Boolean, nullable=False),
    sa.Column("replicatesize", sa.BigInteger, nullable=False),
    sa.Column("totalsize", sa.BigInteger, nullable=False),
    sa.Column("report", sa.Text, nullable=False),  # as registered
    sa.Column("choices", sa.Text, nullable=False),  # JSON: what operators want of the target
    sa.Column("rules", sa.String(64), nullable=False),  # digest of the checks that judged it
    # Parts of the answers, ready to send; document.py makes them.
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("inventory", sa.Text, nullable=False),
    sa.Column("checks_en", sa.Text, nullable=False),
    sa.Column("checks_zh", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("task", sa.Text, nullable=False),
    sa.Index("ix_sources_page", "project_id", "number"),
    sa.Index("ix_sources_state", "project_id", "state", "number"),
    sa.Index(
        "ix_sources_connected",
        "connected",
        "id",
        sqlite_where=sa.text("connected = 1"),
        postgresql_where=sa.text("connected"),
    ),
    sqlite_autoincrement=True,  # check ids are made of it: a number is never used again
)

migprojects = sa.Table(
    "migprojects",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("project_id", sa.ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("description", sa.String(255), nullable=False),
    sa.Column("isdefault", sa.Boolean, nullable=False),
    sa.Column("region", sa.String(255), nullable=False),
    sa.Column("start_target_server", sa.Boolean, nullable=False),
    sa.Column("speed_limit", sa.Integer, nullable=False),  # Mbit/s; 0: none
    sa.Column("use_public_ip", sa.Boolean, nullable=False),
    sa.Column("exist_server", sa.Boolean, nullable=False),
    sa.Column("type", sa.String(16), nullable=False),
    sa.Column("enterprise_project", sa.String(255), nullable=False),
    sa.Column("syncing", sa.Boolean, nullable=False),
    sa.Column("start_network_check", sa.Boolean, nullable=False),
    sa.UniqueConstraint("project_id", "name"),
    sa.Index(
        "uq_migprojects_default",
        "project_id",
        unique=True,
        sqlite_where=sa.text("isdefault = 1"),
        postgresql_where=sa.text("isdefault"),
    ),
)

templates = sa.Table(
    "templates",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("project_id", sa.ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("region", sa.String(255), nullable=False),
    sa.Column("availability_zone", sa.String(255), nullable=False),
    sa.Column("document", sa.Text, nullable=False),  # JSON: as it was given, but the password
    sa.Column("target_password", sa.Text),  # encrypted
    sa.Index("ix_templates_page", "project_id", "number"),
    sqlite_autoincrement=True,
)

# Who accepted the privacy agreement: no reference, for users of an external Keystone have no row.
agreements = sa.Table(
    "agreements",
    metadata,
    sa.Column("subject", sa.String(255), primary_key=True),  # user:<domain>:<id> or source:<id>
    sa.Column("accepted_at", sa.BigInteger, nullable=False),
)

# No references: it outlives what it names.
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", sa.BigInteger, nullable=False, index=True),
    sa.Column("domain_id", sa.String(64), nullable=False),
    sa.Column("project_id", sa.String(64)),  # null: of the domain, as a log-in is
    sa.Column("caller_kind", sa.String(16), nullable=False),
    sa.Column("caller_id", sa.String(64), nullable=False),
    sa.Column("caller", sa.String(255), nullable=False),
    sa.Column("client_ip", sa.String(64), nullable=False),
    sa.Column("event", sa.String(64), nullable=False),
    sa.Column("resource", sa.String(64), nullable=False),
    sa.Column("resource_id", sa.String(255), nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("error_code", sa.String(32), nullable=False),
    sa.Column("request_id", sa.String(64), nullable=False),
    sa.Index("ix_audit_page", "project_id", "number"),
    sqlite_autoincrement=True,
)

# Apart from sources, so that noting that an agent was here rewrites a few bytes, not its document.
heartbeats = sa.Table(
    "heartbeats",
    metadata,
    sa.Column("source_id", sa.ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("seen_at", sa.BigInteger, nullable=False),
)

commands = sa.Table(
    "commands",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column(
        "source_id", sa.ForeignKey("sources.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    sa.Column("name", sa.String(32), nullable=False),
    sa.Column("param", sa.Text, nullable=False),  # JSON
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("handed_out_at", sa.BigInteger),  # 0: it was, and is to be once more
    sa.Column("finished_at", sa.BigInteger),
    sa.Column("result", sa.String(16)),
    sa.Column("result_detail", sa.Text),
    sqlite_autoincrement=True,
)

# Settings, run and the like are JSON, as control/task_record.py has them.
tasks = sa.Table(
    "tasks",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("project_id", sa.ForeignKey("projects.id"), nullable=False),
    sa.Column("source_id", sa.ForeignKey("sources.id"), nullable=False),
    sa.Column("current", sa.Boolean, nullable=False),  # the source has no newer one
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("type", sa.String(16), nullable=False),
    sa.Column("os_type", sa.String(16), nullable=False),
    sa.Column("state", sa.String(32), nullable=False),
    sa.Column("enterprise_project_id", sa.String(255), nullable=False),
    sa.Column("create_date", sa.BigInteger, nullable=False),
    sa.Column("start_date", sa.BigInteger),
    sa.Column("finish_date", sa.BigInteger),
    sa.Column("settings", sa.Text, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("passphrase", sa.Text, nullable=False),  # encrypted
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("speed_limits", sa.Text, nullable=False),
    sa.Column("configurations", sa.Text, nullable=False),
    sa.Column("network_check", sa.Text, nullable=False),
    sa.Column("log", sa.Text, nullable=False),
    sa.Column("server", sa.Text, nullable=False),
    sa.Column("node", sa.String(64)),  # the machine that has the target's disks
    sa.Column("active", sa.Boolean, nullable=False),  # the runner has something to do
    sa.Column("receiver_port", sa.Integer),
    sa.Column("launch", sa.Text, nullable=False, server_default="null"),
    sa.Column("trial", sa.Text, nullable=False, server_default="null"),
    # Which runner drives it, and until when it may without saying so again.
    sa.Column("lease_owner", sa.String(64)),
    sa.Column("lease_until", sa.BigInteger, nullable=False),
    sa.Index("ix_tasks_page", "project_id", "number"),
    sa.Index("ix_tasks_state", "project_id", "state", "number"),
    sa.Index("ix_tasks_source", "source_id", "number"),
    sa.Index(
        "uq_tasks_current",
        "source_id",
        unique=True,
        sqlite_where=sa.text("current = 1"),
        postgresql_where=sa.text("current"),
    ),
    sa.Index(
        "ix_tasks_active",
        "number",
        sqlite_where=sa.text("active = 1"),
        postgresql_where=sa.text("active"),
    ),
    sqlite_autoincrement=True,
)

# How many tasks are in each state: to count finished ones takes longer the more there are.
task_counts = sa.Table(
    "task_counts",
    metadata,
    sa.Column("project_id", sa.String(64), primary_key=True),
    sa.Column("state", sa.String(32), primary_key=True),
    sa.Column("tasks", sa.BigInteger, nullable=False),
)

consistency_results = sa.Table(
    "consistency_results",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("task_id", sa.ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("result", sa.Text, nullable=False),  # JSON: the directories of one check
    sa.Index("ix_consistency_results_page", "task_id", "number"),
    sqlite_autoincrement=True,
)

# What deleted tasks left on disks, for the runner to remove. No references: nothing else is left.
discards = sa.Table(
    "discards",
    metadata,
    sa.Column("task_id", sa.String(36), primary_key=True),
    sa.Column("server_id", sa.String(255)),  # the target that is to go, if any
    sa.Column("kept_server_id", sa.String(255)),  # the one that stays, and is to be taken down
    sa.Column("node", sa.String(64)),
    sa.Column("lease_owner", sa.String(64)),
    sa.Column("lease_until", sa.BigInteger, nullable=False),
)
