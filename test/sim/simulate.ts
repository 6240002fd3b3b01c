import { seededRandom } from "../support/clock.ts";
import { type Broken, invariantViolations } from "./oracle.ts";
import { type Act, plan } from "./plan.ts";
import { World, type WorldOptions } from "./world.ts";

/** Result of one run. */
export interface Run {
  readonly seed: number;
  readonly broken: readonly Broken[];
  /** The same for the same seed, whatever machine. */
  readonly fingerprint: string;
  readonly packets: number;
  readonly sends: number;
  /** The story of what the first broken law is about: its ledger, and what happened around it. */
  readonly story: readonly string[];
}

export interface SimulateOptions extends WorldOptions {
  readonly events?: number;
  /** Instead of what the seed would plan. */
  readonly acts?: readonly Act[];
}

/** Lives one history through and holds it against the laws. */
export async function simulate({ events = 20, acts, ...options }: SimulateOptions): Promise<Run> {
  await using world = await World.make(options);
  await world.live(acts ?? plan(seededRandom(options.seed + 1_000_003), events, world.now));
  const broken = await invariantViolations(world);
  const about = broken.find((law) => law.about)?.about;
  return {
    seed: options.seed,
    broken,
    fingerprint: world.fingerprint,
    packets: (await world.core.packets()).length,
    sends: world.targets.reduce((sum, { fake }) => sum + fake.calls.length, 0),
    story: about ? await storyOf(world, about) : [],
  };
}

async function storyOf(world: World, about: string): Promise<string[]> {
  const [stored] = await world.core.engine.store.read("packet", [about]);
  const lane = stored?.value.packet.lane;
  const entity = stored?.value.packet.entity;
  const packets = (await world.core.packets()).filter(
    ({ packet }) => packet.id === about || packet.event === about || (packet.lane === lane && packet.entity === entity),
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
  const happened = world.trace.filter(
    (line) => / act (?!\{"do":"emit")/.test(line) || [...ids].some((id) => line.includes(id)),
  );
  return [...ledger.flat(), ...happened.map((line) => `  ${line}`)];
}
