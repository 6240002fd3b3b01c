import type { Engine } from "../engine.ts";
import type { Connector } from "../model/connector.ts";
import type { Outcome } from "../model/outcome.ts";
import type { Packet } from "../model/packet.ts";
import { call } from "./call-target.ts";

/** A packet's place in a call of the target: taken once, by `send` or by `leave`. */
export interface Place {
  send(packet: Packet): Promise<Outcome>;
  /** There is nothing to send after all. Does nothing once something was sent. */
  leave(): void;
}

/** Where the lanes of a batch of messages wait for their call. */
export interface Boarding {
  /** Resolves when the call may go. */
  board(): Promise<Place>;
  /** A lane is done: nobody need wait for it. */
  laneDone(): void;
}

/** Keeps the connector's rate; resolves to the function that gives the place back. */
export type Enter = () => Promise<() => void>;

/** @param lanes how many lanes may come */
export function boarding(engine: Engine, connector: Connector, enter: Enter, lanes: number): Boarding {
  return connector.sendBatch ? together(engine, connector, enter, lanes) : eachAlone(engine, connector, enter);
}

function eachAlone(engine: Engine, connector: Connector, enter: Enter): Boarding {
  return {
    laneDone() {},
    async board() {
      const [place] = openCall(engine, connector, 1, await enter());
      return place as Place;
    },
  };
}

/** A call goes when every lane that is not done stands at the door: none is left behind, and nobody waits for long. */
function together(engine: Engine, connector: Connector, enter: Enter, lanes: number): Boarding {
  let coming = lanes;
  let ready: PromiseWithResolvers<Place>[] = [];
  const go = async () => {
    if (ready.length === 0 || ready.length < coming) return;
    const aboard = ready;
    ready = [];
    const places = openCall(engine, connector, aboard.length, await enter());
    for (const [i, { resolve }] of aboard.entries()) resolve(places[i] as Place);
  };
  return {
    laneDone() {
      coming--;
      void go();
    },
    board() {
      const place = Promise.withResolvers<Place>();
      ready.push(place);
      void go();
      return place.promise;
    },
  };
}

/** One call: made as soon as all its places are taken, by those that send. */
function openCall(engine: Engine, connector: Connector, places: number, end: () => void): Place[] {
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
      leave() {
        if (!isTaken) taken();
        isTaken = true;
      },
    };
  });
}
