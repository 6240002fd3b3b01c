/** Counts the packets that a bridge logs as delivered. Its `log` is an option of the bridge. */
export class DeliveryCounter {
  #count = 0;
  #awaited = Number.POSITIVE_INFINITY;
  #reached = () => {};

  readonly log = ({ step }: { readonly step: string }): void => {
    if (step === "delivered" && ++this.#count === this.#awaited) this.#reached();
  };

  /** Resolves after that many more deliveries. Only one call can be pending. */
  next(packets: number): Promise<void> {
    this.#awaited = this.#count + packets;
    return new Promise((resolve) => {
      this.#reached = resolve;
    });
  }
}

/**
 * Checks that no packet was held, dropped or merged.
 *
 * @throws {Error} if the number of SENT packets is not the expected one
 */
export async function checkSent(
  bridge: { tally(): Promise<{ readonly packets: { readonly SENT: number } }> },
  expected: number,
): Promise<void> {
  const { SENT } = (await bridge.tally()).packets;
  if (SENT !== expected) throw new Error(`${SENT} of ${expected} packets are SENT`);
}
