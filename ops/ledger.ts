import * as z from "zod";
import type { Engine } from "../bridge/engine.ts";
import { placeOf, verifyLedger } from "../bridge/ledger/verify.ts";
import { eventStatuses, statuses } from "../bridge/model/ledger-entry.ts";
import type { StorePort, Tally } from "../bridge/ports/store.ts";
import { endpoint } from "./endpoint.ts";
import { ProblemError } from "./problem.ts";
import { timeIn, timeOut } from "./schemas.ts";

const whoAmI = endpoint({
  method: "get",
  path: "/api/me",
  id: "whoAmI",
  summary: "Who the ledger will say did it, and what is being looked at",
  answer: z.object({ actor: z.string(), host: z.enum(["local", "aws"]), version: z.string(), now: z.iso.datetime() }),
  run: ({ ops: { host, version, engine }, actor }) => ({ actor, host, version, now: timeOut(engine.clock.now()) }),
});

const verify = endpoint({
  method: "post",
  path: "/api/ledger/verify",
  id: "verifyLedger",
  summary: "Holds every entry against its chain, its record and the seals, and names the first place that is wrong",
  body: z.strictObject({
    since: timeIn.optional().describe("Only what was sealed since; that finds nothing that was put in."),
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
    // It reads everything there is, which takes longer than a gateway waits, and needs rights this function has not.
    if (host === "aws") {
      return new ProblemError(
        "unavailable",
        "Run bridge ledger verify --stack and the deployment's name; see docs/ledger.md.",
      );
    }
    if (since !== undefined && !evidence)
      return new ProblemError("refused", "There are no seals; check the whole ledger.");
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
  givenUp: z.int().describe("Messages of the inbox that could not be mapped, however often it was tried."),
});

const tally = endpoint({
  method: "get",
  path: "/api/tally",
  id: "tally",
  summary: "Every event and packet, counted by its status",
  answer: tallyAnswer,
  problems: ["unavailable"],
  async run({ ops: { engine, host } }) {
    // It would read the whole table, at every look.
    if (host === "aws")
      return new ProblemError("unavailable", "On AWS the dashboard in CloudWatch counts; see the runbook.");
    const [counted, { waiting, inFlight }] = await Promise.all([tallyOf(engine), engine.queue.depth("inbox-dead")]);
    return { ...counted, givenUp: waiting + inFlight };
  },
});

export const ledgerOperations = [whoAmI, verify, tally];

const keptMs = 2_000;
const kept = new WeakMap<StorePort, { readonly at: number; readonly tally: Promise<Tally> }>();

/** All rows are counted: at most every 2 s, however many ask. */
export function tallyOf({ store, clock }: Engine): Promise<Tally> {
  const now = clock.now();
  const known = kept.get(store);
  if (known && now - known.at < keptMs && now >= known.at) return known.tally;
  const tally = store.tally();
  kept.set(store, { at: now, tally });
  tally.catch(() => kept.delete(store));
  return tally;
}
