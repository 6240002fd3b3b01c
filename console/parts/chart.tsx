import { useEffect, useRef } from "preact/hooks";
import type { Connector } from "../api-types.ts";
import { clockTime, formatCount, formatDuration } from "../format.ts";
import { isSystemDark, theme } from "../session.ts";
import type { Plot } from "./plot-options.ts";

/**
 * A connector's lag over the last hour against its consistency window, as a chart and as a table.
 *
 * The scale is logarithmic so that a few milliseconds and a one-minute window fit on one chart.
 */
export function LagChart({ connector, now }: { readonly connector: Connector; readonly now: number }) {
  const container = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot>(undefined);
  const latest = useRef({ connector, now });
  latest.current = { connector, now };

  // The line colors depend on the theme.
  useEffect(() => {
    let unmounted = false;
    // Loaded on demand: it is most of the page's code, and no other screen needs it.
    void import("./plot-options.ts").then(({ plotIn }) => {
      if (unmounted || !container.current) return;
      plot.current = plotIn(container.current);
      plot.current.show(latest.current.connector, latest.current.now);
    });
    return () => {
      unmounted = true;
      plot.current?.remove();
      plot.current = undefined;
    };
  }, [theme.value, isSystemDark.value]);

  useEffect(() => plot.current?.show(connector, now), [connector, now]);

  return (
    <figure class="lag">
      <figcaption>
        <span class="key p50">median</span>
        <span class="key p95">95th percentile</span>
        <span class="key window">window: {formatDuration(connector.windowMs)}</span>
      </figcaption>
      <div class="plot" ref={container} aria-hidden="true" />
      <LagTable connector={connector} />
    </figure>
  );
}

function LagTable({ connector: { id, lagByMinute } }: { readonly connector: Connector }) {
  return (
    <details>
      <summary>Show as a table</summary>
      {lagByMinute.length === 0 ? (
        <p>No packets were delivered in the last hour.</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: keyboard users need the focus to scroll it
        <section class="scroll" aria-label={`Lag of ${id} per minute`} tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">Minute</th>
                <th scope="col" class="number">
                  Delivered
                </th>
                <th scope="col" class="number">
                  Median
                </th>
                <th scope="col" class="number">
                  95th percentile
                </th>
                <th scope="col" class="number">
                  Maximum
                </th>
              </tr>
            </thead>
            <tbody>
              {lagByMinute.map(({ at, count: delivered, p50, p95, max }) => (
                <tr key={at}>
                  <td>{clockTime(Date.parse(at))}</td>
                  <td class="number">{formatCount(delivered)}</td>
                  <td class="number">{formatDuration(p50)}</td>
                  <td class="number">{formatDuration(p95)}</td>
                  <td class="number">{formatDuration(max)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </details>
  );
}
