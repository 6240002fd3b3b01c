import type { Engine } from "../engine.ts";
import type { Packet } from "../model/packet.ts";
import type { PacketRecord } from "../model/packet-record.ts";
import type { Stored } from "../ports/store.ts";
import { inWrites, newPut, weighNew } from "../recording/transaction-size.ts";
import { logHeld, type Transition } from "../recording/transitions.ts";
import { holdRepeatedKey } from "./expand.ts";

/**
 * Records the packets of an event that an earlier run has not recorded.
 *
 * @returns the packets that no worker has processed yet, in order
 */
export async function recordPackets(engine: Engine, created: readonly Transition[]): Promise<PacketRecord[]> {
  const writes = inWrites(created, weighNew);
  const recorded = await Promise.all(writes.map((write) => recordMissing(engine, write)));
  return recorded
    .flat()
    .map(({ value }) => value)
    .filter(isUntouched);
}

/**
 * Records, in one write, the packets that are not recorded yet.
 *
 * If two elements of a roster have the same key, and therefore the same packet id, the second packet is recorded under
 * a separate entity and held.
 *
 * @param isOurs returns true if a recorded packet comes from this roster
 * @returns the current record of each packet, in order
 */
export async function recordMissing(
  engine: Engine,
  given: readonly Transition[],
  isOurs: (recorded: Packet) => boolean = () => true,
): Promise<Stored<"packet">[]> {
  for (let created = given; ; ) {
    const stored = await engine.store.read(
      "packet",
      created.map(({ record }) => record.packet.id),
    );
    const isTaken = ({ record }: Transition, i: number) => {
      const recorded = stored[i]?.value.packet;
      return recorded !== undefined && isOurs(recorded) && recorded.element !== record.packet.element;
    };
    if (created.some(isTaken)) {
      created = created.map((one, i) => (isTaken(one, i) ? holdRepeatedKey(engine, one.record.packet) : one));
      continue;
    }
    const missing = created.filter((_, i) => !stored[i]);
    const entries = missing.map(({ entry }) => entry);
    if (missing.length > 0 && (await engine.store.write(missing.map(newPut), entries)) === "conflict") continue;
    logHeld(engine, missing);
    return created.map(({ record }, i) => stored[i] ?? { value: record, etag: 1 });
  }
}

function isUntouched({ progress }: PacketRecord): boolean {
  return progress.status === "QUEUED" && progress.place === "lane" && progress.tries === 0;
}
