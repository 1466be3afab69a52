"""What each carrier protocol tells of a SIM whose data is off: a cut network, a locked device, a freeze, its reason.

What a protocol does not tell is missing here, and is claimed nowhere. The same table with its sources in full is in
`docs/carriers/README.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from app.domain.vocabulary import ProtocolName


class StopReport(StrEnum):
    """What a carrier may tell of a SIM whose data is off."""

    NETWORK_CUT = "network_cut"
    """断网: data is off, the state is active (ST-16)."""
    DEVICE_LOCK = "device_lock"
    """机卡分离: the SIM is not in its device (ST-6, ST-22)."""
    FROZEN = "frozen"
    """冻结, 管理停机: the carrier has taken the SIM over, and a resume on request does not lift it (ST-11)."""
    REASON = "reason"
    """The stop's reason by a code or in words (LC-15)."""


_TELECOM = MappingProxyType(
    {
        StopReport.DEVICE_LOCK: "已断网 under 在用, unless cut by the gateway or at the threshold (LC-15, ST-22)",
        StopReport.FROZEN: "productMainStatusCd 6 运营商管理状态 alone (B1.5)",
        StopReport.REASON: "queryCardStatus (B1.5); 是否已达量断网 of prodInstQuery",
    }
)
STOP_REPORTS: Mapping[ProtocolName, Mapping[StopReport, str]] = MappingProxyType(
    {
        ProtocolName.ONELINK: MappingProxyType(
            {
                StopReport.NETWORK_CUT: "serviceType 11 paused (A6 23M08)",
                StopReport.DEVICE_LOCK: "stopReason index 1 (A4)",
                StopReport.FROZEN: "manageStopRestartStatus (A6 23M40); stopReason index 3 and 10 (A4)",
                StopReport.REASON: "stopReason, shutdownReasonDesc (A6 25S02); reason (A6 23M40)",
            }
        ),
        ProtocolName.JASPER: MappingProxyType({StopReport.REASON: "overageLimitReached alone (A1.4.2)"}),
        ProtocolName.UNICOM_CMP: MappingProxyType(
            {
                StopReport.DEVICE_LOCK: "lockStatus 1 of a stopped SIM (A2.4.1)",
                StopReport.REASON: "overageLimitReached alone (A2.4.1)",
            }
        ),
        ProtocolName.CTCC_CMP: MappingProxyType(
            {StopReport.NETWORK_CUT: "stopFlag of prodInstQuery (B1.5)", **_TELECOM}
        ),
        ProtocolName.CTWING: MappingProxyType({StopReport.NETWORK_CUT: "netBlockStatusName (B2.2)", **_TELECOM}),
        ProtocolName.GSL: MappingProxyType(
            {
                StopReport.NETWORK_CUT: "cut_net_flag, of China Telecom's SIMs (B.3.1)",
                StopReport.DEVICE_LOCK: "operator_status 7 (B.3.1)",
                StopReport.REASON: "operator_status (B.3.1)",
            }
        ),
        ProtocolName.DESCRIBED: MappingProxyType({}),
        ProtocolName.DESK: MappingProxyType({}),
    }
)
"""Protocol → what it tells, and by which field; the section is one of the protocol's page under `docs/carriers/`."""
