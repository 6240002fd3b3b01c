import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ProblemError } from "./api.ts";

export interface Polled<T> {
  /** Last answer. It is kept if a later poll fails. */
  readonly data: T | undefined;
  readonly problem: ProblemError | undefined;
  refresh(): void;
}

/** Default wait before a failed poll is repeated. ms */
const againMs = 5_000;

/**
 * Looks at something again and again, for as long as the page is seen.
 *
 * @param key another key is another thing: what was known of the last one is forgotten
 * @param everyMs absent: looks until there is an answer
 */
export function usePoll<T>(key: string, look: (signal: AbortSignal) => Promise<T>, everyMs?: number): Polled<T> {
  const [state, setState] = useState<{ key: string; data?: T; problem?: ProblemError }>({ key });
  const [round, setRound] = useState(0);
  const latest = useRef(look);
  latest.current = look;

  useEffect(() => {
    const gone = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const next = async () => {
      let waitMs = everyMs;
      if (!document.hidden) {
        try {
          const data = await latest.current(gone.signal);
          if (!gone.signal.aborted) setState({ key, data });
        } catch (error) {
          if (gone.signal.aborted) return;
          const problem = asProblem(error);
          if (problem.isGone) waitMs ??= againMs;
          setState((last) => ({ key, problem, ...(last.key === key && "data" in last && { data: last.data as T }) }));
        }
      }
      if (!gone.signal.aborted && waitMs !== undefined) timer = setTimeout(next, waitMs);
    };
    const seen = () => {
      if (document.hidden || everyMs === undefined) return;
      clearTimeout(timer);
      void next();
    };
    void next();
    document.addEventListener("visibilitychange", seen);
    return () => {
      gone.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [key, everyMs, round]);

  const refresh = useCallback(() => setRound((last) => last + 1), []);
  const current = state.key === key ? state : undefined;
  return { data: current?.data, problem: current?.problem, refresh };
}

export interface Doing {
  readonly busy: boolean;
  readonly problem: ProblemError | undefined;
  /** Does it once at a time; what fails is kept as `problem`. */
  run(work: () => Promise<void>): Promise<void>;
}

/** Something the operator does: busy while it lasts, with its problem where it fails. */
export function useDoing(): Doing {
  const [state, setState] = useState<{ busy: boolean; problem?: ProblemError }>({ busy: false });
  const busy = useRef(false);
  const run = useCallback(async (work: () => Promise<void>) => {
    if (busy.current) return;
    busy.current = true;
    setState({ busy: true });
    try {
      await work();
      setState({ busy: false });
    } catch (error) {
      setState({ busy: false, problem: asProblem(error) });
    } finally {
      busy.current = false;
    }
  }, []);
  return { busy: state.busy, problem: state.problem, run };
}

function asProblem(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  return new ProblemError({ title: "The page failed", detail: "Load it anew; the browser's console has the error." });
}
