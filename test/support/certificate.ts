import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { home } from "./home.ts";

/** A key and a self-signed certificate for some names, in PEM. @param names as `IP:127.0.0.1` */
export function aCertificate(names: string): { key: string; cert: string } {
  using folder = home();
  const [key, cert] = [join(folder.path, "key.pem"), join(folder.path, "cert.pem")];
  const made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const subject = ["-subj", "/CN=test", "-addext", `subjectAltName=${names}`];
  execFileSync("openssl", [...made, ...subject, "-keyout", key, "-out", cert], { stdio: "pipe" });
  return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
}
