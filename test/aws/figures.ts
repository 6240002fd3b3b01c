import type { Recorded } from "./emulator/gateway.ts";

/** Counts the requests of functions by operation. */
export function requestsOf(recorded: readonly Recorded[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { operation } of recorded) counts.set(operation, (counts.get(operation) ?? 0) + 1);
  return counts;
}

/** Counts the items that functions read by key. Each takes one read unit, since no item in the suite exceeds 4 KB. */
export function readUnits(recorded: readonly Recorded[]): number {
  const gets = recorded.filter(({ operation }) => operation === "dynamodb.BatchGetItem");
  return gets.reduce((sum, { input }) => {
    const { RequestItems } = JSON.parse(input) as { RequestItems: Record<string, { Keys: readonly object[] }> };
    return sum + Object.values(RequestItems).reduce((keys, { Keys }) => keys + Keys.length, 0);
  }, 0);
}

type Value = Readonly<Record<string, string>>;
type Item = Map<string, Value>;

interface StatementInput {
  readonly Statement: string;
  readonly Parameters?: readonly Value[];
}

/** Size of a write unit. A transaction takes two per KB. Source: DynamoDB, "Read and write operations". */
const unitBytes = 1_024;

/**
 * Calculates the write units of the functions' requests from the sizes of the items, because the emulator does not
 * report them.
 *
 * A write takes the larger of the item's sizes before and after it. Every index entry added or deleted takes one unit,
 * since it is never larger than 1 KB.
 *
 * @returns write units by kind of item; `pkt` and `evt` are the ledger's entries
 * @param from index of the first request to count; earlier ones only establish which items exist
 */
export function writeUnits(recorded: readonly Recorded[], from: number): Map<string, number> {
  const items = new Map<string, Item>();
  const units = new Map<string, number>();
  for (const [i, { operation, input }] of recorded.entries()) {
    const statements = statementsIn(operation, input);
    const perUnit = operation.endsWith("Transaction") ? 2 : 1;
    for (const statement of statements) {
      const { key, bytes, indexWrites } = apply(items, statement);
      // `packet#pkt-…`, `event#evt-…`, and in the ledger `pkt-…` and `evt-…`.
      const [kind = ""] = key.split(/[#-]/);
      const cost = perUnit * Math.ceil(bytes / unitBytes) + indexWrites;
      if (i >= from) units.set(kind, (units.get(kind) ?? 0) + cost);
    }
  }
  return units;
}

function statementsIn(operation: string, input: string): StatementInput[] {
  switch (operation) {
    case "dynamodb.ExecuteStatement":
      return [JSON.parse(input) as StatementInput];
    case "dynamodb.BatchExecuteStatement":
      return (JSON.parse(input) as { Statements: StatementInput[] }).Statements;
    case "dynamodb.ExecuteTransaction":
      return (JSON.parse(input) as { TransactStatements: StatementInput[] }).TransactStatements;
    default:
      return [];
  }
}

/** Applies a statement to the items and returns the sizes that determine its cost. */
function apply(items: Map<string, Item>, { Statement, Parameters = [] }: StatementInput) {
  const values = [...Parameters];
  const next = () => values.shift() as Value;
  if (Statement.startsWith("INSERT")) {
    const item: Item = new Map([...Statement.matchAll(/'(\w+)': \?/g)].map(([, name]) => [name as string, next()]));
    items.set(keyIn(item), item);
    return { key: keyIn(item), bytes: bytesOf(item), indexWrites: indexesOf(item) };
  }
  const [changes = "", condition = ""] = Statement.split(" WHERE ");
  const set = [...changes.matchAll(/SET "(\w+)"=\?/g)].map(([, name]) => [name as string, next()] as const);
  const removed = [...changes.matchAll(/REMOVE "(\w+)"/g)].map(([, name]) => name as string);
  const key = keyIn(new Map([...condition.matchAll(/"(\w+)"=\?/g)].map(([, name]) => [name as string, next()])));
  const before = items.get(key) ?? new Map();
  if (Statement.startsWith("DELETE")) {
    items.delete(key);
    return { key, bytes: bytesOf(before), indexWrites: indexesOf(before) };
  }
  const after = new Map([...before, ...set]);
  for (const name of removed) after.delete(name);
  items.set(key, after);
  return {
    key,
    bytes: Math.max(bytesOf(before), bytesOf(after)),
    indexWrites: Math.abs(indexesOf(after) - indexesOf(before)),
  };
}

function keyIn(item: Item): string {
  const [pk, sk] = [item.get("pk"), item.get("sk")];
  return `${pk?.S}|${sk?.S ?? sk?.N}`;
}

function indexesOf(item: Item): number {
  return [item.has("timeAt"), item.has("waitingAt")].filter(Boolean).length;
}

/**
 * Returns the size of an item: names and strings as UTF-8, a number about one byte per two digits.
 *
 * Source: DynamoDB, "Item sizes and formats".
 */
function bytesOf(item: Item): number {
  let bytes = 0;
  for (const [name, value] of item) {
    const [[type, text] = ["S", ""]] = Object.entries(value);
    bytes += Buffer.byteLength(name) + (type === "N" ? Math.ceil(text.length / 2) + 1 : Buffer.byteLength(text));
  }
  return bytes;
}

/** Returns a percentile of values, 0 if there are none. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0;
}
