import type { Engine } from "../engine.ts";
import { sequenceIdOf } from "../intake/sequence-epoch.ts";
import { createAuditEvent } from "../ledger/audit-event.ts";
import { redactName } from "../pii/redact.ts";
import { InvalidRequestError } from "../values/bridge-error.ts";
import { type Actor, auditFacts } from "./operator.ts";

/** Maximum number of confirmed restarts per source. */
const maxRestarts = 1_000;

/**
 * Confirms that a source's sequence started again. Events accepted since then count as newer than all earlier ones of
 * the source, whatever their sequences.
 *
 * Packets that were already superseded stay so. To send them, replay them with the current sheets.
 *
 * @param since ms since the epoch
 * @returns number of restarts confirmed for the source, including this one
 * @throws {InvalidRequestError} if `since` is in the future or not after the last restart
 */
export async function restartSequence(engine: Engine, source: string, since: number, by: Actor): Promise<number> {
  const facts = { ...auditFacts("restart", by), source: redactName(source), since: new Date(since).toISOString() };
  if (since > engine.clock.now()) {
    throw new InvalidRequestError("the restart is in the future; give the time at which the sequence started again");
  }
  const id = sequenceIdOf(engine, source);
  for (;;) {
    const [stored] = await engine.store.read("sequence", [id]);
    const { restarts = [] } = stored?.value ?? {};
    const last = restarts.at(-1) ?? 0;
    if (since <= last) {
      throw new InvalidRequestError(
        `a restart at ${new Date(last).toISOString()} is confirmed already; give a later time`,
      );
    }
    if (restarts.length >= maxRestarts) {
      throw new InvalidRequestError(`${maxRestarts} restarts are confirmed for this source; let it send times instead`);
    }
    const put = { kind: "sequence", id, value: { restarts: [...restarts, since] }, etag: stored?.etag ?? 0 } as const;
    const audit = createAuditEvent(engine, "sync.sequence.accepted", facts);
    if ((await engine.store.write([put, audit.put], [audit.entry])) === "conflict") continue;
    engine.log({ step: "sequence-accepted", source: redactName(source) });
    return restarts.length + 1;
  }
}
