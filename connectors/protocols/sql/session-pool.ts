import type { Context } from "../../../bridge/model/connector.ts";
import { type Outcome, refused, retry } from "../../../bridge/model/outcome.ts";
import type { Packet } from "../../../bridge/model/packet.ts";
import { BridgeError } from "../../../bridge/values/bridge-error.ts";
import { type DatabaseAddress, type Dialect, type Login, loginSchema, type Session, type SqlIssue } from "./dialect.ts";

/**
 * Longest time that an idle session is kept. It is short because a Lambda function is frozen between calls, and the
 * database or a firewall may close its sessions meanwhile.
 */
const maxIdleMs = 4_000;

interface IdleSession {
  readonly session: Session;
  readonly since: number;
  readonly timer: NodeJS.Timeout;
}

/** Part of the declaration that all database connectors share. */
export const databaseConnector = {
  version: "v1",
  idempotent: true,
  deletes: true,
  secret: loginSchema,
  // Each concurrent send uses a session of its own.
  rate: { concurrency: 4 },
} as const;

/** Pool of one connector's sessions. It opens a session for each concurrent use and soon closes idle ones. */
export class SessionPool {
  /** Idle sessions by server and login, so sessions opened with an old password are not used after a rotation. */
  readonly #idle = new Map<string, IdleSession[]>();
  readonly dialect: Dialect;

  constructor(dialect: Dialect) {
    this.dialect = dialect;
  }

  /**
   * Runs work with a session. The session returns to the pool if the work succeeds; otherwise it is destroyed.
   *
   * @throws {DeadlineError} if the signal aborts
   * @throws any error that the work throws
   */
  async use<T>(
    { config, secret, signal }: Pick<Context<DatabaseAddress, Login>, "config" | "secret" | "signal">,
    work: (session: Session) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    const key = JSON.stringify([config.host, config.port, config.database, config.tls, secret]);
    let session: Session | undefined;
    let isAborted = false;
    const aborted = Promise.withResolvers<never>();
    const abort = () => {
      isAborted = true;
      session?.destroy();
      aborted.reject(new DeadlineError());
    };
    signal.addEventListener("abort", abort, { once: true });
    const run = async () => {
      session = this.#takeIdle(key) ?? (await this.dialect.connect(config, secret));
      if (isAborted) {
        session.destroy();
        throw new DeadlineError();
      }
      const result = await work(session);
      if (!isAborted) this.#addIdle(key, session);
      return result;
    };
    try {
      const running = run();
      // Without a handler, a failure after the abort would be an unhandled rejection.
      running.catch(() => {});
      return await Promise.race([running, aborted.promise]);
    } catch (error) {
      session?.destroy();
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  #takeIdle(key: string): Session | undefined {
    for (;;) {
      const entry = this.#idle.get(key)?.pop();
      if (!entry) return undefined;
      clearTimeout(entry.timer);
      // After a Lambda freeze, the limit can have passed before the timer fires.
      if (performance.now() - entry.since < maxIdleMs) {
        entry.session.keepAlive(true);
        return entry.session;
      }
      entry.session.destroy();
    }
  }

  #addIdle(key: string, session: Session): void {
    const idle = this.#idle.get(key) ?? [];
    this.#idle.set(key, idle);
    const timer = setTimeout(() => {
      idle.splice(idle.indexOf(entry), 1);
      if (idle.length === 0) this.#idle.delete(key);
      session.destroy();
    }, maxIdleMs).unref();
    const entry: IdleSession = { session, since: performance.now(), timer };
    session.keepAlive(false);
    idle.push(entry);
  }
}

/** Thrown if an attempt's time limit passes while a session is in use. The session is destroyed. */
export class DeadlineError extends BridgeError {
  override readonly name = "DeadlineError";

  constructor() {
    super("deadline-exceeded", "the attempt ran out of time");
  }
}

/** Statement that rolls back the changes of the current packet. */
export const rollbackPacket = "ROLLBACK TO SAVEPOINT packet";

/**
 * Sends packets in one transaction, each after a savepoint, so that a refused packet does not affect the others.
 *
 * @param deliver writes one packet; its changes are rolled back if it is not delivered
 * @returns one outcome per packet, in their order
 */
export async function sendInTransaction<Config extends DatabaseAddress>(
  pool: SessionPool,
  packets: readonly Packet[],
  context: Context<Config, Login>,
  deliver: (packet: Packet, session: Session) => Promise<Outcome>,
): Promise<Outcome[]> {
  const { classifyError } = pool.dialect;
  const outcomes: Outcome[] = [];
  let committing = false;
  try {
    await pool.use(context, async (session) => {
      await session.begin();
      for (const packet of packets) {
        await session.run("SAVEPOINT packet");
        const outcome = await deliver(packet, session).catch((error: unknown) => {
          const issue = classifyError(error);
          if (issue.kind === "lost") throw error;
          return outcomeOf(issue, false);
        });
        if (outcome.kind !== "delivered") await session.run(rollbackPacket);
        outcomes.push(outcome);
      }
      committing = true;
      await session.commit();
    });
    return outcomes;
  } catch (error) {
    const issue = error instanceof DeadlineError || context.signal.aborted ? outOfTime : classifyError(error);
    // A refusal at COMMIT cannot be traced to its packet, so all of them are retried.
    const isUntraceable = committing && (issue.kind === "refused" || issue.kind === "duplicate");
    const failed = outcomeOf(isUntraceable ? { ...issue, kind: "retry" } : issue, committing && issue.kind === "lost");
    // A packet that was refused before the transaction failed remains refused.
    return packets.map((_, i) => (outcomes[i]?.kind === "refused" ? outcomes[i] : failed));
  }
}

const outOfTime: SqlIssue = { kind: "lost", code: "time", message: "the attempt ran out of time" };

/** Maximum length, in UTF-16 code units, of a database message kept for the operator. */
const maxAnswerLength = 2_048;

/** Converts a database issue into a packet's outcome. The reason contains no value of the packet. */
export function outcomeOf(issue: SqlIssue, mayHaveLanded: boolean): Outcome {
  const { kind, answer } = issue;
  const reason = describeIssue(issue);
  switch (kind) {
    case "duplicate":
    case "refused":
      return refused(reason, { ...(answer && { answer: answer.slice(0, maxAnswerLength) }) });
    case "login":
      return retry(reason, { auth: true, mayHaveLanded });
    case "setup":
      return retry(reason, { code: "setup", mayHaveLanded });
    case "retry":
      return retry(reason, { code: "answered", mayHaveLanded });
    case "lost":
      return retry(reason, { code: "no-answer", mayHaveLanded });
  }
}

/** Describes a database issue in one line, without any value of the packet. */
export function describeIssue({ message, objectName, code }: SqlIssue): string {
  return `${message}${objectName ? `: ${objectName}` : ""} (${code})`;
}

/**
 * Runs statements in a transaction and rolls it back. Returns true if all of them succeed.
 *
 * A missing table or grant makes the probe fail, so packets wait until it is fixed and none is held.
 */
export async function canRun<Config extends DatabaseAddress>(
  pool: SessionPool,
  context: Context<Config, Login>,
  statements: readonly string[],
): Promise<boolean> {
  try {
    return await pool.use(context, async (session) => {
      await session.begin();
      try {
        for (const sql of statements) await session.run(sql);
        return true;
      } catch {
        return false;
      } finally {
        await session.rollback();
      }
    });
  } catch {
    return false;
  }
}
