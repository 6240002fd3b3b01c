import { TransactionCanceledException } from "@aws-sdk/client-dynamodb";
import {
  BatchExecuteStatementCommand,
  type DynamoDBDocumentClient,
  ExecuteStatementCommand,
  ExecuteTransactionCommand,
} from "@aws-sdk/lib-dynamodb";
import type { Statement } from "./partiql.ts";

/** Most statements in a batch. Source: DynamoDB, "Running batch operations with PartiQL". */
const maxBatch = 25;

type WriteResult = "written" | "conflict";

/** A statement in a batch, with the promise of its write. */
interface PendingWrite {
  readonly statement: Statement;
  readonly resolve: (result: WriteResult) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Executes statements on DynamoDB. A write of several statements becomes a transaction. Writes of a single statement
 * that are requested in the same turn of the event loop share a batch.
 *
 * The parallel lanes of a delivery therefore claim their packets in one request. Each statement of a batch has its own
 * condition and result and costs the same as alone, which is half of its cost in a transaction.
 */
export class WriteCombiner {
  readonly #client: DynamoDBDocumentClient;
  /** The batch being collected, by the items it writes. */
  #batch: Map<string, PendingWrite> | undefined;

  constructor(client: DynamoDBDocumentClient) {
    this.#client = client;
  }

  /** Returns `conflict` if a statement's condition does not hold, or another write is changing the same item. */
  async write(statements: readonly Statement[]): Promise<WriteResult> {
    const [first] = statements;
    if (!first) return "written";
    if (statements.length === 1) return this.#addToBatch(first);
    // The SDK adds a client request token, which makes a retried transaction idempotent.
    const TransactStatements = statements.map(inputOf);
    return resultOf(this.#client.send(new ExecuteTransactionCommand({ TransactStatements })));
  }

  #addToBatch(statement: Statement): Promise<WriteResult> {
    return new Promise((resolve, reject) => {
      // DynamoDB's other batches reject two writes of one item; the documentation of this one does not say.
      if (!this.#batch || this.#batch.has(statement.item) || this.#batch.size === maxBatch) {
        this.#batch = this.#startBatch();
      }
      this.#batch.set(statement.item, { statement, resolve, reject });
    });
  }

  #startBatch(): Map<string, PendingWrite> {
    const batch = new Map<string, PendingWrite>();
    setImmediate(() => {
      if (this.#batch === batch) this.#batch = undefined;
      void this.#executeBatch([...batch.values()]);
    });
    return batch;
  }

  async #executeBatch(batch: readonly PendingWrite[]): Promise<void> {
    if (batch.length === 1) return this.#executeAlone(batch[0] as PendingWrite);
    try {
      const Statements = batch.map(({ statement }) => inputOf(statement));
      const { Responses = [] } = await this.#client.send(new BatchExecuteStatementCommand({ Statements }));
      for (const [i, pending] of batch.entries()) {
        const response = Responses[i];
        if (response && !response.Error) pending.resolve("written");
        else if (conflictCode.test(response?.Error?.Code ?? "")) pending.resolve("conflict");
        // Throttled, for example: the SDK retries a single statement, but not a part of a batch.
        else void this.#executeAlone(pending);
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  async #executeAlone({ statement, resolve, reject }: PendingWrite): Promise<void> {
    await resultOf(this.#client.send(new ExecuteStatementCommand(inputOf(statement)))).then(resolve, reject);
  }
}

function inputOf({ Statement, Parameters }: Statement) {
  return { Statement, Parameters: [...Parameters] };
}

async function resultOf(sent: Promise<unknown>): Promise<WriteResult> {
  try {
    await sent;
    return "written";
  } catch (error) {
    if (isConflict(error)) return "conflict";
    throw error;
  }
}

/** Error codes of a lost race, after which the caller reads again and decides again. Some end in `Exception`. */
const conflictCode = /^(ConditionalCheckFailed|DuplicateItem|TransactionConflict)/;

function isConflict(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (!(error instanceof TransactionCanceledException)) return conflictCode.test(error.name);
  const codes = (error.CancellationReasons ?? []).flatMap(({ Code }) => (Code && Code !== "None" ? [Code] : []));
  return codes.length > 0 && codes.every((code) => conflictCode.test(code));
}
