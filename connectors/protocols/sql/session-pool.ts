import type { Context } from "../../../bridge/model/connector.ts";
import { type Outcome, refused, retry } from "../../../bridge/model/outcome.ts";
import type { Packet } from "../../../bridge/model/packet.ts";
import { BridgeError } from "../../../bridge/values/bridge-error.ts";
import type { Dialect, Login, Place, Session, SqlIssue } from "./dialect.ts";

/**
 * How long an idle session is kept. Short: a Lambda is frozen between its calls, and what it held meanwhile is found
 * closed by the database or by a firewall.
 */
const keptMs = 4_000;

interface Kept {
  readonly session: Session;
  readonly since: number;
  readonly timer: NodeJS.Timeout;
}

/** Pool of one connector's sessions. It opens a session for each concurrent use and soon closes idle ones. */
export class Sessions {
  /** Idle sessions by server and login, so sessions opened with an old password are not used after a rotation. */
  readonly #idle = new Map<string, Kept[]>();
  readonly dialect: Dialect;

  constructor(dialect: Dialect) {
    this.dialect = dialect;
  }

  /**
   * Runs work in a session, which is given back if the work ends well, and else destroyed.
   *
   * @throws what the work throws; {TimeUp} when the try's time is over
   */
  async use<T>(
    { config, secret, signal }: Pick<Context<Place, Login>, "config" | "secret" | "signal">,
    work: (session: Session) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    const key = JSON.stringify([config.host, config.port, config.database, config.tls, secret]);
    let session: Session | undefined;
    let over = false;
    const aborted = Promise.withResolvers<never>();
    const abort = () => {
      over = true;
      session?.destroy();
      aborted.reject(new DeadlineError());
    };
    signal.addEventListener("abort", abort, { once: true });
    const worked = async () => {
      session = this.#take(key) ?? (await this.dialect.connect(config, secret));
      if (over) {
        session.destroy();
        throw new DeadlineError();
      }
      const result = await work(session);
      if (!over) this.#keep(key, session);
      return result;
    };
    try {
      const working = worked();
      // Whoever loses the race may fail later, unheard.
      working.catch(() => {});
      return await Promise.race([working, aborted.promise]);
    } catch (error) {
      session?.destroy();
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  #take(key: string): Session | undefined {
    for (;;) {
      const kept = this.#idle.get(key)?.pop();
      if (!kept) return undefined;
      clearTimeout(kept.timer);
      // After a Lambda freeze, the limit can have passed before the timer fires.
      if (performance.now() - kept.since < keptMs) {
        kept.session.hold(true);
        return kept.session;
      }
      kept.session.destroy();
    }
  }

  #keep(key: string, session: Session): void {
    const idle = this.#idle.get(key) ?? [];
    this.#idle.set(key, idle);
    const timer = setTimeout(() => {
      idle.splice(idle.indexOf(kept), 1);
      if (idle.length === 0) this.#idle.delete(key);
      session.destroy();
    }, keptMs).unref();
    const kept: Kept = { session, since: performance.now(), timer };
    session.hold(false);
    idle.push(kept);
  }
}

/** The try's time was over: what a session was doing is broken off. */
export class DeadlineError extends BridgeError {
  override readonly name = "DeadlineError";

  constructor() {
    super("deadline-exceeded", "the try's time was over");
  }
}

/** Rolls back the changes of the current packet. */
export const undoPacket = "ROLLBACK TO SAVEPOINT packet";

/**
 * Sends packets in one transaction, each behind a savepoint: one that is refused takes nothing from the others.
 *
 * @param deliver writes one packet; what it has written is taken back where it is not delivered
 * @returns an outcome a packet, in their order
 */
export async function inOneTransaction<Config extends Place>(
  sessions: Sessions,
  packets: readonly Packet[],
  context: Context<Config, Login>,
  deliver: (packet: Packet, session: Session) => Promise<Outcome>,
): Promise<Outcome[]> {
  const { faultOf } = sessions.dialect;
  const outcomes: Outcome[] = [];
  let committing = false;
  try {
    await sessions.use(context, async (session) => {
      await session.begin();
      for (const packet of packets) {
        await session.run("SAVEPOINT packet");
        const outcome = await deliver(packet, session).catch((error: unknown) => {
          const fault = faultOf(error);
          if (fault.kind === "lost") throw error;
          return outcomeOf(fault, false);
        });
        if (outcome.kind !== "delivered") await session.run(undoPacket);
        outcomes.push(outcome);
      }
      committing = true;
      await session.commit();
    });
    return outcomes;
  } catch (error) {
    const fault = error instanceof DeadlineError || context.signal.aborted ? timeUp : faultOf(error);
    // At COMMIT nobody can say whose packet it is.
    const isAnybodys = committing && (fault.kind === "refused" || fault.kind === "there");
    const failed = outcomeOf(isAnybodys ? { ...fault, kind: "retry" } : fault, committing && fault.kind === "lost");
    // What was refused is refused, whatever became of the rest.
    return packets.map((_, i) => (outcomes[i]?.kind === "refused" ? outcomes[i] : failed));
  }
}

const timeUp: SqlIssue = { kind: "lost", code: "time", says: "the try's time was over" };

/** Maximum length of a refusal message kept for the operator. */
const answerKept = 2_048;

export function outcomeOf({ kind, says, code, about, answer }: SqlIssue, mayHaveLanded: boolean): Outcome {
  const reason = `${says}${about ? `: ${about}` : ""} (${code})`;
  switch (kind) {
    case "there":
    case "refused":
      return refused(reason, { ...(answer && { answer: answer.slice(0, answerKept) }) });
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

/**
 * Whether a database would take statements like these now: each is run, and all is taken back.
 *
 * A table that is missing, or a grant, makes a target asleep: its packets wait for whoever mends that, and none is held.
 */
export async function wouldTake<Config extends Place>(
  sessions: Sessions,
  context: Context<Config, Login>,
  statements: readonly string[],
): Promise<boolean> {
  try {
    return await sessions.use(context, async (session) => {
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
