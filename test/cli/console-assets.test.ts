import { describe, expect, it } from "vitest";
import { buildPage, pageFile } from "../../cli/console-assets.ts";

describe("the Sync Dashboard's files", () => {
  it("builds the page on demand, with at most 120 KiB of script before the chart's", async () => {
    await buildPage();

    const [html, script, style] = await Promise.all(["/", "/main.js", "/main.css"].map(pageFile));

    expect(html?.type).toBe("text/html; charset=utf-8");
    expect(script?.type).toBe("text/javascript; charset=utf-8");
    expect(script?.body.byteLength).toBeLessThan(120 * 1_024);
    expect(style?.body.byteLength).toBeLessThan(40 * 1_024);
  });

  it("contains no inline script or style and no external URL, as the security policy requires", async () => {
    const text = new TextDecoder().decode((await pageFile("/"))?.body);

    expect(text).not.toMatch(/<style|\s(style|on\w+)=|https?:/);
    expect(text.match(/<script[^>]*>[^<]/g)).toBeNull();
  });

  it.each(["/../package.json", "/dist/main.js", "/main.tsx", "/api.json", "//etc/passwd", "/constructor"])(
    "serves no other file: %s",
    async (path) => {
      expect(await pageFile(path)).toBeUndefined();
    },
  );
});
