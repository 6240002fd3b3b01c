import { render } from "preact";
import { App } from "./app.tsx";
import "uplot/dist/uPlot.min.css";
import "./style.css";
import { listenToKeys } from "./keys.ts";
import { showTheme, theme } from "./session.ts";

showTheme(theme.value);
listenToKeys();
render(<App />, document.getElementById("page") as HTMLElement);
