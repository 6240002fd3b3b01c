/**
 * Stub that replaces the AWS SDK's event stream support in bundles. No API that these functions call uses event streams,
 * and the SDK's own code would add 20 KiB to every client.
 */
export class EventStreamSerde {
  constructor() {
    throw new Error("event streams are not supported in this bundle; see functions/bundle-stubs/event-streams.ts");
  }
}

export function eventStreamSerdeProvider(): EventStreamSerde {
  return new EventStreamSerde();
}

export function resolveEventStreamSerdeConfig<Config>(config: Config): Config {
  return config;
}
