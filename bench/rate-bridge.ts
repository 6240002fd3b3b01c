import { join } from "node:path";
import type { DeliveryCounter } from "./deliveries.ts";
import type { Library, RunContext } from "./scenario.ts";

// Opens the bridge that idle and burst measure. It sends per diem rates to one target or to two.

type Bridge = InstanceType<Library["Bridge"]>;

const oneTarget = "policy.per_diem.one";
const twoTargets = "policy.per_diem.updated";

/** Opens a bridge on disk with both sheets. The caller closes it. */
export async function openRateBridge(context: RunContext, { log }: DeliveryCounter): Promise<Bridge> {
  const { Bridge } = await context.library();
  const baseUrl = `http://127.0.0.1:${context.targets.port}`;
  const hr = "  hr: { connector: WorkForceNow, map: { new_rate: rate } }\n";
  const gis = "  gis: { connector: GISTableConnector, map: { new_rate: perDiemUSD } }\n";
  const bridge = new Bridge({
    dir: join(context.dir, "store"),
    mappings: [sheet(oneTarget, hr), sheet(twoTargets, hr + gis)],
    connectors: { WorkForceNow: { baseUrl }, GISTableConnector: { baseUrl } },
    log,
  });
  await bridge.open();
  return bridge;
}

function sheet(type: string, targets: string) {
  return { file: `${type}.yaml`, text: `source_event: ${type}\nkey: subject\ntargets:\n${targets}` };
}

/** Creates an event that becomes one packet per target. */
export function rateEvent({ Event }: Library, subject: string, targets: 1 | 2) {
  const type = targets === 1 ? oneTarget : twoTargets;
  return Event({ type, subject, data: { new_rate: 68, old_rate: 62 } });
}
