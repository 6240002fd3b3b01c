import { Icon } from "../parts/icon.tsx";
import { linkTo } from "../route.ts";
import { BackfillForm } from "./backfill.tsx";
import { ReplayForm } from "./replay.tsx";

/** Form that starts a job, at `#/jobs/replay` or `#/jobs/backfill`. */
export function StartScreen({ id }: { readonly id: string }) {
  return (
    <>
      <a class="back" href={linkTo("jobs")}>
        <Icon name="back" /> Jobs
      </a>
      {id === "backfill" ? <BackfillForm /> : <ReplayForm />}
    </>
  );
}
