import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import type { Pair } from "./certificates.ts";
import { freePort } from "./ftp-server.ts";
import { home } from "./home.ts";

/** Paths of the server programs on Debian. They are not in every user's `PATH`. */
const programs = { sshd: "/usr/sbin/sshd", vsftpd: "/usr/sbin/vsftpd" } as const;
const packages = { sshd: "openssh-server", vsftpd: "vsftpd" } as const;

export type Program = keyof typeof programs;

/** Returns the reason why a server cannot run on this machine and what to do, or `undefined` if it can. */
export function missing(program: Program): string | undefined {
  if (!existsSync(programs[program])) return `no ${program} here; apt-get install ${packages[program]}`;
  return program === "vsftpd" && userInfo().uid !== 0 ? "vsftpd needs root; run the tests as root" : undefined;
}

export interface SshServer extends AsyncDisposable {
  readonly port: number;
  readonly hostKey: string;
  readonly username: string;
  /** The user's private key. */
  readonly privateKey: string;
}

/** Starts OpenSSH on loopback with a new host key. It runs as the current user, who is also the one that logs in. */
export async function sshServer(): Promise<SshServer> {
  const folder = home();
  const file = (name: string) => join(folder.path, name);
  for (const name of ["host", "user"]) execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file(name)]);
  const [, hostKey = ""] = execFileSync("ssh-keygen", ["-lf", file("host.pub")], { encoding: "utf8" }).split(" ");
  const port = await freePort();
  // If root runs sshd, it requires its privilege separation folder.
  if (userInfo().uid === 0) mkdirSync("/run/sshd", { recursive: true });
  folder.write(
    "sshd_config",
    [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey ${file("host")}`,
      `AuthorizedKeysFile ${file("user.pub")}`,
      `PidFile ${file("pid")}`,
      "PermitRootLogin yes",
      "PasswordAuthentication no",
      "StrictModes no",
      "UsePAM no",
      "Subsystem sftp internal-sftp",
    ].join("\n"),
  );
  const server = spawn(programs.sshd, ["-D", "-e", "-f", file("sshd_config")], { stdio: "ignore" });
  await waitUntilListening(port, server);
  return {
    port,
    hostKey,
    username: userInfo().username,
    privateKey: readFileSync(file("user"), "utf8"),
    [Symbol.asyncDispose]: () => stop(server, folder),
  };
}

/** Starts vsftpd on loopback, which serves the subfolders of `root` to `anonymous` with any password. Requires root. */
export async function vsftpServer(root: string, certificate: Pair): Promise<AsyncDisposable & { port: number }> {
  const folder = home();
  const port = await freePort();
  folder.write("cert.pem", certificate.cert);
  folder.write("key.pem", certificate.key);
  mkdirSync(join(folder.path, "empty"));
  // vsftpd refuses a writable root, and serves files as a user other than root.
  chmodSync(root, 0o755);
  for (const name of readdirSync(root)) chmodSync(join(root, name), 0o777);
  const settings = {
    listen: "YES",
    listen_address: "127.0.0.1",
    listen_port: port,
    background: "NO",
    anonymous_enable: "YES",
    no_anon_password: "YES",
    anon_root: root,
    anon_upload_enable: "YES",
    anon_other_write_enable: "YES",
    anon_world_readable_only: "NO",
    anon_umask: "022",
    write_enable: "YES",
    nopriv_user: "nobody",
    secure_chroot_dir: join(folder.path, "empty"),
    seccomp_sandbox: "NO",
    isolate: "NO",
    isolate_network: "NO",
    ssl_enable: "YES",
    allow_anon_ssl: "YES",
    force_anon_logins_ssl: "YES",
    force_anon_data_ssl: "YES",
    require_ssl_reuse: "YES",
    rsa_cert_file: join(folder.path, "cert.pem"),
    rsa_private_key_file: join(folder.path, "key.pem"),
    ssl_ciphers: "HIGH",
  };
  const file = join(folder.path, "vsftpd.conf");
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  writeFileSync(file, `${lines.join("\n")}\n`, { mode: 0o600 });
  const server = spawn(programs.vsftpd, [file], { stdio: "ignore" });
  await waitUntilListening(port, server);
  return { port, [Symbol.asyncDispose]: () => stop(server, folder) };
}

async function waitUntilListening(port: number, server: ChildProcess): Promise<void> {
  for (const until = Date.now() + 10_000; Date.now() < until; ) {
    if (server.exitCode !== null) break;
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = net.connect({ port, host: "127.0.0.1" }, () => resolve(true)).on("error", () => resolve(false));
      socket.on("connect", () => socket.destroy());
    });
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${server.spawnfile} does not listen on port ${port}. Exit code: ${server.exitCode}`);
}

async function stop(server: ChildProcess, folder: Disposable): Promise<void> {
  const exited = new Promise((resolve) => server.once("exit", resolve));
  if (server.exitCode === null) {
    server.kill();
    await exited;
  }
  folder[Symbol.dispose]();
}
