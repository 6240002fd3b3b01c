import type { Engine } from "../engine.ts";
import type { Connector } from "../model/connector.ts";
import type { Outcome } from "../model/outcome.ts";
import type { Packet } from "../model/packet.ts";
import { call } from "./call-target.ts";

/** A packet's place in a call of the target: taken once, by `send` or by `leave`. */
export interface CallSlot {
  send(packet: Packet): Promise<Outcome>;
  /** There is nothing to send after all. Does nothing once something was sent. */
  release(): void;
}

/** Where the lanes of a batch of messages wait for their call. */
export interface CallBatcher {
  /** Resolves when the call may go. */
  acquire(): Promise<CallSlot>;
  /** A lane is done: nobody need wait for it. */
  laneDone(): void;
}

/** Keeps the connector's rate; resolves to the function that gives the place back. */
export type AcquirePermit = () => Promise<() => void>;

/** @param lanes how many lanes may come */
export function createCallBatcher(
  engine: Engine,
  connector: Connector,
  acquire: AcquirePermit,
  lanes: number,
): CallBatcher {
  return connector.sendBatch ? batchOfMany(engine, connector, acquire, lanes) : batchOfOne(engine, connector, acquire);
}

function batchOfOne(engine: Engine, connector: Connector, acquire: AcquirePermit): CallBatcher {
  return {
    laneDone() {},
    async acquire() {
      const [place] = openCall(engine, connector, 1, await acquire());
      return place as CallSlot;
    },
  };
}

/** A call goes when every lane that is not done stands at the door: none is left behind, and nobody waits for long. */
function batchOfMany(engine: Engine, connector: Connector, acquire: AcquirePermit, lanes: number): CallBatcher {
  let coming = lanes;
  let ready: PromiseWithResolvers<CallSlot>[] = [];
  const go = async () => {
    if (ready.length === 0 || ready.length < coming) return;
    const aboard = ready;
    ready = [];
    const places = openCall(engine, connector, aboard.length, await acquire());
    for (const [i, { resolve }] of aboard.entries()) resolve(places[i] as CallSlot);
  };
  return {
    laneDone() {
      coming--;
      void go();
    },
    acquire() {
      const place = Promise.withResolvers<CallSlot>();
      ready.push(place);
      void go();
      return place.promise;
    },
  };
}

/** One call: made as soon as all its places are taken, by those that send. */
function openCall(engine: Engine, connector: Connector, places: number, end: () => void): CallSlot[] {
  const packets: Packet[] = [];
  const outcomes = Promise.withResolvers<Outcome[]>();
  let free = places;
  const taken = () => {
    if (--free > 0) return;
    const calling = packets.length === 0 ? Promise.resolve([]) : call(engine, connector, packets);
    calling.finally(end).then(outcomes.resolve, outcomes.reject);
  };
  return Array.from({ length: places }, () => {
    let isTaken = false;
    return {
      async send(packet) {
        isTaken = true;
        const at = packets.push(packet) - 1;
        taken();
        return (await outcomes.promise)[at] as Outcome;
      },
      release() {
        if (!isTaken) taken();
        isTaken = true;
      },
    };
  });
}
