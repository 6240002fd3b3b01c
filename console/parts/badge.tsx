import type { Connector, EventStatus, Job, Status } from "../api-types.ts";
import { Icon, type IconName } from "./icon.tsx";

type Tone = "good" | "warn" | "bad" | "calm" | "busy";

interface BadgeStyle {
  readonly tone: Tone;
  readonly icon: IconName;
  readonly label: string;
}

const packetStyles: Readonly<Record<Status, BadgeStyle>> = {
  QUEUED: { tone: "busy", icon: "clock", label: "Queued" },
  RETRY: { tone: "warn", icon: "again", label: "Retry" },
  HELD: { tone: "bad", icon: "hand", label: "Held" },
  SENT: { tone: "good", icon: "check", label: "Sent" },
  UNCHANGED: { tone: "calm", icon: "same", label: "Unchanged" },
  SUPERSEDED: { tone: "calm", icon: "newer", label: "Superseded" },
  DISCARDED: { tone: "calm", icon: "cross", label: "Discarded" },
};

const eventStyles: Readonly<Record<EventStatus, BadgeStyle>> = {
  EXPANDING: { tone: "busy", icon: "clock", label: "Expanding" },
  EXPANDED: { tone: "good", icon: "check", label: "Expanded" },
  UNMATCHED: { tone: "calm", icon: "same", label: "Unmatched" },
  QUARANTINED: { tone: "bad", icon: "hand", label: "Quarantined" },
  NOTED: { tone: "calm", icon: "ledger", label: "Noted" },
};

const healthStyles: Readonly<Record<Connector["health"], BadgeStyle>> = {
  UP: { tone: "good", icon: "check", label: "Up" },
  DOWN: { tone: "bad", icon: "down", label: "Down" },
  PAUSED: { tone: "warn", icon: "pause", label: "Paused" },
};

const jobStyles: Readonly<Record<Job["status"], BadgeStyle>> = {
  RUNNING: { tone: "busy", icon: "again", label: "Running" },
  DONE: { tone: "good", icon: "check", label: "Done" },
  FAILED: { tone: "bad", icon: "warn", label: "Failed" },
  CANCELLED: { tone: "calm", icon: "cross", label: "Canceled" },
};

function Badge({ tone, icon, label }: BadgeStyle) {
  return (
    <span class={`badge ${tone}`}>
      <Icon name={icon} />
      {label}
    </span>
  );
}

export const StatusBadge = ({ status }: { readonly status: Status }) => <Badge {...packetStyles[status]} />;
export const EventBadge = ({ status }: { readonly status: EventStatus }) => <Badge {...eventStyles[status]} />;
export const HealthBadge = ({ health }: Pick<Connector, "health">) => <Badge {...healthStyles[health]} />;
export const JobBadge = ({ status }: Pick<Job, "status">) => <Badge {...jobStyles[status]} />;
