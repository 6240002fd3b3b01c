const unknownAuthority = "the server's certificate is from an unknown authority";

const texts: Readonly<Record<string, string>> = {
  ABORT_ERR: "the attempt ran out of time",
  ECONNREFUSED: "the connection was refused",
  ECONNRESET: "the connection was reset",
  EPIPE: "the connection was closed",
  UND_ERR_SOCKET: "the connection was closed",
  ENOTFOUND: "the host name does not exist",
  EAI_AGAIN: "the host name could not be resolved",
  EHOSTUNREACH: "the host is unreachable",
  ENETUNREACH: "the network is unreachable",
  ETIMEDOUT: "the connection timed out",
  CERT_HAS_EXPIRED: "the server's certificate has expired",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the server's certificate is self-signed",
  SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  ERR_TLS_CERT_ALTNAME_INVALID: "the server's certificate is for another host",
};

/** Describes a connection error by its code. The text contains nothing that was sent over the connection. */
export function connectionErrorText(error: Error): string {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  return texts[code] ?? `the connection failed${code && ` (${code})`}`;
}
