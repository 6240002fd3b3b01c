import type { Kind } from "./kind.ts";
export const triples: readonly Kind[] = [];
