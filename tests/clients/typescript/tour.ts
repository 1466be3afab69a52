// The README's tour, driven by the types that openapi-typescript makes of the document; compiled by tsc --strict.
// `node out/tour.js URL KEY` prints as JSON what it found.

import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Operation = components["schemas"]["Operation"];
type Problem = components["schemas"]["Problem"];

declare const process: { argv: string[] };

const WITHIN_MS = 30_000;
const [url = "", key = ""] = process.argv.slice(2);
// Of a list, JSON and not CSV.
type Media = "application/json" | "application/problem+json";
const api = createClient<paths, Media>({ baseUrl: url, headers: { Authorization: `Bearer ${key}` } });

function answered<T>(given: { data?: T; error?: Problem }): T {
  if (given.data === undefined) throw new Error(given.error?.code ?? "no answer");
  return given.data;
}

async function ended(begun: Operation): Promise<Operation> {
  const deadline = Date.now() + WITHIN_MS;
  let operation = begun;
  while (!["succeeded", "failed", "cancelled"].includes(operation.status)) {
    if (Date.now() > deadline) throw new Error(`${operation.id} is still open`);
    const path = { operation_id: operation.id };
    operation = answered(await api.GET("/v1/operations/{operation_id}", { params: { path } }));
  }
  return operation;
}

async function first(query: NonNullable<paths["/v1/sims"]["get"]["parameters"]["query"]>): Promise<string> {
  const page = answered(await api.GET("/v1/sims", { params: { query: { ...query, limit: 1 } } }));
  const sim = page.items[0];
  if (sim === undefined) throw new Error("no such SIM");
  return sim.iccid;
}

const iccid = await first({ carrier: "cmcc", state: "silent" });
const begun = answered(await api.POST("/v1/sims/{iccid}/activate", { params: { path: { iccid } } }));
if (!("status" in begun)) throw new Error("a dry run was not asked for");
const operation = await ended(begun);
const stopped = await first({ hold: "over_quota" });
const refused = await api.POST("/v1/sims/{iccid}/resume", { params: { path: { iccid: stopped } } });
const refusal: Problem | undefined = refused.error;
const explained = answered(await api.GET("/v1/sims/{iccid}/explanation", { params: { path: { iccid: stopped } } }));
const report = { id: "r-1", iccid, at: new Date().toISOString(), bytes: 1 << 20 };
const body = { gateway: "gw-18", reports: [report] };
const counted = [
  answered(await api.POST("/v1/usage/reports", { body })),
  answered(await api.POST("/v1/usage/reports", { body })),
];
const card = answered(await api.GET("/v1/sims/{iccid}", { params: { path: { iccid } } }));

console.log(
  JSON.stringify({
    operation: operation.status,
    state: card.state,
    refused_by: [refusal?.status, refusal?.code, refusal?.rule],
    held_by: explained.holds.map((hold) => hold.code),
    counted: counted.map((one) => [one.accepted, one.duplicates]),
    reported: card.usage.reported,
  }),
);
