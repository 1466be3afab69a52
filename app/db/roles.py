"""The two roles of a divided installation, and what each may do (docs/adr/0033): SQL for whoever may create roles, and
for the owner of the tables.

`simgate_api` sees one tenant's rows at a time, and goes `across_tenants` by becoming `simgate_worker`, which sees all.
Neither owns a table, and neither can change or delete an entry of the audit trail.
"""

from __future__ import annotations

from app.db.schema.walls import OF_EVERY_TENANT
from app.db.tenancy import API_ROLE, WORKER_ROLE

CREATE_ROLES = (
    f"CREATE ROLE {WORKER_ROLE} NOLOGIN",
    f"CREATE ROLE {API_ROLE} NOLOGIN NOINHERIT",
    f"GRANT {WORKER_ROLE} TO {API_ROLE}",
)
"""By a role that may create roles. Each then gets LOGIN and a password, which we are not told."""

ROLES_PRESENT = f"SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('{API_ROLE}', '{WORKER_ROLE}')"  # noqa: S608

GRANT_RIGHTS = f"""
DO $$
DECLARE
    one record;
BEGIN
    IF to_regprocedure('usage_parts.make_part(date)') IS NULL
       OR (SELECT count(*) FROM pg_roles WHERE rolname IN ('{API_ROLE}', '{WORKER_ROLE}')) < 2
       OR NOT (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('sims')) THEN
        RETURN;  -- nobody to grant to, or not ours to grant
    END IF;
    GRANT USAGE ON SCHEMA public, usage_parts TO {API_ROLE}, {WORKER_ROLE};
    FOR one IN SELECT oid::regclass AS name, relname, relrowsecurity AS walled FROM pg_class
                WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
                  AND pg_has_role(relowner, 'USAGE')
    LOOP
        EXECUTE format('GRANT SELECT ON %s TO {API_ROLE}, {WORKER_ROLE}', one.name);
        IF one.relname NOT IN ('alembic_version', 'oldest_release') THEN
            EXECUTE format('GRANT INSERT ON %s TO {API_ROLE}, {WORKER_ROLE}', one.name);
        END IF;
        IF one.relname NOT IN ('alembic_version', 'oldest_release', 'audit') THEN
            EXECUTE format('GRANT UPDATE, DELETE ON %s TO {API_ROLE}, {WORKER_ROLE}', one.name);
        END IF;
        IF one.walled AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = one.name
                                                             AND polname = '{OF_EVERY_TENANT}') THEN
            EXECUTE format('CREATE POLICY {OF_EVERY_TENANT} ON %s TO {WORKER_ROLE} USING (true) WITH CHECK (true)',
                           one.name);
        END IF;
    END LOOP;
    GRANT EXECUTE ON FUNCTION usage_parts.make_part(date), usage_parts.drop_part(text) TO {API_ROLE}, {WORKER_ROLE};
END $$
"""
"""By the owner, after each migration; says and does nothing where there are no such roles."""
