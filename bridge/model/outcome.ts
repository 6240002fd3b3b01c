/** Category of a retry, for logs and metrics. Unlike a reason, it can contain nothing of a packet. */
export type RetryCode = "answered" | "credentials" | "no-answer" | "setup" | "threw" | "other";

/** Result of one attempt at one target. Expected failures are values and are not thrown. */
export type Outcome =
  | {
      readonly kind: "delivered";
      /** Place at the target, as the operator knows it: `/v2/rates`. */
      readonly at?: string | undefined;
      readonly status?: number | undefined;
      /** The target's own name for what it stored. */
      readonly remoteId?: string | undefined;
    }
  | {
      readonly kind: "retry";
      readonly reason: string;
      /** Absent: it follows from what else is said. */
      readonly code?: RetryCode | undefined;
      readonly status?: number | undefined;
      /** Delay that the target asked for. The path clamps it. */
      readonly afterMs?: number | undefined;
      /** The target may have taken it all the same: the request had been sent when the answer failed to come. */
      readonly mayHaveLanded: boolean;
      /** The credentials were refused. They are fetched again, once. */
      readonly auth?: boolean | undefined;
    }
  | {
      readonly kind: "refused";
      readonly reason: string;
      readonly status?: number | undefined;
      /** The target's answer, for the operator; it is kept with the packet, never in the ledger. */
      readonly answer?: string | undefined;
    }
  | { readonly kind: "unknown"; readonly reason: string };

export function delivered(facts: Omit<Extract<Outcome, { kind: "delivered" }>, "kind"> = {}): Outcome {
  return { kind: "delivered", ...facts };
}

/** @param facts `mayHaveLanded` defaults to true: only who knows that nothing was sent may say so */
export function retry(
  reason: string,
  facts: Partial<Omit<Extract<Outcome, { kind: "retry" }>, "kind" | "reason">> = {},
): Outcome {
  return { kind: "retry", reason, mayHaveLanded: true, ...facts };
}

export function retryCodeOf({ code, auth, status }: Extract<Outcome, { kind: "retry" }>): RetryCode {
  return code ?? (auth ? "credentials" : status !== undefined ? "answered" : "other");
}

export function refused(
  reason: string,
  facts: Omit<Extract<Outcome, { kind: "refused" }>, "kind" | "reason"> = {},
): Outcome {
  return { kind: "refused", reason, ...facts };
}

export function unknown(reason: string): Outcome {
  return { kind: "unknown", reason };
}
