import * as z from "zod";
import { restartSequence } from "../bridge/operations/restart-sequence.ts";
import { endpoint } from "./endpoint.ts";
import { reason, timeIn, timeOut } from "./schemas.ts";

export const restartAnswer = z.object({ source: z.string(), since: z.iso.datetime(), restarts: z.int() });

const restart = endpoint({
  method: "post",
  path: "/api/sequences/restart",
  id: "restartSequence",
  summary:
    "Confirms that a source's sequence started again. Later events of the source are newer than all earlier ones",
  body: z.strictObject({
    source: z.string().min(1).max(256).describe("The source of the events, as in their attribute `source`."),
    since: timeIn.describe("Time at which the sequence started again: the acceptance of the first event."),
    reason,
  }),
  answer: restartAnswer,
  problems: ["refused"],
  async run({ ops: { engine }, body: { source, since, reason: why }, actor }) {
    const restarts = await restartSequence(engine, source, since, { actor, reason: why });
    return { source, since: timeOut(since), restarts };
  },
});

export const sequenceOperations = [restart];
