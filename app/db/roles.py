"""asyncpg: the two roles of a divided installation, and what each may do (docs/adr/0038).

`simgate_api` sees one tenant's rows at a time, and goes `across_tenants` by becoming `simgate_worker`, which sees all.
Neither owns a table, and neither can change or delete an entry of the audit trail.
"""

from __future__ import annotations

from app.db.connection import SESSION_SETTINGS, Connection
from app.db.tenancy import API_ROLE, WORKER_ROLE

CREATE_ROLES = {
    WORKER_ROLE: f"CREATE ROLE {WORKER_ROLE} NOLOGIN",
    API_ROLE: f"CREATE ROLE {API_ROLE} NOLOGIN NOINHERIT",
}
"""By a role that may create roles. Each then gets LOGIN and a password, which we are not told."""

MAY_BECOME = f"GRANT {WORKER_ROLE} TO {API_ROLE}"
"""Not by inheritance: for each transaction of no tenant, in so many words."""

_PRESENT = "SELECT rolname FROM pg_roles WHERE rolname = ANY($1::text[])"

GRANT_RIGHTS = """
DO $$
DECLARE
    one record;
    unlocked text;
BEGIN
    IF to_regprocedure('usage_parts.make_part(date)') IS NULL
       OR (SELECT count(*) FROM pg_roles WHERE rolname IN ('simgate_api', 'simgate_worker')) < 2
       OR NOT (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('sims')) THEN
        RETURN;  -- nobody to grant to, or not ours to grant
    END IF;
    SELECT string_agg(oid::regclass::text, ', ') INTO unlocked FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relrowsecurity
       AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = pg_class.oid AND polname = 'of_every_tenant');
    FOR attempt IN 1..200 LOOP
        EXIT WHEN unlocked IS NULL;
        BEGIN
            SET LOCAL lock_timeout = '200ms';  -- below deadlock_timeout: nobody is chosen to die for this
            EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', unlocked);
            EXIT;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            PERFORM pg_sleep(0.05);
        END;
    END LOOP;
    GRANT USAGE ON SCHEMA public, usage_parts TO simgate_api, simgate_worker;
    FOR one IN SELECT oid::regclass AS name FROM pg_class
                WHERE relnamespace = 'public'::regnamespace AND relkind = 'S' AND pg_has_role(relowner, 'USAGE')
    LOOP
        EXECUTE format('GRANT USAGE ON SEQUENCE %s TO simgate_api, simgate_worker', one.name);
    END LOOP;
    FOR one IN SELECT oid::regclass AS name, relname, relrowsecurity AS walled FROM pg_class
                WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
                  AND pg_has_role(relowner, 'USAGE')
    LOOP
        EXECUTE format('GRANT SELECT ON %s TO simgate_api, simgate_worker', one.name);
        IF one.relname NOT IN ('alembic_version', 'oldest_release') THEN
            EXECUTE format('GRANT INSERT ON %s TO simgate_api, simgate_worker', one.name);
        END IF;
        IF one.relname NOT IN ('alembic_version', 'oldest_release', 'audit') THEN
            EXECUTE format('GRANT UPDATE, DELETE ON %s TO simgate_api, simgate_worker', one.name);
        END IF;
        IF one.walled AND NOT EXISTS (SELECT FROM pg_policy
                                       WHERE polrelid = one.name AND polname = 'of_every_tenant') THEN
            EXECUTE format('CREATE POLICY of_every_tenant ON %s TO simgate_worker USING (true) WITH CHECK (true)',
                           one.name);
        END IF;
    END LOOP;
    GRANT EXECUTE ON FUNCTION usage_parts.make_part(date) TO simgate_api, simgate_worker;
END $$
"""
"""By the owner, after each migration; says and does nothing where there are no such roles."""


async def create_roles(connection: Connection) -> list[str]:
    """Create those of the two roles that are missing; gives their names. Raises `InsufficientPrivilegeError`."""
    present = {row["rolname"] for row in await connection.fetch(_PRESENT, list(CREATE_ROLES))}
    missing = [role for role in CREATE_ROLES if role not in present]
    for role in missing:
        await connection.execute(CREATE_ROLES[role])
        for name, value in SESSION_SETTINGS.items():
            # Through a PgBouncer in transaction mode a process cannot set them for itself.
            await connection.execute(f"ALTER ROLE {role} SET {name} = '{value}'")
    if missing:
        await connection.execute(MAY_BECOME)
    return missing
