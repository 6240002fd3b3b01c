import { useEffect, useRef } from "preact/hooks";
import type { Connector } from "../api-types.ts";
import { clockTime, count, span } from "../format.ts";
import { dark, theme } from "../session.ts";
import type { Plot } from "./plot-options.ts";

/**
 * A connector's lag in the last hour against its consistency window, and the same as a table.
 *
 * The scale is logarithmic: some ms and a window of a minute are to be seen on one picture.
 */
export function LagChart({ connector, now }: { readonly connector: Connector; readonly now: number }) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot>(undefined);
  const latest = useRef({ connector, now });
  latest.current = { connector, now };
  const { windowMs, lagByMinute } = connector;

  // In another theme the lines have other colours.
  useEffect(() => {
    let gone = false;
    // Most of the page's code by size, and no other screen needs it.
    void import("./plot-options.ts").then(({ plotIn }) => {
      if (gone || !place.current) return;
      plot.current = plotIn(place.current);
      plot.current.show(latest.current.connector, latest.current.now);
    });
    return () => {
      gone = true;
      plot.current?.remove();
      plot.current = undefined;
    };
  }, [theme.value, dark.value]);

  useEffect(() => plot.current?.show(connector, now), [connector, now]);

  return (
    <figure class="lag">
      <figcaption>
        <span class="key p50">median</span>
        <span class="key p95">95th percentile</span>
        <span class="key window">window, {span(windowMs)}</span>
      </figcaption>
      <div class="plot" ref={place} aria-hidden="true" />
      <details>
        <summary>As a table</summary>
        {lagByMinute.length === 0 ? (
          <p>Nothing was delivered in the last hour.</p>
        ) : (
          // biome-ignore lint/a11y/noNoninteractiveTabindex: without a mouse it is scrolled by keys, and so must have the focus
          <section class="scroll" aria-label={`Lag of ${connector.id} by minute`} tabIndex={0}>
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
                    Longest
                  </th>
                </tr>
              </thead>
              <tbody>
                {lagByMinute.map(({ at, count: delivered, p50, p95, max }) => (
                  <tr key={at}>
                    <td>{clockTime(Date.parse(at))}</td>
                    <td class="number">{count(delivered)}</td>
                    <td class="number">{span(p50)}</td>
                    <td class="number">{span(p95)}</td>
                    <td class="number">{span(max)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </section>
        )}
      </details>
    </figure>
  );
}
