// Required by the dependency injection of @peculiar/x509, before its own import.
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const day = 86_400_000;

/** A certificate and its key, in PEM. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority for one test. */
export interface Authority {
  /** The authority's certificate, in PEM. */
  readonly ca: string;
  /** Issues a certificate for a server on loopback. */
  server(): Promise<Pair>;
  client(name: string): Promise<Pair>;
}

export async function authority(name = "test authority"): Promise<Authority> {
  const keys = await makeKeys();
  const root = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    notBefore: new Date(Date.now() - day),
    notAfter: new Date(Date.now() + day),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });
  const issue = async (subject: string, usage: ExtendedKeyUsage, names: readonly string[]): Promise<Pair> => {
    const own = await makeKeys();
    const certificate = await X509CertificateGenerator.create({
      subject: `CN=${subject}`,
      issuer: root.subject,
      notBefore: new Date(Date.now() - day),
      notAfter: new Date(Date.now() + day),
      signingAlgorithm: algorithm,
      signingKey: keys.privateKey,
      publicKey: own.publicKey,
      extensions: [
        new ExtendedKeyUsageExtension([usage]),
        await AuthorityKeyIdentifierExtension.create(keys.publicKey),
        ...(names.length > 0
          ? [new SubjectAlternativeNameExtension(names.map((value) => ({ type: "ip", value })))]
          : []),
      ],
    });
    return { cert: pem(certificate), key: await keyPem(own) };
  };
  return {
    ca: pem(root),
    server: () => issue("target", ExtendedKeyUsage.serverAuth, ["127.0.0.1"]),
    client: (subject) => issue(subject, ExtendedKeyUsage.clientAuth, []),
  };
}

/**
 * Creates a self-signed certificate.
 *
 * @param name host name or address
 * @param days days until it expires; negative if it has expired
 */
export async function selfSigned(name: string, days = 2): Promise<Pair> {
  const keys = await makeKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    notBefore: new Date(Date.now() - 30 * day),
    notAfter: new Date(Date.now() + days * day),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new BasicConstraintsExtension(true),
      // A process that trusts two certificates with the same name tells them apart by their key identifiers.
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
      await AuthorityKeyIdentifierExtension.create(keys.publicKey),
      new SubjectAlternativeNameExtension([{ type: /^[\d.]+$/.test(name) ? "ip" : "dns", value: name }]),
    ],
  });
  return { cert: pem(certificate), key: await keyPem(keys) };
}

async function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return (await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"])) as webcrypto.CryptoKeyPair;
}

function pem(certificate: X509Certificate): string {
  return certificate.toString("pem");
}

async function keyPem({ privateKey }: webcrypto.CryptoKeyPair): Promise<string> {
  return PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", privateKey), "PRIVATE KEY");
}
