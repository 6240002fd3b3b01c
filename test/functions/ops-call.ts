/** Builds the event of an HTTP API request. Source: Amazon API Gateway, payload format 2.0 and IAM authorization. */
export function aCall(
  method: "GET" | "POST",
  rawPath: string,
  given: { arn?: string; query?: string; body?: unknown; headers?: Record<string, string> },
) {
  const { arn, query = "", body, headers = {} } = given;
  const iam = { accessKey: "ASIA", accountId: "123456789012", callerId: "AIDA", userId: "AIDA", userArn: arn };
  return {
    version: "2.0",
    routeKey: `${method} /api/{proxy+}`,
    rawPath,
    rawQueryString: query,
    headers: {
      host: "x.execute-api.us-gov-west-1.amazonaws.com",
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
    requestContext: {
      accountId: "123456789012",
      apiId: "x",
      domainName: "x.execute-api.us-gov-west-1.amazonaws.com",
      http: { method, path: rawPath, protocol: "HTTP/1.1", sourceIp: "192.0.2.1", userAgent: "test" },
      requestId: "r",
      routeKey: `${method} /api/{proxy+}`,
      stage: "$default",
      ...(arn !== undefined && { authorizer: { iam } }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    isBase64Encoded: false,
  };
}
