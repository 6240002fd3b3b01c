import "uplot/dist/uPlot.min.css";
import "./style.css";
import { render } from "preact";
import { App } from "./app.tsx";
import { listenToKeys } from "./keyboard.ts";
import { showTheme, theme } from "./session.ts";

showTheme(theme.value);
listenToKeys();
render(<App />, document.getElementById("page") as HTMLElement);
