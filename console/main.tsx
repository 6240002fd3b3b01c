import "uplot/dist/uPlot.min.css";
import "./style.css";
import { render } from "preact";
import { App } from "./app.tsx";
import { handleKeys } from "./keyboard.ts";
import { applyTheme, theme } from "./session.ts";

applyTheme(theme.value);
handleKeys();
render(<App />, document.getElementById("page") as HTMLElement);
