import type { Recorded } from "./emulator/gateway.ts";

/** Number of requests that functions made, by operation. */
export function requestsOf(recorded: readonly Recorded[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { operation } of recorded) counts.set(operation, (counts.get(operation) ?? 0) + 1);
  return counts;
}

/** Number of items that functions read by key; each takes a read unit, since none that the suite makes is over 4 KB. */
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

/** Source: DynamoDB, "Read and write operations": a write unit is 1 KB of the item, two in a transaction. */
const unitBytes = 1_024;

/**
 * The write units of what functions wrote, by the sizes of the items.
 *
 * The emulator does not count them. Each write is counted by the larger of the item before and after it; an index by
 * one for each entry made or taken away, which is never larger than 1 KB.
 *
 * @returns by kind of item; `pkt` and `evt` are the ledger's entries
 * @param from the first request that counts; those before it say which items are there
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

/** Does to the items what a statement does, and says what it costs. */
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
  const gone = [...changes.matchAll(/REMOVE "(\w+)"/g)].map(([, name]) => name as string);
  const key = keyIn(new Map([...condition.matchAll(/"(\w+)"=\?/g)].map(([, name]) => [name as string, next()])));
  const before = items.get(key) ?? new Map();
  if (Statement.startsWith("DELETE")) {
    items.delete(key);
    return { key, bytes: bytesOf(before), indexWrites: indexesOf(before) };
  }
  const after = new Map([...before, ...set]);
  for (const name of gone) after.delete(name);
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

/** Source: DynamoDB, "Item sizes and formats": names and texts as UTF-8, a number about a byte for two digits. */
function bytesOf(item: Item): number {
  let bytes = 0;
  for (const [name, value] of item) {
    const [[type, text] = ["S", ""]] = Object.entries(value);
    bytes += Buffer.byteLength(name) + (type === "N" ? Math.ceil(text.length / 2) + 1 : Buffer.byteLength(text));
  }
  return bytes;
}

/** The value below which so many percent of them are. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0;
}
