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
import { sheetsPlace } from "./names.ts";
import { takeUpMs, unpackSet } from "./sheet-bundle.ts";

/** How often AppConfig is asked. */
const pollMs = takeUpMs / 2;

/** How long a session waits for its next call. Source: `GetLatestConfiguration`: 24 h; an hour less for the clocks. */
const tokenMs = 23 * 3_600_000;

/** How long an event waits for AppConfig's answer where the sheets at hand may be old. Then they go on. */
const patienceMs = 1_000;

/** A connection that slept with its function may be dead: that is noticed in seconds, and a new one made. */
const timeouts = { connectionTimeout: 1_000, requestTimeout: 3_000 };

/** The sheets of a deployment, for a function that maps. @throws where none are in force yet */
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
 * The sheets and the policy in force, as AppConfig rolls them out.
 *
 * It is asked beside the work, never before an event; only a process that has not worked for 30 s asks first. What
 * cannot be used, or cannot be had, leaves the last good set in force.
 */
export class AppConfigSheets {
  readonly #options: AppConfigSheetsOptions;
  #current: SheetSet | undefined;
  /** For the next call of the session, and for that one only. Absent: a new session is needed. */
  #token: string | undefined;
  /** ms since the epoch */
  #askedAt = 0;
  #nextAt = 0;
  #asking: Promise<void> | undefined;

  private constructor(options: AppConfigSheetsOptions) {
    this.#options = options;
  }

  /** @throws where no set is in force yet, or none this version can use: there is no last good one */
  static async open(options: AppConfigSheetsOptions): Promise<AppConfigSheets> {
    const sheets = new AppConfigSheets(options);
    let why = "none were shipped yet";
    try {
      const faults = await sheets.#ask();
      if (sheets.#current) return sheets;
      if (faults) why = faults.join("; ");
    } catch (error) {
      if (!(error instanceof ResourceNotFoundException)) throw error;
    }
    throw new Error(`${options.deployment} has no sheets in force: ${why}; run npm run deploy:mappings`);
  }

  get current(): SheetSet {
    return this.#current as SheetSet;
  }

  /** To be called before events are worked on. Returns at once, but where the sheets at hand may be old. */
  async refresh(): Promise<void> {
    const { clock } = this.#options;
    const now = clock.now();
    if (now < this.#nextAt) return;
    this.#asking ??= this.#askAndTell().finally(() => {
      this.#asking = undefined;
    });
    if (now - this.#askedAt < takeUpMs) return;
    const enough = new AbortController();
    await Promise.race([this.#asking, clock.sleep(patienceMs, enough.signal)]);
    enough.abort();
  }

  async #askAndTell(): Promise<void> {
    const { log, clock } = this.#options;
    try {
      const faults = await this.#ask();
      if (faults) log({ step: "sheets-refused", faults: faults.slice(0, 3).join("; "), of: faults.length });
    } catch (error) {
      this.#token = undefined;
      this.#nextAt = clock.now() + pollMs;
      log({ step: "sheets-not-asked", error: errorName(error) });
    }
  }

  /** @returns what is wrong with a new set that cannot be used */
  async #ask(): Promise<readonly string[] | undefined> {
    const { client, deployment, clock, log } = this.#options;
    const isGood = this.#token !== undefined && clock.now() - this.#askedAt < tokenMs;
    const token = isGood ? this.#token : await this.#begin();
    // Good for one call, whatever comes of it.
    this.#token = undefined;
    const answer = await client.send(new GetLatestConfigurationCommand({ ConfigurationToken: token }));
    this.#token = answer.NextPollConfigurationToken;
    this.#askedAt = clock.now();
    this.#nextAt = this.#askedAt + Math.max(pollMs, (answer.NextPollIntervalInSeconds ?? 0) * 1_000);
    // Empty: nothing new.
    if (!answer.Configuration?.byteLength) return undefined;
    const unpacked = unpackSet(new TextDecoder().decode(answer.Configuration));
    if (!unpacked.ok) return unpacked.faults;
    this.#current = sheetSet(
      unpacked.sheets.map(({ sheet }) => sheet),
      unpacked.policy,
    );
    log({ step: "sheets-taken-up", deployment, sheets: unpacked.sheets.length });
    return undefined;
  }

  async #begin(): Promise<string | undefined> {
    const { client, deployment } = this.#options;
    const { application, environment, profile } = sheetsPlace(deployment);
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
