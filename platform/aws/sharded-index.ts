import { hash } from "node:crypto";
import { type DynamoDBDocumentClient, QueryCommand } from "@aws-sdk/lib-dynamodb";

/** A partition takes 1,000 writes a second; an index by time would be one. Source: DynamoDB, "Write sharding". */
const shards = Array.from({ length: 16 }, (_, i) => i.toString(16));

/** Where a record stands in an index, by its id: the same always, and spread evenly. */
export function shardOf(id: string): string {
  return hash("sha256", id).slice(0, 1);
}

/** A number as text that sorts like it: as many digits as µs since the epoch have, to the year 2286. */
export function pad(n: number): string {
  return String(n).padStart(16, "0");
}

export interface IndexQuery {
  readonly table: string;
  /** `by-time` stands for the attributes `timeShard` and `timeAt`. */
  readonly index: string;
  readonly attribute: "time" | "waiting";
  /** What stands before the shard: `packet`, `event`, or a connector. */
  readonly prefix: string;
  /** Inclusive. */
  readonly from: string;
  /** Exclusive. */
  readonly to: string;
  readonly newestFirst?: boolean;
}

/** A record an index points to. */
export interface Pointer {
  readonly pk: string;
  readonly at: string;
}

const page = 50;

/** One shard, read a page at a time. */
class Shard {
  readonly #client: DynamoDBDocumentClient;
  readonly #query: IndexQuery;
  readonly #shard: string;
  #items: Pointer[] = [];
  #startKey: Record<string, unknown> | undefined;
  #ended = false;

  constructor(client: DynamoDBDocumentClient, query: IndexQuery, shard: string) {
    this.#client = client;
    this.#query = query;
    this.#shard = shard;
  }

  async head(): Promise<Pointer | undefined> {
    while (this.#items.length === 0 && !this.#ended) await this.#read();
    return this.#items[0];
  }

  drop(): void {
    this.#items.shift();
  }

  async #read(): Promise<void> {
    const { table, index, attribute, prefix, from, to, newestFirst = false } = this.#query;
    const { Items = [], LastEvaluatedKey } = await this.#client.send(
      new QueryCommand({
        TableName: table,
        IndexName: index,
        KeyConditionExpression: "#shard = :shard AND #at BETWEEN :from AND :to",
        ExpressionAttributeNames: { "#shard": `${attribute}Shard`, "#at": `${attribute}At` },
        ExpressionAttributeValues: { ":shard": `${prefix}#${this.#shard}`, ":from": from, ":to": to },
        ScanIndexForward: !newestFirst,
        Limit: page,
        ...(this.#startKey && { ExclusiveStartKey: this.#startKey }),
      }),
    );
    // BETWEEN includes its end, and this query does not.
    this.#items = Items.map((item) => ({ pk: item.pk as string, at: item[`${attribute}At`] as string })).filter(
      ({ at }) => at < to,
    );
    this.#startKey = LastEvaluatedKey;
    this.#ended = LastEvaluatedKey === undefined;
  }
}

/** All shards of an index as one list, in order. */
export async function* readIndex(client: DynamoDBDocumentClient, query: IndexQuery): AsyncGenerator<Pointer> {
  // DynamoDB refuses a range that ends before it begins.
  if (query.from >= query.to) return;
  const all = shards.map((shard) => new Shard(client, query, shard));
  for (;;) {
    const heads = await Promise.all(all.map(async (shard) => ({ shard, head: await shard.head() })));
    let first: { shard: Shard; head: Pointer } | undefined;
    for (const { shard, head } of heads) {
      if (!head) continue;
      if (!first || (query.newestFirst ? head.at > first.head.at : head.at < first.head.at)) first = { shard, head };
    }
    if (!first) return;
    first.shard.drop();
    yield first.head;
  }
}
