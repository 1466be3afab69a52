"""Statements on SIMs with their plan: built once, which takes longer than running one, and sent by the driver."""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, Text, and_, any_, bindparam, select

from app.db.compiled import Compiled
from app.db.schema.control import plans, sims

JOINED = select(sims, *(column.label(f"plan_{column.name}") for column in plans.c if column.name != "tenant")).join(
    plans, and_(plans.c.tenant == sims.c.tenant, plans.c.id == sims.c.plan)
)
"""SIMs with their plan, as `app.db.mapping.sim_from` reads them."""

_ONE = JOINED.where(
    sims.c.tenant == bindparam("tenant", type_=Text),
    sims.c.iccid.in_([bindparam("iccid", type_=Text), bindparam("alternate", type_=Text)]),
)
GET = Compiled(_ONE)
"""One of a tenant by either form of its ICCID."""
LOCK_AND_GET = Compiled(_ONE.with_for_update(of=sims))

# The ids travel as one array: a parameter each would be another statement for each number of them.
_IDS = sims.c.id == any_(bindparam("ids", type_=ARRAY(BigInteger)))
_MANY = JOINED.where(_IDS).order_by(sims.c.id)
BY_IDS = Compiled(_MANY)
LOCK_BY_IDS = Compiled(_MANY.with_for_update(of=sims))
LOCK = Compiled(select(sims.c.id).where(_IDS).order_by(sims.c.id).with_for_update())
"""Locks in the order of ids, as every transaction that locks more than one does."""
IDENTITIES = Compiled(select(sims.c.id, sims.c.iccid, sims.c.msisdn, sims.c.imsi).where(_IDS))
