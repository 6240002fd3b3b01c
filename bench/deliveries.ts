// Counts acknowledged deliveries in a bridge's log.

/** Counts the packets a bridge reports as delivered. Give its `log` to the bridge. */
export class DeliveryCounter {
  #count = 0;
  #awaited = Number.POSITIVE_INFINITY;
  #reached = () => {};

  readonly log = ({ step }: { readonly step: string }): void => {
    if (step === "delivered" && ++this.#count === this.#awaited) this.#reached();
  };

  /** Resolves after that many more deliveries. Only one wait at a time. */
  next(packets: number): Promise<void> {
    this.#awaited = this.#count + packets;
    return new Promise((resolve) => {
      this.#reached = resolve;
    });
  }
}

/** Checks that nothing was held, dropped or merged. @throws if another number of packets is SENT */
export async function checkSent(
  bridge: { tally(): Promise<{ readonly packets: { readonly SENT: number } }> },
  expected: number,
): Promise<void> {
  const { SENT } = (await bridge.tally()).packets;
  if (SENT !== expected) throw new Error(`${SENT} of ${expected} packets are SENT`);
}
