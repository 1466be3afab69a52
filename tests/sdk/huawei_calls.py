"""Runs in the SDK's own environment: calls the sandbox as Huawei's client does, and prints what it read as JSON.

python huawei_calls.py <endpoint> <ak> <sk> <project> <iccid>
"""

from __future__ import annotations

import json
import sys
import time

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkgsl import v3 as gsl


def main() -> None:
    endpoint, ak, sk, project, iccid = sys.argv[1:]
    client = client_of(endpoint, ak, sk, project)
    told: dict[str, object] = {"refused": refused(client_of(endpoint, ak, sk + "9", project), iccid)}

    def card() -> dict[str, object]:
        shown = client.show_sim_card(gsl.ShowSimCardRequest(sim_card_id=0, iccid=iccid))
        return shown.to_dict()

    def done(work_order_id: int) -> int:
        for _ in range(100):
            listed = client.list_work_orders(
                gsl.ListWorkOrdersRequest(main_search_key=str(work_order_id), limit=10, offset=1)
            )
            status = listed.work_orders[0].status
            if status in (4, 6):
                return int(status)
            time.sleep(0.05)
        raise SystemExit("the work order never ends")

    def command(name: str, request: object) -> None:
        answer = getattr(client, name)(request)
        status = done(answer.work_order_id)
        detail = client.list_work_order_details(
            gsl.ListWorkOrderDetailsRequest(work_order_id=answer.work_order_id, limit=10, offset=1)
        ).work_order_details[0]
        told[f"{name} {len(told)}"] = {"status": status, "detail": detail.status, "card": card()}

    told["first"] = card()
    command("enable_sim_card", gsl.EnableSimCardRequest(sim_card_id=0, iccid=iccid))
    command(
        "stop_sim_card",
        gsl.StopSimCardRequest(sim_card_id=0, body=gsl.DownUpTimeForSimCardReq(down_up_switch=1, iccid=iccid)),
    )
    command(
        "reset_sim_card",
        gsl.ResetSimCardRequest(sim_card_id=0, body=gsl.DownUpTimeForSimCardReq(down_up_switch=2, iccid=iccid)),
    )
    command("start_stop_net", gsl.StartStopNetRequest(sim_card_id=0, body=gsl.CutNetReq(action="ADD", iccid=iccid)))
    command("start_stop_net", gsl.StartStopNetRequest(sim_card_id=0, body=gsl.CutNetReq(action="DEL", iccid=iccid)))
    command(
        "set_exceed_cut_net",
        gsl.SetExceedCutNetRequest(sim_card_id=0, body=gsl.ExceedCutNetReq(action=1, quota="80", iccid=iccid)),
    )
    command(
        "register_imei",
        gsl.RegisterImeiRequest(
            sim_card_id=0, body=gsl.RegisterImeiReq(bind_type=2, imei="868739050000005", iccid=iccid)
        ),
    )
    listed = client.list_sim_cards(
        gsl.ListSimCardsRequest(main_search_type=1, main_search_key=iccid, limit=10, offset=1)
    )
    told["listed"] = [one.to_dict()["iccid"] for one in listed.sim_cards]
    told["real_named"] = client.show_real_named(gsl.ShowRealNamedRequest(sim_card_id=0, iccid=iccid)).real_named
    month = time.strftime("%Y-%m")
    usages = client.show_month_usages(
        gsl.ShowMonthUsagesRequest(body=gsl.ShowMonthUsageReq(iccids=[iccid], billing_cycles=[month]))
    )
    told["month"] = [usages.month_usages[0].iccid, usages.month_usages[0].flow_usages[0].billing_cycle]
    days = client.list_sim_card_flow_per_day(
        gsl.ListSimCardFlowPerDayRequest(body=gsl.SimCardFlowPerDayReq(iccids=[iccid], month=month.replace("-", "")))
    )
    told["days"] = [len(days.to_dict()), type(days).__name__]
    json.dump(told, sys.stdout, default=str)


def client_of(endpoint: str, ak: str, sk: str, project: str) -> gsl.GslClient:
    credentials = BasicCredentials(ak, sk, project)
    return gsl.GslClient.new_builder().with_credentials(credentials).with_endpoints([endpoint]).build()


def refused(client: gsl.GslClient, iccid: str) -> int:
    try:
        client.show_sim_card(gsl.ShowSimCardRequest(sim_card_id=0, iccid=iccid))
    except ClientRequestException as error:
        return int(error.status_code)
    return 200


if __name__ == "__main__":
    main()
