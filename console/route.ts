import { computed, signal } from "@preact/signals";
import { type Query, queryText } from "./api.ts";
import { takeNewToken } from "./session.ts";

export interface ScreenProps {
  readonly route: Route;
}

/** Location of the page: `#/packets/pkt-…?status=HELD`. */
export interface Route {
  readonly screen: string;
  readonly id?: string;
  readonly query: URLSearchParams;
}

const fragment = signal(location.hash);

addEventListener("hashchange", () => {
  takeNewToken();
  fragment.value = location.hash;
});

export const route = computed<Route>(() => {
  const [path = "", query = ""] = fragment.value.replace(/^#\/?/, "").split("?");
  const [screen = "", id] = path.split("/").map(decoded);
  return { screen: screen || "overview", ...(id && { id }), query: new URLSearchParams(query) };
});

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function linkTo(screen: string, id?: string, query: Query = {}): string {
  return `#/${screen}${id === undefined ? "" : `/${encodeURIComponent(id)}`}${queryText(query)}`;
}

export function goTo(screen: string, id?: string, query: Query = {}): void {
  location.hash = linkTo(screen, id, query);
}

/** Changes what a list is narrowed to, without a step in the history for each letter typed. */
export function narrowTo(query: Query): void {
  const { screen, id } = route.value;
  history.replaceState(null, "", linkTo(screen, id, query));
  fragment.value = location.hash;
}
