"""CTWing's paths (B2.2); what descends from the older platform is the same method."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sandbox.ctwing import batches as b
from sandbox.ctwing.batches import Op
from sandbox.telecom import changes as c
from sandbox.telecom import pools as p
from sandbox.telecom import reads as q

_INSTANCE = "/openapi/v1/prodinst"
_COMMON = "/5gcmp/openapi/v1/common"
_APN = "/openapi/v1/subscribers"

OPERATIONS: Mapping[str, Op] = MappingProxyType(
    {
        f"{_INSTANCE}/queryCardMainStatus": Op(b.status, "status"),
        f"{_INSTANCE}/getOnlineStatus": Op(q.online, "status"),
        f"{_INSTANCE}/prodInstQuery": Op(q.product, "status"),
        f"{_INSTANCE}/realNameQueryIot": Op(q.real_name, "status"),
        f"{_INSTANCE}/getSIMList": Op(q.sim_list, "status", card=False),
        f"{_INSTANCE}/getTelephone": Op(q.telephone, "status", shape="upper"),
        f"{_INSTANCE}/cradStatus": Op(b.status_changes, "status", card=False),
        "/api/v1/openbill/queryTraffic": Op(q.traffic, "usage"),
        "/api/v1/openbill/queryTrafficByDate": Op(q.traffic_by_date, "usage"),
        "/api/v1/prod/batchQrySimInfo": Op(b.sim_info, "status", card=False, shape="code"),
        "/api/v1/prod/batchQrySimStatus": Op(b.sim_status, "status", card=False, shape="code"),
        "/api/v1/realName/qryRealNameStatus": Op(b.real_names, "status", card=False, shape="code"),
        "/api/v1/batchQry/batchQryFlowByMonth": Op(b.flow_by_month, "usage", card=False, shape="code"),
        "/api/v1/batchQry/batchQryFlowByDate": Op(b.flow_by_date, "usage", card=False, shape="code"),
        f"{_COMMON}/disabledNumberService": Op(c.disabled_number, "suspend", shape="service"),
        f"{_COMMON}/requestServActive": Op(c.activate, "activate", shape="upper"),
        f"{_COMMON}/singleCutNet": Op(c.cut_network, "cut_network", shape="content"),
        f"{_COMMON}/offNetAction": Op(c.threshold, "set_threshold", shape="content"),
        f"{_COMMON}/speedLimitAction": Op(c.speed),
        f"{_APN}/queryUsingAPN": Op(b.apns, shape="code"),
        f"{_APN}/apn": Op(b.apns, shape="code"),
        f"{_APN}/apnNetStatusAction": Op(b.apn_switch, shape="code"),
        f"{_APN}/apnMoudleSpeedLimitAction": Op(b.apn_speed, shape="code"),
        "/openapi/v1/flowpool/forwardFlowPoolMember": Op(p.pool_members, card=False),
        "/api/v1/openRisk/diagnosis": Op(b.diagnosis, shape="code"),
        "/openapi/v1/map/qryLocationService": Op(b.location, shape="code"),
        "/openapi/v1/map/qryPositionTrack": Op(b.location, shape="code"),
        "/openapi/v1/map/batchDsTrans": Op(b.location, card=False, shape="code"),
    }
)
