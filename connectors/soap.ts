import { soapConnector } from "./protocols/soap/connector.ts";

/**
 * Connector to an operation of a SOAP service that may have a second effect if it is called twice for one change. A
 * packet whose call got no response is held.
 */
export const connector = soapConnector({ name: "SoapConnector", idempotent: false });
