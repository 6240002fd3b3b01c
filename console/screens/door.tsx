import { useState } from "preact/hooks";
import { refused, useToken } from "../session.ts";

/** Where the page's token is missing or not the bridge's. */
export function DoorScreen() {
  const [given, setGiven] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    if (given.trim() !== "") useToken(given.trim());
  };
  return (
    <main class="door">
      <img src="/favicon.svg" alt="" width="40" height="40" />
      <h1>Sync Dashboard</h1>
      {refused.value ? (
        <p role="alert">
          <strong>The bridge does not know this token.</strong> Each start of the bridge makes a new one.
        </p>
      ) : (
        <p>
          <strong>The token is missing.</strong> The page shows nothing without it.
        </p>
      )}
      <p>In the folder of the bridge, this opens the page with the token of the bridge that runs there:</p>
      <pre>npx bridge console</pre>
      <form onSubmit={submit}>
        <div class="labelled">
          <label for="token">Or paste the token</label>
          <input
            id="token"
            type="password"
            autocomplete="off"
            spellcheck={false}
            value={given}
            onInput={(event) => setGiven(event.currentTarget.value)}
          />
        </div>
        <button type="submit" class="primary">
          Open
        </button>
      </form>
    </main>
  );
}
