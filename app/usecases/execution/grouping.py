"""Group claimed operations: which must be marked as sent first, and which share one call to the carrier."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from app.carriers.base import CarrierClient, SimRef
from app.db.mapping import OperationRecord
from app.domain.operation.outcomes import PollingPolicy, steps_of
from app.domain.vocabulary import Channel, OperationKind, OperationStatus
from app.usecases.context import Context
from app.usecases.operations.routing import polling_policy_of


@dataclass(frozen=True, slots=True, kw_only=True)
class CallGroup:
    """Operations that share one call: same account, status, change and arguments."""

    operations: Sequence[OperationRecord]
    refs: Mapping[int, SimRef]
    client: CarrierClient
    polling: PollingPolicy
    deadline_s: float
    """Seconds for a change to leave, or for a read on request to be over (`SEND_DEADLINE_SHARE` of the lease)."""
    send_by: float
    """Until when, by the running loop's clock, a change may leave: `deadline_s` after the lease was taken."""

    @property
    def change(self) -> OperationKind:
        """The change that these operations are at."""
        return current_change(self.operations[0])

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the change, the same for all."""
        return self.operations[0].arguments

    @property
    def sims(self) -> list[SimRef]:
        """The SIMs, in the order of the operations."""
        return [self.ref(operation) for operation in self.operations]

    def part(self, operations: Sequence[OperationRecord]) -> CallGroup:
        """The same call for some of the operations."""
        return replace(self, operations=operations)

    def ref(self, operation: OperationRecord) -> SimRef:
        """The identities by which the carrier knows the operation's SIM."""
        return self.refs[operation.sim_id]


SEND_DEADLINE_SHARE = 0.7
"""The share of the lease within which a change must have left: later, another worker may already be verifying."""


def current_change(operation: OperationRecord) -> OperationKind:
    """The change at the carrier that the operation is at (a composite operation has several steps, SL-5)."""
    return steps_of(operation.kind)[operation.step]


def must_be_marked_sent(operation: OperationRecord) -> bool:
    """Whether executing it changes something at the carrier, so that `sent_at` must be durable first (OP-3)."""
    running, by_api = operation.status is OperationStatus.RUNNING, operation.channel is Channel.API
    return running and by_api and operation.kind is not OperationKind.REFRESH


def call_groups(
    ctx: Context, operations: Iterable[OperationRecord], refs: Mapping[int, SimRef], *, leased_at: float
) -> list[CallGroup]:
    """The calls to make: changes in batches of the protocol's size, polls in one group each.

    What is sent again goes in smaller batches, apart from what is sent for the first time: the answer to a batch may
    be unreadable each time because of one SIM in it. Every account must have a client. `leased_at`: the loop's clock
    before the lease was taken.
    """
    groups: list[CallGroup] = []
    for _, alike in groupby(sorted(operations, key=_key), key=_key):
        members = list(alike)
        client = ctx.clients[members[0].account]
        sending = members[0].status is OperationStatus.RUNNING
        size = _batch_size(client, members[0]) if sending else len(members)
        groups += [_group(ctx, client, members[i : i + size], refs, leased_at) for i in range(0, len(members), size)]
    return groups


REPEATED_BATCH_SHARE = 10
"""A change sent again shares its call with a tenth as many SIMs as before: 100, 10, then each by itself."""


def _sent_again(operation: OperationRecord) -> int:
    """How often the change that the operation is at was sent before (a composite operation sends each step)."""
    return max(0, operation.attempts - 1 - operation.step)


def _batch_size(client: CarrierClient, operation: OperationRecord) -> int:
    whole = client.change_batch(current_change(operation))
    return max(1, int(whole // REPEATED_BATCH_SHARE ** _sent_again(operation)))


def _group(
    ctx: Context,
    client: CarrierClient,
    operations: Sequence[OperationRecord],
    refs: Mapping[int, SimRef],
    leased_at: float,
) -> CallGroup:
    first, deadline_s = operations[0], ctx.lease.total_seconds() * SEND_DEADLINE_SHARE
    return CallGroup(
        operations=operations,
        refs=refs,
        client=client,
        polling=polling_policy_of(ctx, first.account, first.kind),
        deadline_s=deadline_s,
        send_by=leased_at + deadline_s,
    )


def _key(operation: OperationRecord) -> tuple[str, str, str, str, int]:
    arguments = json.dumps(operation.arguments, sort_keys=True)
    again = _sent_again(operation) if operation.status is OperationStatus.RUNNING else 0
    return operation.account, operation.status.value, current_change(operation).value, arguments, again
