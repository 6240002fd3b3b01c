import { soapConnector } from "./protocols/soap/connector.ts";

/**
 * Connector to an operation of a SOAP service that can safely be called again, because it sets values or recognizes the
 * packet's id.
 */
export const connector = soapConnector({ name: "SoapUpdateConnector", idempotent: true });
