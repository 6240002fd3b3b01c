import { useState } from "preact/hooks";
import { isRejected, setToken, wasAccepted } from "../session.ts";

/** Asks for the token if it is missing or the bridge rejects it. */
export function SignInScreen() {
  const [input, setInput] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    if (input.trim() !== "") setToken(input.trim());
  };
  return (
    <main class="sign-in">
      <img src="/favicon.svg" alt="" width="40" height="40" />
      <h1>Sync Dashboard</h1>
      {isRejected.value ? (
        <p role="alert">
          <strong>{wasAccepted.value ? "The session has ended." : "The bridge does not accept this token."}</strong>{" "}
          {wasAccepted.value && "The bridge was restarted. "}Each start of the bridge creates a new token.
        </p>
      ) : (
        <p>
          <strong>The token is missing.</strong> The page needs it to show data.
        </p>
      )}
      <p>To get a link with the current token, run this in the bridge's folder:</p>
      <pre>npx bridge console</pre>
      <form onSubmit={submit}>
        <div class="labeled">
          <label for="token">Or paste the link or its token to continue here</label>
          <input
            id="token"
            type="password"
            autocomplete="off"
            spellcheck={false}
            value={input}
            onInput={(event) => setInput(event.currentTarget.value)}
          />
        </div>
        <button type="submit" class="primary">
          Open
        </button>
      </form>
    </main>
  );
}
