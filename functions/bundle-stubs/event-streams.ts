/**
 * Streams of events, which some of AWS's APIs answer with, and none that a function here calls.
 *
 * Bundled in place of the SDK's own, which every client brings along: 20 KiB that would never be used.
 */
export class EventStreamSerde {
  constructor() {
    throw new Error("no function here reads a stream of events; see functions/bundle-stubs/event-streams.ts");
  }
}

export function eventStreamSerdeProvider(): EventStreamSerde {
  return new EventStreamSerde();
}

export function resolveEventStreamSerdeConfig<Config>(config: Config): Config {
  return config;
}
