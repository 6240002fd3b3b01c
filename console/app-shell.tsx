import type { ComponentType, RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { get } from "./api.ts";
import type { Me } from "./api-types.ts";
import { helpShown, places } from "./keyboard.ts";
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
import { showTheme, theme } from "./session.ts";

interface Screen {
  readonly title: string;
  readonly icon: IconName;
  readonly list: ComponentType<ScreenProps>;
  readonly one?: ComponentType<{ readonly id: string }>;
}

const screens: Readonly<Record<string, Screen>> = {
  overview: { title: "Overview", icon: "overview", list: OverviewScreen },
  packets: { title: "Packets", icon: "packet", list: PacketsScreen, one: PacketScreen },
  bulk: { title: "Bulk", icon: "bulk", list: BulkScreen },
  sheets: { title: "Sheets", icon: "sheet", list: SheetsScreen, one: SheetScreen },
  jobs: { title: "Jobs", icon: "job", list: JobsScreen, one: StartScreen },
  ledger: { title: "Ledger", icon: "ledger", list: LedgerScreen },
  events: { title: "Events", icon: "event", list: EventsScreen, one: EventScreen },
};

/** Interval between checks that the bridge answers. ms */
const pulseMs = 5_000;

/** The page around a screen: navigation, connection status, theme, keyboard help and toasts. */
export function AppShell() {
  const { screen: name, id } = route.value;
  const me = useConnection();
  const { title, list: List, one: One } = screens[name] ?? (screens.overview as Screen);
  const main = useRef<HTMLElement>(null);
  useFocusOnNavigation(main, `${name}/${id ?? ""}`, id ?? title);

  return (
    <div class="house">
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to the content
      </button>
      <header>
        <a class="brand" href={linkTo("overview")}>
          <img src="/favicon.svg" alt="" width="26" height="26" />
          <span>Sync Dashboard</span>
        </a>
        <nav aria-label="Screens">
          {Object.entries(screens).map(([key, { title: word, icon }]) => (
            <a key={key} href={linkTo(key)} aria-current={key === name ? "page" : undefined}>
              <Icon name={icon} />
              {word}
            </a>
          ))}
        </nav>
        <Footer me={me.data} isGone={me.problem !== undefined} />
      </header>
      <main id="main" ref={main} tabIndex={-1} key={`${name}/${id ?? ""}`}>
        {id !== undefined && One ? <One id={id} /> : <List route={route.value} />}
      </main>
      {helpShown.value && <Help />}
      <Toast />
    </div>
  );
}

/** Polls the API and shows a toast when it answers again after a failure. */
function useConnection() {
  const me = usePoll(
    "me",
    async (signal) => {
      const found = await get<Me>("/api/me", {}, signal);
      setClock(found.now);
      return found;
    },
    pulseMs,
  );
  const wasGone = useRef(false);
  useEffect(() => {
    if (wasGone.current && !me.problem) showToast("The bridge answers again.");
    wasGone.current = me.problem !== undefined;
  }, [me.problem]);
  return me;
}

/** Scrolls to the top and moves the focus to the content when another screen opens. */
function useFocusOnNavigation(main: RefObject<HTMLElement | null>, place: string, title: string): void {
  const first = useRef(true);

  // A new screen starts at its top.
  useEffect(() => {
    document.title = `${title} · Sync Dashboard`;
    if (!first.current) {
      scrollTo(0, 0);
      main.current?.focus({ preventScroll: true });
    }
    first.current = false;
    // On a narrow screen the navigation scrolls sideways.
    document.querySelector("header [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [place]);
}

function Footer({ me, isGone }: { readonly me: Me | undefined; readonly isGone: boolean }) {
  return (
    <div class="foot">
      <p class={isGone ? "pulse gone" : "pulse"} role="status">
        <span class="dot" aria-hidden="true" />
        {isGone ? "No answer" : "Connected"}
      </p>
      {me && (
        <p class="me" title="The ledger names you so.">
          {me.actor} <span>· {me.host === "aws" ? "AWS" : "this machine"}</span>
        </p>
      )}
      <div class="tools">
        <ThemeSwitch />
        <button
          type="button"
          class="icon-button"
          aria-label="Keys"
          title="Keys (?)"
          onClick={() => {
            helpShown.value = true;
          }}
        >
          <Icon name="help" />
        </button>
      </div>
    </div>
  );
}

const themes = [
  ["system", "auto", "As the system"],
  ["light", "sun", "Light"],
  ["dark", "moon", "Dark"],
] as const;

function ThemeSwitch() {
  return (
    <fieldset class="theme">
      <legend class="unseen">Theme</legend>
      {themes.map(([name, icon, word]) => (
        <button
          key={name}
          type="button"
          class="icon-button"
          aria-label={word}
          title={word}
          aria-pressed={theme.value === name}
          onClick={() => showTheme(name)}
        >
          <Icon name={icon} />
        </button>
      ))}
    </fieldset>
  );
}

const keys = [
  ["/", "Filter"],
  ["j  k", "Next, last row"],
  ["Enter", "Open the row"],
  ["Esc", "Back to the list; close"],
  ["?", "These keys"],
] as const;

function Help() {
  const close = () => {
    helpShown.value = false;
  };
  return (
    <Dialog title="Keys" onClose={close}>
      <dl class="keys">
        {keys.map(([key, what]) => (
          <div key={key}>
            <dt>
              {key.split("  ").map((one) => (
                <kbd key={one}>{one}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
        {Object.entries(places).map(([key, [, what]]) => (
          <div key={key}>
            <dt>
              <kbd>g</kbd>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
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
