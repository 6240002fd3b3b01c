/**
 * Stable codes for errors that a caller may act on.
 *
 * The API derives the problem type from the code, and the command line its exit code. Rewording a message therefore
 * changes neither.
 */
export type ErrorCode =
  /** The request is invalid. Repeating it unchanged fails again. */
  | "invalid-request"
  /** The compliance engine gave no usable ruling. Nothing was sent. */
  | "compliance-unavailable"
  /** The store currently accepts no reads or writes. */
  | "store-unavailable"
  /** A write's condition no longer holds, because another process wrote first. */
  | "write-conflict"
  /** A roster or snapshot file cannot be read, and a retry would not help. */
  | "file-unreadable"
  /** A remote folder refused a command, or the connection to it was lost. */
  | "folder-failed"
  /** An HTTP request got no complete answer. */
  | "http-failed"
  /** The time limit of a call has passed. */
  | "deadline-exceeded"
  /** An XML document is not well-formed or exceeds a limit. */
  | "invalid-xml"
  /** An expression of a sheet does not compile or has failed. */
  | "expression-failed"
  /** Mapping sheets were refused. The active sheets stay in use. */
  | "sheets-refused"
  /** The API answered with a problem. */
  | "api-problem"
  /** A packet that the caller waits for is held and needs an operator. */
  | "packet-held"
  /** An internal invariant of the bridge was violated. */
  | "invariant-broken";

/** Base class of all errors that the bridge throws itself. */
export class BridgeError extends Error {
  override readonly name: string = "BridgeError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * Reports that the caller's request is invalid. The message says what to change and contains no value of the request.
 */
export class InvalidRequestError extends BridgeError {
  override readonly name = "InvalidRequestError";

  constructor(message: string, options?: ErrorOptions) {
    super("invalid-request", message, options);
  }
}

/** Reports a bug in the bridge itself: a state that should be impossible. */
export class InvariantError extends BridgeError {
  override readonly name = "InvariantError";

  constructor(message: string, options?: ErrorOptions) {
    super("invariant-broken", `${message}; this is a bug in the bridge`, options);
  }
}
