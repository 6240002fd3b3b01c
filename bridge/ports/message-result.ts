/** Decision about a received message. The caller, a worker loop or a Lambda handler, carries it out. */
export type MessageDisposition =
  | { readonly kind: "ack"; readonly receipt: string }
  | { readonly kind: "delay"; readonly receipt: string; readonly ms: number };

export function ack(receipt: string): MessageDisposition {
  return { kind: "ack", receipt };
}

export function delay(receipt: string, ms: number): MessageDisposition {
  return { kind: "delay", receipt, ms: Math.max(0, Math.ceil(ms)) };
}
