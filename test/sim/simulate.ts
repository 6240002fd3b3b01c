import { seededRandom } from "../support/clock.ts";
import { invariantViolations, type Violation } from "./oracle.ts";
import { type Action, plan } from "./plan.ts";
import { contradictions } from "./witness.ts";
import { World, type WorldOptions } from "./world.ts";

/** Result of one run. */
export interface Run {
  readonly seed: number;
  readonly violations: readonly Violation[];
  /** Hash of everything that happened. Depends only on the seed and the options. */
  readonly fingerprint: string;
  readonly packets: number;
  readonly sends: number;
  /** Time after all faults ended until the bridge was idle. ms */
  readonly restedAfterMs: number;
  /** Ledger and trace of the packet or event that the first violation concerns. */
  readonly story: readonly string[];
}

export interface SimulateOptions extends WorldOptions {
  readonly events?: number;
  /** Actions to take in place of those planned from the seed. */
  readonly actions?: readonly Action[];
}

/** Runs one history and checks it against the guarantees. */
export async function simulate({ events = 20, actions, ...options }: SimulateOptions): Promise<Run> {
  await using world = await World.make(options);
  await world.run(actions ?? plan(seededRandom(options.seed + 1_000_003), events, world.now));
  const violations = [...(await invariantViolations(world)), ...(await contradictions(world))];
  const subject = violations.find((violation) => violation.subject)?.subject;
  return {
    seed: options.seed,
    violations,
    fingerprint: world.fingerprint,
    packets: (await world.core.packets()).length,
    restedAfterMs: world.restedAfterMs,
    sends: world.targets.reduce((sum, { fake }) => sum + fake.calls.length, 0),
    story: subject ? await storyOf(world, subject) : [],
  };
}

async function storyOf(world: World, subject: string): Promise<string[]> {
  const [stored] = await world.core.engine.store.read("packet", [subject]);
  const lane = stored?.value.packet.lane;
  const entity = stored?.value.packet.entity;
  const packets = (await world.core.packets()).filter(
    ({ packet }) =>
      packet.id === subject || packet.event === subject || (packet.lane === lane && packet.entity === entity),
  );
  const ids = new Set(packets.map(({ packet }) => packet.id));
  const ledger = await Promise.all(
    packets.map(async ({ packet }) => {
      const { id, action, fields, version } = packet;
      const steps = (await world.core.engine.store.chain(id)).map(
        ({ at, step, facts }) =>
          `    ${new Date(at).toISOString()} ${step} ${JSON.stringify(facts.reason ?? facts.why ?? "")}`,
      );
      return [`  ${id} ${action} ${JSON.stringify(fields)} ${JSON.stringify(version)}`, ...steps];
    }),
  );
  const related = world.trace.filter(
    (line) => / action (?!\{"do":"emit")/.test(line) || [...ids].some((id) => line.includes(id)),
  );
  return [...ledger.flat(), ...related.map((line) => `  ${line}`)];
}
