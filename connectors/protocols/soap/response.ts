import type { QualifiedTag } from "sax";
import { BridgeError } from "../../../bridge/values/bridge-error.ts";

/** Parsed response of a SOAP service. A successful response is not read any further. */
export type SoapResponse =
  | { readonly kind: "success" }
  /** Codes without their prefixes, from the general to the specific. The text is the service's own. */
  | { readonly kind: "fault"; readonly codes: readonly string[]; readonly text: string }
  /** The reason is a predicate whose subject is the response: `is not well-formed XML`. */
  | { readonly kind: "unreadable"; readonly reason: string };

const envelopeNamespaces = ["http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"];

/** Maximum nesting depth, far beyond that of real responses and WSDLs. */
const maxDepth = 100;

/** Maximum length of a document. It is the size limit of the HTTP client, too. */
const maxCharacters = 1_048_576;

/** Thrown if a text cannot be parsed as XML. The message is a predicate: `is not well-formed XML`. */
export class XmlError extends BridgeError {
  override readonly name = "XmlError";

  constructor(message: string) {
    super("invalid-xml", message);
  }
}

interface Handlers {
  /** @param name without its prefix */
  onopentag(name: string, namespace: string): void;
  onclosetag(): void;
  ontext(text: string): void;
}

/**
 * Parses XML and stops at the first error.
 *
 * Document types are rejected: they can define entities that expand without limit or read files, and SOAP forbids them
 * (SOAP 1.1, 3; SOAP 1.2, 5).
 *
 * @throws {XmlError} if the text is not well-formed, declares a document type, or exceeds a limit
 */
export async function parseXml(xml: string, { onopentag, onclosetag, ontext }: Partial<Handlers> = {}): Promise<void> {
  if (xml.length > maxCharacters) throw new XmlError(`has more than ${maxCharacters} characters`);
  if (/<!\s*(DOCTYPE|ENTITY)/i.test(xml)) throw new XmlError("declares a document type, which is not allowed");
  const { default: sax } = await import("sax");
  const parser = sax.parser(true, { xmlns: true });
  let depth = 0;
  let roots = 0;
  // Throwing stops the parser. Otherwise it would continue and report an error for every character.
  parser.onerror = () => {
    throw new XmlError("is not well-formed XML");
  };
  parser.onopentag = (tag) => {
    // The parser accepts more than one root element.
    if (depth === 0 && ++roots > 1) throw new XmlError("is not well-formed XML");
    if (++depth > maxDepth) throw new XmlError(`is nested deeper than ${maxDepth} elements`);
    const { local, uri } = tag as QualifiedTag;
    onopentag?.(local, uri);
  };
  parser.onclosetag = () => {
    depth--;
    onclosetag?.();
  };
  parser.ontext = (text) => ontext?.(text);
  parser.oncdata = (text) => ontext?.(text);
  parser.write(xml).close();
}

/** Parses a SOAP envelope to find out whether the call succeeded or failed with a fault. */
export async function parseResponse(xml: string): Promise<SoapResponse> {
  const path: string[] = [];
  const codes: string[] = [];
  let faultText = "";
  let text = "";
  let isEnvelope = false;
  let isFault = false;
  let hasBody = false;
  try {
    await parseXml(xml, {
      onopentag(name, namespace) {
        const isSoap = envelopeNamespaces.includes(namespace);
        if (path.length === 0) isEnvelope = name === "Envelope" && isSoap;
        path.push(name);
        if (path.length === 2 && name === "Body") hasBody = true;
        if (path.length === 3 && path[1] === "Body" && name === "Fault" && isSoap) isFault = true;
        text = "";
      },
      ontext(more) {
        if (isFault) text += more;
      },
      onclosetag() {
        const place = path.slice(3).join("/");
        // SOAP 1.1 may append a specific code after a dot: Client.Authentication.
        if (isFault && /^(faultcode|Code\/(Subcode\/)*Value)$/.test(place)) {
          codes.push(...text.trim().replace(/^.*:/, "").split("."));
        }
        if (isFault && /^(faultstring|Reason\/Text)$/.test(place)) faultText = text.trim();
        text = "";
        path.pop();
      },
    });
  } catch (error) {
    if (error instanceof XmlError) return { kind: "unreadable", reason: error.message };
    throw error;
  }
  if (!isEnvelope || !hasBody) return { kind: "unreadable", reason: "is not a SOAP envelope" };
  return isFault ? { kind: "fault", codes, text: faultText } : { kind: "success" };
}
