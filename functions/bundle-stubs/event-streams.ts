/**
 * Stub for the AWS SDK's event stream support, which no API called by these functions uses.
 *
 * Bundled in place of the SDK's own, which would add 20 KiB of unused code to every client.
 */
export class EventStreamSerde {
  constructor() {
    throw new Error("no function here reads an event stream; see functions/bundle-stubs/event-streams.ts");
  }
}

export function eventStreamSerdeProvider(): EventStreamSerde {
  return new EventStreamSerde();
}

export function resolveEventStreamSerdeConfig<Config>(config: Config): Config {
  return config;
}
