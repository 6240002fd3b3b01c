import type { Connector, EventStatus, Job, Status } from "../api-types.ts";
import { Icon, type IconName } from "./icon.tsx";

type Tone = "good" | "warn" | "bad" | "calm" | "busy";

interface Look {
  readonly tone: Tone;
  readonly icon: IconName;
  readonly word: string;
}

const packets: Readonly<Record<Status, Look>> = {
  QUEUED: { tone: "busy", icon: "clock", word: "Queued" },
  RETRY: { tone: "warn", icon: "again", word: "Retry" },
  HELD: { tone: "bad", icon: "hand", word: "Held" },
  SENT: { tone: "good", icon: "check", word: "Sent" },
  UNCHANGED: { tone: "calm", icon: "same", word: "Unchanged" },
  SUPERSEDED: { tone: "calm", icon: "newer", word: "Superseded" },
  DISCARDED: { tone: "calm", icon: "cross", word: "Discarded" },
};

const events: Readonly<Record<EventStatus, Look>> = {
  EXPANDING: { tone: "busy", icon: "clock", word: "Expanding" },
  EXPANDED: { tone: "good", icon: "check", word: "Expanded" },
  UNMATCHED: { tone: "calm", icon: "same", word: "Unmatched" },
  QUARANTINED: { tone: "bad", icon: "hand", word: "Quarantined" },
  NOTED: { tone: "calm", icon: "ledger", word: "Noted" },
};

const healths: Readonly<Record<Connector["health"], Look>> = {
  UP: { tone: "good", icon: "check", word: "Up" },
  DOWN: { tone: "bad", icon: "down", word: "Down" },
  PAUSED: { tone: "warn", icon: "pause", word: "Paused" },
};

const jobs: Readonly<Record<Job["status"], Look>> = {
  RUNNING: { tone: "busy", icon: "again", word: "Running" },
  DONE: { tone: "good", icon: "check", word: "Done" },
  FAILED: { tone: "bad", icon: "warn", word: "Failed" },
  CANCELLED: { tone: "calm", icon: "cross", word: "Cancelled" },
};

function Badge({ tone, icon, word }: Look) {
  return (
    <span class={`badge ${tone}`}>
      <Icon name={icon} />
      {word}
    </span>
  );
}

export const StatusBadge = ({ status }: { readonly status: Status }) => <Badge {...packets[status]} />;
export const EventBadge = ({ status }: { readonly status: EventStatus }) => <Badge {...events[status]} />;
export const HealthBadge = ({ health }: Pick<Connector, "health">) => <Badge {...healths[health]} />;
export const JobBadge = ({ status }: Pick<Job, "status">) => <Badge {...jobs[status]} />;
