/** What becomes of a message: the host of the core (a loop, a Lambda handler) carries it out. */
export type Report =
  | { readonly kind: "remove"; readonly receipt: string }
  | { readonly kind: "later"; readonly receipt: string; readonly ms: number };

export function removed(receipt: string): Report {
  return { kind: "remove", receipt };
}

export function later(receipt: string, ms: number): Report {
  return { kind: "later", receipt, ms: Math.max(0, Math.ceil(ms)) };
}
