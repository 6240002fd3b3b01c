import { repeated } from "./expand.ts";
import type { Engine, Stored } from "./ports.ts";
import type { PacketRecord } from "./records.ts";
import type { Stepped } from "./step.ts";
import { inWrites, newPut, weighNew } from "./writes.ts";

/**
 * Records those packets of an event that an earlier run has not.
 *
 * @returns those that nobody has worked on yet, in their order
 */
export async function recordPackets(engine: Engine, steps: readonly Stepped[]): Promise<PacketRecord[]> {
  const writes = inWrites(steps, weighNew);
  return (await Promise.all(writes.map((write) => recordMissing(engine, write)))).flat();
}

async function recordMissing(engine: Engine, given: readonly Stepped[]): Promise<PacketRecord[]> {
  for (let steps = given; ; ) {
    const ids = steps.map(({ record }) => record.packet.id);
    const stored = await engine.store.read("packet", ids);
    if (steps.some((step, i) => isTaken(step, stored[i]))) {
      steps = steps.map((step, i) => (isTaken(step, stored[i]) ? repeated(engine, step.record.packet) : step));
      continue;
    }
    const missing = steps.filter((_, i) => !stored[i]);
    const entries = missing.map(({ entry }) => entry);
    if (missing.length > 0 && (await engine.store.write(missing.map(newPut), entries)) === "conflict") continue;
    tellHeld(engine, missing);
    const records = steps.map((step, i) => stored[i]?.value ?? step.record);
    return records.filter(isUntouched);
  }
}

/** Another element of the event's roster, in another chunk, has the same key. */
function isTaken({ record }: Stepped, stored: Stored<"packet"> | undefined): boolean {
  return stored !== undefined && stored.value.packet.element !== record.packet.element;
}

function isUntouched({ progress }: PacketRecord): boolean {
  return progress.status === "QUEUED" && progress.place === "lane" && progress.tries === 0;
}

/** Says which new packets wait for a person from the beginning. */
export function tellHeld(engine: Engine, steps: readonly Stepped[]): void {
  for (const { record, entry } of steps) {
    if (record.progress.status !== "HELD") continue;
    const { id, connector } = record.packet;
    engine.log({ step: "held", packet: id, connector, why: String(entry.facts.reason) });
  }
}
