import { useState } from "preact/hooks";
import { refused, useToken, wasKnown } from "../session.ts";

/** Screen for a page whose token is missing or is not the bridge's. */
export function SignInScreen() {
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
          <strong>{wasKnown.value ? "The session has ended." : "The bridge does not know this token."}</strong>{" "}
          {wasKnown.value && "The bridge was started anew. "}Each start of it makes a new token.
        </p>
      ) : (
        <p>
          <strong>The token is missing.</strong> The page shows nothing without it.
        </p>
      )}
      <p>In the folder of the bridge, this prints the page's link with the token of the bridge that runs there:</p>
      <pre>npx bridge console</pre>
      <form onSubmit={submit}>
        <div class="labelled">
          <label for="token">Or paste the link, or its token: you stay where you are</label>
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
