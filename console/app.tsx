import { AppShell } from "./app-shell.tsx";
import { SignInScreen } from "./screens/sign-in.tsx";
import { isRejected, token } from "./session.ts";

/** Shows the sign-in screen until the session has an accepted token, then the app. */
export function App() {
  if (token.value === undefined || isRejected.value) return <SignInScreen />;
  return <AppShell />;
}
