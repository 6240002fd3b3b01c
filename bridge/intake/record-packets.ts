import type { Engine } from "../engine.ts";
import type { PacketRecord } from "../model/packet-record.ts";
import type { Stored } from "../ports/store.ts";
import { inWrites, newPut, weighNew } from "../recording/transaction-size.ts";
import { logHeld, type Transition } from "../recording/transitions.ts";
import { repeated } from "./expand.ts";

/**
 * Records those packets of an event that an earlier run has not.
 *
 * @returns those that nobody has worked on yet, in their order
 */
export async function recordPackets(engine: Engine, steps: readonly Transition[]): Promise<PacketRecord[]> {
  const writes = inWrites(steps, weighNew);
  const recorded = await Promise.all(writes.map((write) => recordMissing(engine, write)));
  return recorded
    .flat()
    .map(({ value }) => value)
    .filter(isUntouched);
}

/**
 * Records, in one write, those packets that are not there yet. One whose place another element of the same roster has
 * taken, because both have the same key, is recorded apart, for a person.
 *
 * @param ours whether a packet that is there is one of this roster's
 * @returns each as it stands now, in their order
 */
export async function recordMissing(
  engine: Engine,
  given: readonly Transition[],
  ours: (there: PacketRecord["packet"]) => boolean = () => true,
): Promise<Stored<"packet">[]> {
  for (let steps = given; ; ) {
    const stored = await engine.store.read(
      "packet",
      steps.map(({ record }) => record.packet.id),
    );
    const isTaken = ({ record }: Transition, i: number) => {
      const there = stored[i]?.value.packet;
      return there !== undefined && ours(there) && there.element !== record.packet.element;
    };
    if (steps.some(isTaken)) {
      steps = steps.map((step, i) => (isTaken(step, i) ? repeated(engine, step.record.packet) : step));
      continue;
    }
    const missing = steps.filter((_, i) => !stored[i]);
    const entries = missing.map(({ entry }) => entry);
    if (missing.length > 0 && (await engine.store.write(missing.map(newPut), entries)) === "conflict") continue;
    logHeld(engine, missing);
    return steps.map(({ record }, i) => stored[i] ?? { value: record, etag: 1 });
  }
}

function isUntouched({ progress }: PacketRecord): boolean {
  return progress.status === "QUEUED" && progress.place === "lane" && progress.tries === 0;
}
