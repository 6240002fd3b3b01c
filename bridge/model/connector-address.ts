import type { Json } from "../values/json.ts";
import type { Connector } from "./connector.ts";

/** Parts of a configuration from which a connector reads, or gets its credentials. They do not say where it sends. */
const notSentTo = new Set(["auth", "pickUp", "poll", "probe", "secret", "tokenUrl", "wsdl"]);

/** Names of settings that say where a connector sends, besides those whose value is a URL. */
const placeNames = new Set(
  "account address base bucket container database dataset directory endpoint folder host hostname instance layer path port queue region schema server service share site table tenant to topic url workspace".split(
    " ",
  ),
);

/** Names of URL parameters that hold a credential, which may change without a change of the address. */
const credentialName = /^(access_?token|api_?key|apikey|code|key|pass(word)?|secret|sig(nature)?|token)$/i;

/**
 * Returns everything in a configuration that says where a connector sends: URLs, hosts, databases, tables and folders.
 * Credentials, rates and what it reads from do not count.
 */
export function addressOf(connector: Connector, config: unknown): Json {
  return connector.address ? connector.address(config) : placesIn(config, "");
}

function placesIn(value: unknown, name: string): Json[] {
  if (typeof value === "object" && value !== null) {
    return Object.entries(value)
      .filter(([key]) => !notSentTo.has(key))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([key, item]) => placesIn(item, Array.isArray(value) ? name : key));
  }
  const url = typeof value === "string" ? urlIn(value) : undefined;
  if (url !== undefined) return [`${name} ${url}`];
  const isPlace = placeNames.has(name) && (typeof value === "string" || typeof value === "number");
  return isPlace ? [`${name} ${value}`] : [];
}

/** Returns a URL in one spelling, without credentials. `undefined` if the text is no URL with a place. */
function urlIn(text: string): string | undefined {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return undefined;
  const url = URL.parse(text);
  if (!url) return undefined;
  const query = [...url.searchParams].filter(([key]) => !credentialName.test(key));
  const path = url.pathname.replace(/\/+$/, "");
  return `${url.protocol}//${url.host.toLowerCase()}${path}?${new URLSearchParams(query)}`;
}
