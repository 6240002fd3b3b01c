import { hash } from "node:crypto";
import { type DynamoDBDocumentClient, QueryCommand } from "@aws-sdk/lib-dynamodb";

/**
 * Shards of an index by time, which would otherwise be one partition of at most 1,000 writes a second.
 *
 * Source: DynamoDB, "Write sharding".
 */
const shards = Array.from({ length: 16 }, (_, i) => i.toString(16));

/** Shard of a record, derived from its id: always the same, and spread evenly. */
export function shardOf(id: string): string {
  return hash("sha256", id).slice(0, 1);
}

/** Pads a number to 16 digits, so that it sorts as text. Enough for µs since the epoch until the year 2286. */
export function pad(n: number): string {
  return String(n).padStart(16, "0");
}

export interface IndexQuery {
  readonly table: string;
  readonly index: string;
  /** Prefix of the index's attributes: `time` for `timeShard` and `timeAt`. */
  readonly attribute: "time" | "waiting";
  /** Prefix of the shard key: `packet`, `event`, or a connector. */
  readonly prefix: string;
  /** Inclusive. */
  readonly from: string;
  /** Exclusive. */
  readonly to: string;
  readonly newestFirst?: boolean;
}

/** Reference from an index to a record. */
export interface Pointer {
  readonly pk: string;
  readonly at: string;
}

const pageSize = 50;

/** Reader of one shard, a page at a time. */
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
        Limit: pageSize,
        ...(this.#startKey && { ExclusiveStartKey: this.#startKey }),
      }),
    );
    // BETWEEN includes the upper bound; the query excludes it.
    this.#items = Items.map((item) => ({ pk: item.pk as string, at: item[`${attribute}At`] as string })).filter(
      ({ at }) => at < to,
    );
    this.#startKey = LastEvaluatedKey;
    this.#ended = LastEvaluatedKey === undefined;
  }
}

/** Merges all shards of an index into one ordered list. */
export async function* readIndex(client: DynamoDBDocumentClient, query: IndexQuery): AsyncGenerator<Pointer> {
  // DynamoDB rejects a range that ends before it begins.
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
