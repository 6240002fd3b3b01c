import * as z from "zod";
import type { Engine } from "../bridge/engine.ts";
import { placeOf, verifyLedger } from "../bridge/ledger/verify.ts";
import { eventStatuses, statuses } from "../bridge/model/ledger-entry.ts";
import type { StorePort, Tally } from "../bridge/ports/store.ts";
import { endpoint } from "./endpoint.ts";
import { ApiProblem } from "./problem.ts";
import { timeIn, timeOut } from "./schemas.ts";

const whoAmI = endpoint({
  method: "get",
  path: "/api/me",
  id: "whoAmI",
  summary: "Gets the caller's name as the ledger records it, and the bridge's host and version",
  answer: z.object({ actor: z.string(), host: z.enum(["local", "aws"]), version: z.string(), now: z.iso.datetime() }),
  run: ({ ops: { host, version, engine }, actor }) => ({ actor, host, version, now: timeOut(engine.clock.now()) }),
});

const verify = endpoint({
  method: "post",
  path: "/api/ledger/verify",
  id: "verifyLedger",
  summary: "Checks every entry against its chain, its record and the seals, and reports the first mismatch",
  body: z.strictObject({
    since: timeIn
      .optional()
      .describe("Checks only entries sealed since this time, which does not find inserted entries."),
  }),
  answer: z.object({
    ok: z.boolean(),
    entries: z.int(),
    chains: z.int(),
    fault: z.object({ where: z.string(), what: z.string() }).optional(),
    seals: z
      .object({ seals: z.int(), newest: z.iso.datetime().optional(), unsealed: z.int(), late: z.boolean() })
      .optional(),
  }),
  problems: ["refused", "unavailable"],
  async run({ ops: { engine, evidence, host }, body: { since } }) {
    // Verification reads the whole ledger, which would exceed the gateway's timeout and this function's permissions.
    if (host === "aws") {
      return new ApiProblem(
        "unavailable",
        "On AWS, run bridge ledger verify --stack <name> instead. See docs/ledger.md.",
      );
    }
    if (since !== undefined && !evidence) {
      return new ApiProblem("refused", "The ledger has no seals. Omit since to check the whole ledger.");
    }
    const { entries, chains, fault, seals } = await verifyLedger(engine, {
      ...(evidence && { evidence }),
      ...(since !== undefined && { since }),
    });
    return {
      ok: !fault && !seals?.late,
      entries,
      chains,
      ...(fault && { fault: { where: placeOf(fault), what: fault.message } }),
      ...(seals && { seals: { ...seals, newest: seals.newest === undefined ? undefined : timeOut(seals.newest) } }),
    };
  },
});

const counts = <S extends readonly string[]>(names: S) =>
  z.object(Object.fromEntries(names.map((name) => [name, z.int()])) as Record<S[number], z.ZodInt>);

export const tallyAnswer = z.object({
  events: counts([...eventStatuses, "duplicates"] as const),
  packets: counts(statuses),
  givenUp: z.int().describe("Inbox messages that could not be mapped after repeated attempts."),
});

const tally = endpoint({
  method: "get",
  path: "/api/tally",
  id: "tally",
  summary: "Counts events and packets by status",
  answer: tallyAnswer,
  problems: ["unavailable"],
  async run({ ops: { engine, host } }) {
    // On AWS each count would read the whole table.
    if (host === "aws") {
      return new ApiProblem("unavailable", "On AWS, the CloudWatch dashboard shows the counts. See docs/runbook.md.");
    }
    const [totals, { waiting, inFlight }] = await Promise.all([tallyOf(engine), engine.queue.depth("inbox-dead")]);
    return { ...totals, givenUp: waiting + inFlight };
  },
});

export const ledgerOperations = [whoAmI, verify, tally];

const cacheMs = 2_000;
const cache = new WeakMap<StorePort, { readonly at: number; readonly tally: Promise<Tally> }>();

/** Counts events and packets by status. A count reads every row, so its result is reused for 2 s. */
export function tallyOf({ store, clock }: Engine): Promise<Tally> {
  const now = clock.now();
  const cached = cache.get(store);
  if (cached && now - cached.at < cacheMs && now >= cached.at) return cached.tally;
  const tally = store.tally();
  cache.set(store, { at: now, tally });
  tally.catch(() => cache.delete(store));
  return tally;
}
