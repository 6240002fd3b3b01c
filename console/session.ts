import { signal } from "@preact/signals";

const tokenKey = "bridge-token";
const themeKey = "bridge-theme";

export const token = signal(loadToken());
/** True if the API has rejected the token. */
export const isRejected = signal(false);
/** True if the API accepted the token before. If it rejects it now, the bridge was restarted and has a new token. */
export const wasAccepted = signal(false);

export type Theme = "system" | "light" | "dark";
export const theme = signal<Theme>(readTheme());

const systemDark = matchMedia("(prefers-color-scheme: dark)");
/** True if the system's theme is dark. */
export const isSystemDark = signal(systemDark.matches);
systemDark.addEventListener("change", ({ matches }) => {
  isSystemDark.value = matches;
});

/**
 * Reads the token from the URL's fragment, which browsers never send to a server. The token is kept for this tab only
 * and removed from the address at once, so neither the history nor a screenshot has it.
 */
function loadToken(): string | undefined {
  const found = tokenIn(location.hash);
  if (found !== undefined) {
    sessionStorage.setItem(tokenKey, found);
    history.replaceState(null, "", `${location.pathname}#/`);
  }
  return sessionStorage.getItem(tokenKey) ?? undefined;
}

function tokenIn(fragment: string): string | undefined {
  return /^#token=([\w~.-]+)$/.exec(fragment)?.[1];
}

/**
 * Uses a token for all further calls.
 *
 * @param input the token, or a whole link that ends with it
 */
export function setToken(input: string): void {
  const newToken = /#token=([\w~.-]+)$/.exec(input)?.[1] ?? input;
  sessionStorage.setItem(tokenKey, newToken);
  isRejected.value = false;
  wasAccepted.value = false;
  token.value = newToken;
}

/** Uses the token of a link that was opened in a tab that already shows the page. */
export function readNewToken(): void {
  const found = tokenIn(location.hash);
  if (found === undefined) return;
  history.replaceState(null, "", `${location.pathname}#/`);
  setToken(found);
}

function readTheme(): Theme {
  const stored = localStorage.getItem(themeKey);
  return stored === "light" || stored === "dark" ? stored : "system";
}

/** Applies a theme to the page and remembers it in this browser. */
export function applyTheme(name: Theme): void {
  theme.value = name;
  localStorage.setItem(themeKey, name);
  document.documentElement.dataset.theme = name;
}
