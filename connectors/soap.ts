import { soapConnector } from "./protocols/soap/connector.ts";

/**
 * An operation of a SOAP service that must not be called twice for one change, as far as anybody knows: a call whose
 * answer did not come is held.
 */
export const connector = soapConnector({ name: "SoapConnector", idempotent: false });
