import { computed, signal } from "@preact/signals";
import { type Query, queryText } from "./api.ts";
import { readNewToken } from "./session.ts";

export interface ScreenProps {
  readonly route: Route;
}

/** A parsed location of the page, such as `#/packets/pkt-…?status=HELD`. */
export interface Route {
  readonly screen: string;
  readonly id?: string;
  readonly query: URLSearchParams;
}

const fragment = signal(location.hash);

addEventListener("hashchange", () => {
  readNewToken();
  fragment.value = location.hash;
});

export const route = computed<Route>(() => {
  const [path = "", query = ""] = fragment.value.replace(/^#\/?/, "").split("?");
  const [screen = "", id] = path.split("/").map(decodePart);
  return { screen: screen || "overview", ...(id && { id }), query: new URLSearchParams(query) };
});

function decodePart(part: string): string {
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

/** Replaces the query of the page's address without adding a history entry for each letter typed. */
export function replaceQuery(query: Query): void {
  const { screen, id } = route.value;
  history.replaceState(null, "", linkTo(screen, id, query));
  fragment.value = location.hash;
}
