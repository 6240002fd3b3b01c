import type { Engine } from "../engine.ts";
import type { Connector } from "../model/connector.ts";
import type { Outcome } from "../model/outcome.ts";
import type { Packet } from "../model/packet.ts";
import { callTarget } from "./call-target.ts";

/** One packet's slot in a call to the target. It is used once, by `send` or by `release`. */
export interface CallSlot {
  send(packet: Packet): Promise<Outcome>;
  /** Gives up the slot without sending. Has no effect after `send`. */
  release(): void;
}

/** Combines the packets of a batch's lanes into as few calls to the target as possible. */
export interface CallBatcher {
  /** Resolves when a call may start. */
  acquire(): Promise<CallSlot>;
  /** Marks one lane as finished, so that no call waits for it. */
  laneDone(): void;
}

/** Waits for the connector's rate limit. Resolves to the function that releases the permit. */
export type AcquirePermit = () => Promise<() => void>;

/**
 * Creates the batcher for one batch of messages: one call per packet, or shared calls if the connector has `sendBatch`.
 *
 * @param lanes number of lanes in the batch
 */
export function createCallBatcher(
  engine: Engine,
  connector: Connector,
  acquirePermit: AcquirePermit,
  lanes: number,
): CallBatcher {
  return connector.sendBatch
    ? sharedCalls(engine, connector, acquirePermit, lanes)
    : singleCalls(engine, connector, acquirePermit);
}

function singleCalls(engine: Engine, connector: Connector, acquirePermit: AcquirePermit): CallBatcher {
  return {
    laneDone() {},
    async acquire() {
      const [slot] = openCall(engine, connector, 1, await acquirePermit());
      return slot as CallSlot;
    },
  };
}

/**
 * Starts a call as soon as every active lane has either queued a packet or finished, so no lane is left out or waits
 * long.
 */
function sharedCalls(engine: Engine, connector: Connector, acquirePermit: AcquirePermit, lanes: number): CallBatcher {
  let activeLanes = lanes;
  let waiting: PromiseWithResolvers<CallSlot>[] = [];
  const startIfComplete = async () => {
    if (waiting.length === 0 || waiting.length < activeLanes) return;
    const requests = waiting;
    waiting = [];
    const slots = openCall(engine, connector, requests.length, await acquirePermit());
    for (const [i, { resolve }] of requests.entries()) resolve(slots[i] as CallSlot);
  };
  return {
    laneDone() {
      activeLanes--;
      void startIfComplete();
    },
    acquire() {
      const request = Promise.withResolvers<CallSlot>();
      waiting.push(request);
      void startIfComplete();
      return request.promise;
    },
  };
}

/** Opens one call. It is made once every slot has been used, with the packets of the slots that called `send`. */
function openCall(engine: Engine, connector: Connector, size: number, releasePermit: () => void): CallSlot[] {
  const packets: Packet[] = [];
  const outcomes = Promise.withResolvers<Outcome[]>();
  let unused = size;
  const useSlot = () => {
    if (--unused > 0) return;
    const call = packets.length === 0 ? Promise.resolve([]) : callTarget(engine, connector, packets);
    call.finally(releasePermit).then(outcomes.resolve, outcomes.reject);
  };
  return Array.from({ length: size }, () => {
    let isUsed = false;
    return {
      async send(packet) {
        isUsed = true;
        const index = packets.push(packet) - 1;
        useSlot();
        return (await outcomes.promise)[index] as Outcome;
      },
      release() {
        if (!isUsed) useSlot();
        isUsed = true;
      },
    };
  });
}
