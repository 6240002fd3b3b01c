import uPlot from "uplot";
import type { Connector } from "../api-types.ts";
import { clockTime } from "../format.ts";

const minuteSeconds = 60;
const hourMinutes = 60;
const heightPx = 220;

/** A plot of a connector's lag on a canvas. */
export interface Plot {
  show(connector: Connector, now: number): void;
  remove(): void;
}

/** Creates a plot that fills an element's width. The colors are those of the style sheet at the time of the call. */
export function plotIn(container: HTMLElement): Plot {
  const plot = new uPlot(optionsFor(container), [[], [], [], []], container);
  const resizeObserver = new ResizeObserver(() => plot.setSize({ width: container.clientWidth, height: heightPx }));
  resizeObserver.observe(container);
  return {
    show: (connector, now) => plot.setData(dataOf(connector, now)),
    remove() {
      resizeObserver.disconnect();
      plot.destroy();
    },
  };
}

/** Returns one point for each minute of the last hour. A minute without a delivery is a gap. */
function dataOf({ lagByMinute, windowMs }: Connector, now: number): uPlot.AlignedData {
  const byMinute = new Map(lagByMinute.map((lag) => [Math.floor(Date.parse(lag.at) / 60_000), lag]));
  const currentMinute = Math.floor(now / 60_000);
  const minutes = Array.from({ length: hourMinutes }, (_, i) => currentMinute - hourMinutes + 1 + i);
  // 0 has no place on a logarithmic scale.
  const value = (ms: number | undefined) => (ms === undefined ? null : Math.max(1, ms));
  return [
    minutes.map((minute) => minute * minuteSeconds),
    minutes.map((minute) => value(byMinute.get(minute)?.p50)),
    minutes.map((minute) => value(byMinute.get(minute)?.p95)),
    minutes.map(() => windowMs),
  ];
}

function optionsFor(container: HTMLElement): uPlot.Options {
  const style = getComputedStyle(container);
  const color = (name: string) => {
    const probe = document.createElement("span");
    probe.className = `key ${name}`;
    container.append(probe);
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  };
  const axis = { stroke: style.color, font: `12px ${style.fontFamily}`, ticks: { show: false }, gap: 8 };
  const grid = { stroke: color("grid"), width: 1 };
  const line = (name: string) => ({
    stroke: color(name),
    width: 2,
    spanGaps: true,
    points: { show: true, size: 5, fill: color(name) },
  });
  return {
    width: container.clientWidth,
    height: heightPx,
    legend: { show: false },
    cursor: { show: false },
    padding: [12, 24, 0, 0],
    scales: {
      x: { time: true },
      y: { distr: 3, log: 10, range: (_plot, _min, max) => [1, Math.max(100_000, 2 * max)] },
    },
    axes: [
      {
        ...axis,
        size: 28,
        grid: { show: false },
        values: (_, times) => times.map((seconds) => clockTime(seconds * 1_000).slice(0, 5)),
      },
      {
        ...axis,
        grid,
        size: 64,
        splits: (_plot, _axis, _min, max) => [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000].filter((ms) => ms <= max),
        values: (_, values) => values.map((ms) => (ms >= 1_000 ? `${ms / 1_000} s` : `${ms} ms`)),
      },
    ],
    series: [
      {},
      line("p50"),
      line("p95"),
      { stroke: color("window"), width: 1.5, dash: [6, 4], points: { show: false } },
    ],
  };
}
