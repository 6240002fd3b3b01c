import type { Engine } from "../engine.ts";
import { openStatuses } from "../model/ledger-entry.ts";
import { doneWith } from "../recording/replace-packet.ts";
import { writeTransition } from "../recording/write-transition.ts";
import { isAhead } from "../values/stored-time.ts";
import { type Actor, auditFacts } from "./operator.ts";
import { type OperationResult, packetFor, refusedResult } from "./packet-operation.ts";

/**
 * Closes an open packet permanently: it is not sent, and no replay sends it.
 *
 * Packets behind it in a strict lane continue. The shadow stays unchanged: if the packet may have reached the target,
 * older values are still not sent after it, and newer values are.
 *
 * A packet with an interrupted attempt can only be discarded if its connector is not installed any more.
 *
 * @param seen etag of the packet as the operator saw it; if absent, any version is discarded
 */
export async function discard(engine: Engine, id: string, by: Actor, seen?: number): Promise<OperationResult> {
  const act = auditFacts("discard", by);
  for (;;) {
    const found = await packetFor(engine, id, seen, openStatuses);
    if (found.kind !== "found") return found;
    const { packet, progress } = found.stored.value;
    const mayBeSent = engine.catalog.get(packet.connector) !== undefined;
    if (progress.lease && (mayBeSent || isAhead(progress.lease.until, engine.clock.now(), engine.times.leaseMs)))
      return refusedResult(`${id} is being sent, or an attempt was interrupted; check again in a minute`);
    const reason = `discarded by ${act.actor}: ${act.why}`;
    if (
      (await writeTransition(engine, found.stored, {
        status: "DISCARDED",
        facts: { ...act, reason: "discarded" },
        progress: { reason },
      })) === "conflict"
    )
      continue;
    engine.log({ step: "discarded", packet: id, connector: packet.connector });
    return doneWith(engine, id);
  }
}
