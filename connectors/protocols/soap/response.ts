import type { QualifiedTag } from "sax";
import { BridgeError } from "../../../bridge/values/bridge-error.ts";

/** What a service said. */
export type SoapAnswer =
  | { readonly kind: "answer" }
  /** Codes without their prefixes, from the general to the special; the text is the service's own. */
  | { readonly kind: "fault"; readonly codes: readonly string[]; readonly text: string }
  | { readonly kind: "unreadable"; readonly why: string };

const envelopes = ["http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"];

/** No service nests its answers, or its WSDL, this deep. */
const deepest = 100;

/** As much as http.ts reads of an answer. */
const mostCharacters = 1_048_576;

/** Why a text is not read as XML. */
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
 * Reads XML, and gives up at its first fault.
 *
 * A document type is none of what is read: it could define entities that grow without bounds or bring in files, and SOAP
 * forbids it (SOAP 1.1, 3; SOAP 1.2, 5).
 *
 * @throws {XmlError}
 */
export async function readXml(xml: string, { onopentag, onclosetag, ontext }: Partial<Handlers> = {}): Promise<void> {
  if (xml.length > mostCharacters) throw new XmlError(`has more than ${mostCharacters} characters`);
  if (/<!\s*(DOCTYPE|ENTITY)/i.test(xml)) throw new XmlError("declares a document type, which is not read");
  const { default: sax } = await import("sax");
  const parser = sax.parser(true, { xmlns: true });
  let depth = 0;
  let roots = 0;
  // Thrown from here, it ends the reading: the parser itself would go on, and make an error of every character.
  parser.onerror = () => {
    throw new XmlError("is no well-formed XML");
  };
  parser.onopentag = (tag) => {
    // The parser lets a second root pass.
    if (depth === 0 && ++roots > 1) throw new XmlError("is no well-formed XML");
    if (++depth > deepest) throw new XmlError(`is nested deeper than ${deepest} elements`);
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

/** Reads whether an envelope holds an answer or a fault; of an answer nothing more is wanted. */
export async function readAnswer(xml: string): Promise<SoapAnswer> {
  const path: string[] = [];
  const codes: string[] = [];
  let said = "";
  let text = "";
  let isEnvelope = false;
  let isFault = false;
  let hasBody = false;
  try {
    await readXml(xml, {
      onopentag(name, namespace) {
        const isSoaps = envelopes.includes(namespace);
        if (path.length === 0) isEnvelope = name === "Envelope" && isSoaps;
        path.push(name);
        if (path.length === 2 && name === "Body") hasBody = true;
        if (path.length === 3 && path[1] === "Body" && name === "Fault" && isSoaps) isFault = true;
        text = "";
      },
      ontext(more) {
        if (isFault) text += more;
      },
      onclosetag() {
        const place = path.slice(3).join("/");
        // SOAP 1.1 may put the special behind a dot: Client.Authentication.
        if (isFault && /^(faultcode|Code\/(Subcode\/)*Value)$/.test(place)) {
          codes.push(...text.trim().replace(/^.*:/, "").split("."));
        }
        if (isFault && /^(faultstring|Reason\/Text)$/.test(place)) said = text.trim();
        text = "";
        path.pop();
      },
    });
  } catch (error) {
    if (error instanceof XmlError) return { kind: "unreadable", why: error.message };
    throw error;
  }
  if (!isEnvelope || !hasBody) return { kind: "unreadable", why: "is no SOAP envelope" };
  return isFault ? { kind: "fault", codes, text: said } : { kind: "answer" };
}
