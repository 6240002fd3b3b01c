import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { home } from "./home.ts";

/** A certificate that signs itself, and its key, in PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/**
 * @param host the name or address it is for
 * @param days how long it holds from now on; below zero, it has expired
 */
export function certificateFor(host: string, days = 2): Certificate {
  using folder = home();
  const [key, cert] = [join(folder.path, "key.pem"), join(folder.path, "cert.pem")];
  const subject = /^[\d.]+$/.test(host) ? `IP:${host}` : `DNS:${host}`;
  const run = (...options: string[]) => execFileSync("openssl", options, { stdio: "pipe" });
  const form = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  run(
    "req",
    "-x509",
    ...form,
    "-subj",
    `/CN=${host}`,
    "-addext",
    `subjectAltName=${subject}`,
    "-keyout",
    key,
    "-out",
    cert,
  );
  if (days >= 0) return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
  // Made anew from itself: only this command takes a time that is over.
  const old = join(folder.path, "old.pem");
  run("x509", "-in", cert, "-signkey", key, "-days", String(days), "-out", old);
  return { cert: readFileSync(old, "utf8"), key: readFileSync(key, "utf8") };
}
