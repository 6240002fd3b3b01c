/** Category of a retry, for logs and metrics. Unlike a reason, it never contains packet data. */
export type RetryCode = "answered" | "credentials" | "no-answer" | "setup" | "threw" | "other";

/** Result of one attempt at one target. Expected failures are values and are not thrown. */
export type Outcome =
  | {
      readonly kind: "delivered";
      /** Location at the target, for the operator: `/v2/rates`. */
      readonly at?: string | undefined;
      readonly status?: number | undefined;
      /** Id that the target assigned to the stored record. */
      readonly remoteId?: string | undefined;
    }
  | {
      readonly kind: "retry";
      readonly reason: string;
      /** If absent, `retryCodeOf` derives it from the other properties. */
      readonly code?: RetryCode | undefined;
      readonly status?: number | undefined;
      /** Delay requested by the target. Delivery clamps it. */
      readonly afterMs?: number | undefined;
      /** True if the target may have applied the change: the request was sent but no answer came. */
      readonly mayHaveLanded: boolean;
      /** True if the credentials were refused. They are fetched again once. */
      readonly auth?: boolean | undefined;
    }
  | {
      readonly kind: "refused";
      readonly reason: string;
      readonly status?: number | undefined;
      /** The target's answer, for the operator. It is stored with the packet and never in the ledger. */
      readonly answer?: string | undefined;
    }
  | { readonly kind: "unknown"; readonly reason: string };

export function delivered(facts: Omit<Extract<Outcome, { kind: "delivered" }>, "kind"> = {}): Outcome {
  return { kind: "delivered", ...facts };
}

/** @param facts `mayHaveLanded` defaults to true; set it to false only if nothing was sent */
export function retry(
  reason: string,
  facts: Partial<Omit<Extract<Outcome, { kind: "retry" }>, "kind" | "reason">> = {},
): Outcome {
  return { kind: "retry", reason, mayHaveLanded: true, ...facts };
}

/** Returns the category of a retry: its own code, or the one that its properties imply. */
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
