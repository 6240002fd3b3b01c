import { TransactionCanceledException } from "@aws-sdk/client-dynamodb";
import {
  BatchExecuteStatementCommand,
  type DynamoDBDocumentClient,
  ExecuteStatementCommand,
  ExecuteTransactionCommand,
} from "@aws-sdk/lib-dynamodb";
import type { Statement } from "./partiql.ts";

/** Source: DynamoDB, "Running batch operations with PartiQL": statements in a batch. */
const maxBatch = 25;

type Written = "written" | "conflict";

/** A statement that is to be carried out, and who waits for it. */
interface Waiting {
  readonly statement: Statement;
  readonly resolve: (written: Written) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Carries statements out on DynamoDB: several of one write as a transaction, all or nothing; a lone one in a batch with
 * the other lone ones that the same turn of the event loop asks for.
 *
 * So the lanes of a delivery, which claim their packets side by side, share a request. Each statement of a batch keeps
 * its own condition and result, and costs what it would alone, which is half of what it would in a transaction.
 */
export class WriteCombiner {
  readonly #client: DynamoDBDocumentClient;
  /** The batch that is gathering, by the items it writes. */
  #batch: Map<string, Waiting> | undefined;

  constructor(client: DynamoDBDocumentClient) {
    this.#client = client;
  }

  /** `conflict` where a statement does not find what it demands, or another write is at its item just now. */
  async write(statements: readonly Statement[]): Promise<Written> {
    const [first] = statements;
    if (!first) return "written";
    if (statements.length === 1) return this.#gather(first);
    // The SDK's own token makes a repeated transaction one.
    const TransactStatements = statements.map(inputOf);
    return orConflict(this.#client.send(new ExecuteTransactionCommand({ TransactStatements })));
  }

  #gather(statement: Statement): Promise<Written> {
    return new Promise((resolve, reject) => {
      // DynamoDB's other batches take no two writes of one item; of this one its documentation says nothing.
      if (!this.#batch || this.#batch.has(statement.item) || this.#batch.size === maxBatch) this.#batch = this.#begin();
      this.#batch.set(statement.item, { statement, resolve, reject });
    });
  }

  #begin(): Map<string, Waiting> {
    const batch = new Map<string, Waiting>();
    setImmediate(() => {
      if (this.#batch === batch) this.#batch = undefined;
      void this.#carryOut([...batch.values()]);
    });
    return batch;
  }

  async #carryOut(batch: readonly Waiting[]): Promise<void> {
    if (batch.length === 1) return this.#alone(batch[0] as Waiting);
    try {
      const Statements = batch.map(({ statement }) => inputOf(statement));
      const { Responses = [] } = await this.#client.send(new BatchExecuteStatementCommand({ Statements }));
      for (const [i, waiting] of batch.entries()) {
        const response = Responses[i];
        if (response && !response.Error) waiting.resolve("written");
        else if (conflicts.test(response?.Error?.Code ?? "")) waiting.resolve("conflict");
        // Throttled, say: the SDK repeats no part of a batch, but it does repeat one that stands alone.
        else void this.#alone(waiting);
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  async #alone({ statement, resolve, reject }: Waiting): Promise<void> {
    await orConflict(this.#client.send(new ExecuteStatementCommand(inputOf(statement)))).then(resolve, reject);
  }
}

function inputOf({ Statement, Parameters }: Statement) {
  return { Statement, Parameters: [...Parameters] };
}

async function orConflict(sent: Promise<unknown>): Promise<Written> {
  try {
    await sent;
    return "written";
  } catch (error) {
    if (isConflict(error)) return "conflict";
    throw error;
  }
}

/** Another was faster, or is at it just now: to be read and decided anew. With or without `Exception` at the end. */
const conflicts = /^(ConditionalCheckFailed|DuplicateItem|TransactionConflict)/;

function isConflict(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (!(error instanceof TransactionCanceledException)) return conflicts.test(error.name);
  const codes = (error.CancellationReasons ?? []).flatMap(({ Code }) => (Code && Code !== "None" ? [Code] : []));
  return codes.length > 0 && codes.every((code) => conflicts.test(code));
}
