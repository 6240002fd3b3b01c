import type { ComponentType, RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { get } from "./api.ts";
import type { Me } from "./api-types.ts";
import { isHelpOpen, screenKeys } from "./keyboard.ts";
import { Dialog } from "./parts/dialog.tsx";
import { Icon, type IconName } from "./parts/icon.tsx";
import { setClock } from "./parts/time.tsx";
import { showToast, Toast } from "./parts/toast.tsx";
import { usePoll } from "./poll.ts";
import { linkTo, route, type ScreenProps } from "./route.ts";
import { BulkScreen } from "./screens/bulk.tsx";
import { EventScreen } from "./screens/event.tsx";
import { EventsScreen } from "./screens/events.tsx";
import { JobsScreen } from "./screens/jobs.tsx";
import { LedgerScreen } from "./screens/ledger.tsx";
import { OverviewScreen } from "./screens/overview.tsx";
import { PacketScreen } from "./screens/packet.tsx";
import { PacketsScreen } from "./screens/packets.tsx";
import { SheetScreen } from "./screens/sheet.tsx";
import { SheetsScreen } from "./screens/sheets.tsx";
import { StartScreen } from "./screens/start-job.tsx";
import { applyTheme, theme } from "./session.ts";

interface Screen {
  readonly title: string;
  readonly icon: IconName;
  readonly list: ComponentType<ScreenProps>;
  readonly detail?: ComponentType<{ readonly id: string }>;
}

const screens: Readonly<Record<string, Screen>> = {
  overview: { title: "Overview", icon: "overview", list: OverviewScreen },
  packets: { title: "Packets", icon: "packet", list: PacketsScreen, detail: PacketScreen },
  bulk: { title: "Bulk", icon: "bulk", list: BulkScreen },
  sheets: { title: "Sheets", icon: "sheet", list: SheetsScreen, detail: SheetScreen },
  jobs: { title: "Jobs", icon: "job", list: JobsScreen, detail: StartScreen },
  ledger: { title: "Ledger", icon: "ledger", list: LedgerScreen },
  events: { title: "Events", icon: "event", list: EventsScreen, detail: EventScreen },
};

/** Interval between checks that the bridge responds. ms */
const connectionCheckMs = 5_000;

/** The page around a screen: navigation, connection status, theme, keyboard help and toasts. */
export function AppShell() {
  const { screen: name, id } = route.value;
  const me = useConnection();
  const { title, list: List, detail: Detail } = screens[name] ?? (screens.overview as Screen);
  const main = useRef<HTMLElement>(null);
  useFocusOnNavigation(main, `${name}/${id ?? ""}`, id ?? title);

  return (
    <div class="shell">
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to content
      </button>
      <header>
        <a class="brand" href={linkTo("overview")}>
          <img src="/favicon.svg" alt="" width="26" height="26" />
          <span>Sync Dashboard</span>
        </a>
        <nav aria-label="Screens">
          {Object.entries(screens).map(([key, { title: label, icon }]) => (
            <a key={key} href={linkTo(key)} aria-current={key === name ? "page" : undefined}>
              <Icon name={icon} />
              {label}
            </a>
          ))}
        </nav>
        <Footer me={me.data} isOffline={me.problem !== undefined} />
      </header>
      <main id="main" ref={main} tabIndex={-1} key={`${name}/${id ?? ""}`}>
        {id !== undefined && Detail ? <Detail id={id} /> : <List route={route.value} />}
      </main>
      {isHelpOpen.value && <Help />}
      <Toast />
    </div>
  );
}

/** Polls the API and shows a toast when it responds again after a failure. */
function useConnection() {
  const me = usePoll(
    "me",
    async (signal) => {
      const current = await get<Me>("/api/me", {}, signal);
      setClock(current.now);
      return current;
    },
    connectionCheckMs,
  );
  const wasOffline = useRef(false);
  useEffect(() => {
    if (wasOffline.current && !me.problem) showToast("The bridge is responding again.");
    wasOffline.current = me.problem !== undefined;
  }, [me.problem]);
  return me;
}

/** Scrolls to the top and moves the focus to the content when another screen opens. */
function useFocusOnNavigation(main: RefObject<HTMLElement | null>, location: string, title: string): void {
  const isFirst = useRef(true);
  useEffect(() => {
    document.title = `${title} · Sync Dashboard`;
    if (!isFirst.current) {
      scrollTo(0, 0);
      main.current?.focus({ preventScroll: true });
    }
    isFirst.current = false;
    // On a narrow screen the navigation scrolls sideways.
    document.querySelector("header [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [location]);
}

function Footer({ me, isOffline }: { readonly me: Me | undefined; readonly isOffline: boolean }) {
  return (
    <div class="shell-footer">
      <p class={isOffline ? "connection offline" : "connection"} role="status">
        <span class="dot" aria-hidden="true" />
        {isOffline ? "No connection" : "Connected"}
      </p>
      {me && (
        <p class="me" title="Your name in the ledger">
          {me.actor} <span>· {me.host === "aws" ? "AWS" : "this machine"}</span>
        </p>
      )}
      <div class="tools">
        <ThemeSwitch />
        <button
          type="button"
          class="icon-button"
          aria-label="Keyboard shortcuts"
          title="Keyboard shortcuts (?)"
          onClick={() => {
            isHelpOpen.value = true;
          }}
        >
          <Icon name="help" />
        </button>
      </div>
    </div>
  );
}

const themes = [
  ["system", "auto", "System theme"],
  ["light", "sun", "Light theme"],
  ["dark", "moon", "Dark theme"],
] as const;

function ThemeSwitch() {
  return (
    <fieldset class="theme">
      <legend class="visually-hidden">Theme</legend>
      {themes.map(([name, icon, label]) => (
        <button
          key={name}
          type="button"
          class="icon-button"
          aria-label={label}
          title={label}
          aria-pressed={theme.value === name}
          onClick={() => applyTheme(name)}
        >
          <Icon name={icon} />
        </button>
      ))}
    </fieldset>
  );
}

/** Keys, separated by two spaces, and what they do. */
const shortcuts = [
  ["/", "Filter"],
  ["j  k", "Next or previous row"],
  ["Enter", "Open the row"],
  ["Esc", "Back to the list; close"],
  ["?", "Show the shortcuts"],
] as const;

function Help() {
  const close = () => {
    isHelpOpen.value = false;
  };
  return (
    <Dialog title="Keyboard shortcuts" onClose={close}>
      <dl class="keys">
        {shortcuts.map(([keys, action]) => (
          <div key={keys}>
            <dt>
              {keys.split("  ").map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{action}</dd>
          </div>
        ))}
        {Object.entries(screenKeys).map(([key, [, title]]) => (
          <div key={key}>
            <dt>
              <kbd>g</kbd>
              <kbd>{key}</kbd>
            </dt>
            <dd>{title}</dd>
          </div>
        ))}
      </dl>
      <div class="buttons">
        <button type="button" onClick={close}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
