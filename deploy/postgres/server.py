"""What our PostgreSQL servers are told, the same whether they run as processes or in containers."""

ADMIN = "postgres"
"""The superuser."""

# fsync, full_page_writes and synchronous_commit are not mentioned: their defaults are on, and a ledger needs them.
SETTINGS = {
    "max_connections": "300",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}
"""Settings of the server."""

INITDB = ("--auth=scram-sha-256", "--data-checksums", "--encoding=UTF8", "--locale=C.UTF-8")
"""Options with which a cluster is created."""
