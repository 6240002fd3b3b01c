import { signal } from "@preact/signals";

const tokenKey = "bridge-token";
const themeKey = "bridge-theme";

export const token = signal(takeToken());
/** The API has refused the token. */
export const refused = signal(false);
/** True if a token was accepted before: the bridge was restarted since and has another. */
export const wasKnown = signal(false);

export type Theme = "system" | "light" | "dark";
export const theme = signal<Theme>(readTheme());

const darkSystem = matchMedia("(prefers-color-scheme: dark)");
/** The system's own theme is dark. */
export const dark = signal(darkSystem.matches);
darkSystem.addEventListener("change", ({ matches }) => {
  dark.value = matches;
});

/**
 * The token comes in the address's fragment, which no server and no log ever sees. It is kept for this tab alone, and
 * leaves the address at once: neither history nor a screenshot has it.
 */
function takeToken(): string | undefined {
  const given = tokenIn(location.hash);
  if (given !== undefined) {
    sessionStorage.setItem(tokenKey, given);
    history.replaceState(null, "", `${location.pathname}#/`);
  }
  return sessionStorage.getItem(tokenKey) ?? undefined;
}

function tokenIn(fragment: string): string | undefined {
  return /^#token=([\w~.-]+)$/.exec(fragment)?.[1];
}

/** @param given the token, or the whole link that has it at its end */
export function useToken(given: string): void {
  const used = /#token=([\w~.-]+)$/.exec(given)?.[1] ?? given;
  sessionStorage.setItem(tokenKey, used);
  refused.value = false;
  wasKnown.value = false;
  token.value = used;
}

/** A link with a new token may be opened in a tab that shows the page already. */
export function takeNewToken(): boolean {
  const given = tokenIn(location.hash);
  if (given === undefined) return false;
  history.replaceState(null, "", `${location.pathname}#/`);
  useToken(given);
  return true;
}

function readTheme(): Theme {
  const kept = localStorage.getItem(themeKey);
  return kept === "light" || kept === "dark" ? kept : "system";
}

export function showTheme(chosen: Theme): void {
  theme.value = chosen;
  localStorage.setItem(themeKey, chosen);
  document.documentElement.dataset.theme = chosen;
}
