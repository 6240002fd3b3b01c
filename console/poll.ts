import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ProblemError } from "./api.ts";

export interface PollResult<T> {
  /** Latest response. It is kept if a later poll fails. */
  readonly data: T | undefined;
  readonly problem: ProblemError | undefined;
  refresh(): void;
}

/** Default wait before a failed poll is repeated. ms */
const retryMs = 5_000;

/**
 * Loads data repeatedly while the page is visible.
 *
 * @param key identifies the data; the previous data is dropped if it changes
 * @param everyMs interval; without one, the data is loaded once, and a load is repeated only if there is no response
 */
export function usePoll<T>(key: string, load: (signal: AbortSignal) => Promise<T>, everyMs?: number): PollResult<T> {
  const [state, setState] = useState<{ key: string; data?: T; problem?: ProblemError }>({ key });
  const [round, setRound] = useState(0);
  const latest = useRef(load);
  latest.current = load;

  useEffect(() => {
    const unmounted = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const next = async () => {
      let waitMs = everyMs;
      if (!document.hidden) {
        try {
          const data = await latest.current(unmounted.signal);
          if (!unmounted.signal.aborted) setState({ key, data });
        } catch (error) {
          if (unmounted.signal.aborted) return;
          const problem = asProblem(error);
          if (problem.isOffline) waitMs ??= retryMs;
          setState((previous) => ({
            key,
            problem,
            ...(previous.key === key && "data" in previous && { data: previous.data as T }),
          }));
        }
      }
      if (!unmounted.signal.aborted && waitMs !== undefined) timer = setTimeout(next, waitMs);
    };
    const onVisibility = () => {
      if (document.hidden || everyMs === undefined) return;
      clearTimeout(timer);
      void next();
    };
    void next();
    document.addEventListener("visibilitychange", onVisibility);
    return () => {
      unmounted.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", onVisibility);
    };
  }, [key, everyMs, round]);

  const refresh = useCallback(() => setRound((previous) => previous + 1), []);
  const current = state.key === key ? state : undefined;
  return { data: current?.data, problem: current?.problem, refresh };
}

export interface Action {
  readonly busy: boolean;
  readonly problem: ProblemError | undefined;
  /** Runs `work` unless it is already running. A failure is kept as `problem`. */
  run(work: () => Promise<void>): Promise<void>;
}

/** Tracks an operator's action: `busy` while it runs, and `problem` if it failed. */
export function useAction(): Action {
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
  console.error(error);
  return new ProblemError({ title: "Something went wrong on this page", detail: "Reload the page." });
}
