import {
  AppConfigDataClient,
  GetLatestConfigurationCommand,
  ResourceNotFoundException,
  StartConfigurationSessionCommand,
} from "@aws-sdk/client-appconfigdata";
import { type SheetSet, sheetSet } from "../../bridge/mapping/sheet-set.ts";
import { errorName, type LogLine } from "../../bridge/observability/log.ts";
import type { Clock } from "../../bridge/ports/clock.ts";
import { systemClock } from "../clock.ts";
import { appConfigNamesOf } from "./names.ts";
import { maxSheetAgeMs, unpackSet } from "./sheet-bundle.ts";

/** Interval between polls of AppConfig. */
const pollMs = maxSheetAgeMs / 2;

/** Lifetime of a session token: 24 h, less one hour for clock skew. Source: `GetLatestConfiguration`. */
const tokenMs = 23 * 3_600_000;

/** Longest time an event waits for AppConfig if the sheets may be outdated. After it, the sheets at hand are used. */
const maxWaitMs = 1_000;

/** Short timeouts, because a connection kept over a frozen function may be dead and must be replaced within seconds. */
const timeouts = { connectionTimeout: 1_000, requestTimeout: 3_000 };

/**
 * Opens a deployment's sheets for a function that maps events.
 *
 * @throws {Error} if no sheets are in force yet
 */
export function openSheets(deployment: string, log: (line: LogLine) => void): Promise<AppConfigSheets> {
  const client = new AppConfigDataClient({ maxAttempts: 2, requestHandler: timeouts });
  return AppConfigSheets.open({ client, deployment, clock: systemClock(), log });
}

export interface AppConfigSheetsOptions {
  readonly client: AppConfigDataClient;
  readonly deployment: string;
  readonly clock: Pick<Clock, "now" | "sleep">;
  readonly log: (line: LogLine) => void;
}

/**
 * The sheets and the policy in force, as rolled out by AppConfig.
 *
 * Polling runs alongside the work. An event waits for it only if the process has not polled for 30 s. If a new set is
 * invalid, or AppConfig cannot be reached, the previous set stays in force.
 */
export class AppConfigSheets {
  readonly #options: AppConfigSheetsOptions;
  #current: SheetSet | undefined;
  /** Token for the session's next call, valid only once. If absent, a new session is needed. */
  #token: string | undefined;
  /** ms since the epoch */
  #polledAt = 0;
  /** ms since the epoch */
  #nextPollAt = 0;
  #polling: Promise<void> | undefined;

  private constructor(options: AppConfigSheetsOptions) {
    this.#options = options;
  }

  /** @throws {Error} if no set is in force yet, or this version cannot use the one that is */
  static async open(options: AppConfigSheetsOptions): Promise<AppConfigSheets> {
    const sheets = new AppConfigSheets(options);
    let reason = "none were deployed yet";
    try {
      const issues = await sheets.#poll();
      if (sheets.#current) return sheets;
      if (issues) reason = issues.join("; ");
    } catch (error) {
      if (!(error instanceof ResourceNotFoundException)) throw error;
    }
    throw new Error(`${options.deployment} has no sheets in force: ${reason}; run npm run deploy:mappings`);
  }

  get current(): SheetSet {
    return this.#current as SheetSet;
  }

  /** Polls AppConfig if a poll is due. Call it before each batch: it returns at once unless the sheets may be outdated. */
  async refresh(): Promise<void> {
    const { clock } = this.#options;
    const now = clock.now();
    if (now < this.#nextPollAt) return;
    this.#polling ??= this.#pollAndLog().finally(() => {
      this.#polling = undefined;
    });
    if (now - this.#polledAt < maxSheetAgeMs) return;
    const wait = new AbortController();
    await Promise.race([this.#polling, clock.sleep(maxWaitMs, wait.signal)]);
    wait.abort();
  }

  async #pollAndLog(): Promise<void> {
    const { log, clock } = this.#options;
    try {
      const issues = await this.#poll();
      if (issues) log({ step: "sheets-refused", faults: issues.slice(0, 3).join("; "), of: issues.length });
    } catch (error) {
      this.#token = undefined;
      this.#nextPollAt = clock.now() + pollMs;
      log({ step: "sheets-not-asked", error: errorName(error) });
    }
  }

  /** @returns the issues of a new set that cannot be used, else `undefined` */
  async #poll(): Promise<readonly string[] | undefined> {
    const { client, deployment, clock, log } = this.#options;
    const isValid = this.#token !== undefined && clock.now() - this.#polledAt < tokenMs;
    const token = isValid ? this.#token : await this.#startSession();
    // A token is used up by one call, even by one that fails.
    this.#token = undefined;
    const latest = await client.send(new GetLatestConfigurationCommand({ ConfigurationToken: token }));
    this.#token = latest.NextPollConfigurationToken;
    this.#polledAt = clock.now();
    this.#nextPollAt = this.#polledAt + Math.max(pollMs, (latest.NextPollIntervalInSeconds ?? 0) * 1_000);
    // An empty configuration means that nothing has changed.
    if (!latest.Configuration?.byteLength) return undefined;
    const unpacked = unpackSet(new TextDecoder().decode(latest.Configuration));
    if (!unpacked.ok) return unpacked.faults;
    this.#current = sheetSet(
      unpacked.sheets.map(({ sheet }) => sheet),
      unpacked.policy,
    );
    log({ step: "sheets-taken-up", deployment, sheets: unpacked.sheets.length });
    return undefined;
  }

  async #startSession(): Promise<string | undefined> {
    const { client, deployment } = this.#options;
    const { application, environment, profile } = appConfigNamesOf(deployment);
    const { InitialConfigurationToken } = await client.send(
      new StartConfigurationSessionCommand({
        ApplicationIdentifier: application,
        EnvironmentIdentifier: environment,
        ConfigurationProfileIdentifier: profile,
        RequiredMinimumPollIntervalInSeconds: pollMs / 1_000,
      }),
    );
    return InitialConfigurationToken;
  }
}
