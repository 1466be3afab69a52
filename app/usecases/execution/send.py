"""Send a change to the carrier. However the call ends, each operation gets exactly one result (OP-3)."""

from __future__ import annotations

from collections.abc import Sequence

from app.carriers.base import ChangeOutcome
from app.carriers.errors import CarrierError, CarrierOutcomeUnknown
from app.carriers.http.send_deadline import SendWindow, sending_in
from app.carriers.http.transport_errors import LeaseOver
from app.usecases.execution.grouping import CallGroup
from app.usecases.execution.results import AttemptResult, from_error, from_receipt


async def send(group: CallGroup) -> list[AttemptResult]:
    """Send one SIM's change, or a batch of the same change; never raises carrier errors.

    Operations must have been marked as sent before: without an answer the outcome is unknown. What cannot leave before
    the group's `send_by` is not sent: by then another worker may have taken the operations over. How long the answer
    may take is the transport's to say; the lease is renewed meanwhile.
    """
    window = SendWindow(group.send_by)
    try:
        with sending_in(window):
            return await _results(group)
    except LeaseOver as error:  # of a change in several calls the first may have left
        return _all_failed(group, CarrierOutcomeUnknown(error.detail) if window.left else error)
    except CarrierError as error:
        return _all_failed(group, error)


async def _results(group: CallGroup) -> list[AttemptResult]:
    if len(group.operations) == 1:
        receipt = await group.client.change(group.change, group.sims[0], group.arguments)
        return [from_receipt(group.operations[0], receipt, group.polling)]
    return _batch_results(group, await group.client.change_many(group.change, group.sims, group.arguments))


def _all_failed(group: CallGroup, error: CarrierError) -> list[AttemptResult]:
    return [from_error(operation, error, group.polling) for operation in group.operations]


def _batch_results(group: CallGroup, outcomes: Sequence[ChangeOutcome]) -> list[AttemptResult]:
    """One result per operation; a SIM that the batch's answer does not name has an unknown outcome."""
    by_iccid = {outcome.iccid: outcome for outcome in outcomes}
    missing = CarrierOutcomeUnknown("the batch's answer does not name this card")
    results = []
    for operation in group.operations:
        outcome = by_iccid.get(group.ref(operation).iccid)
        if outcome is not None and outcome.receipt is not None:
            results.append(from_receipt(operation, outcome.receipt, group.polling))
        else:
            error = outcome.error if outcome is not None else None
            results.append(from_error(operation, error if isinstance(error, CarrierError) else missing, group.polling))
    return results
