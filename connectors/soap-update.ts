import { soapConnector } from "./protocols/soap/connector.ts";

/**
 * An operation of a SOAP service that may be called again: it sets values, which a second call sets once more to the
 * same, or it knows the packet's id again.
 */
export const connector = soapConnector({ name: "SoapUpdateConnector", idempotent: true });
