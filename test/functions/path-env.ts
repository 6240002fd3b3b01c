/** Returns the environment of a function of the path, as the CDK constructs write it. */
export function aPathEnv(): Record<string, string> {
  return {
    DEPLOYMENT: "hms-bridge",
    PACKETS_TABLE: "packets",
    LEDGER_TABLE: "ledger",
    BRIDGE_KEY: "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:key-abcdef",
    QUEUES_URL: "https://sqs.us-gov-west-1.amazonaws.com/123456789012/",
    QUEUES_ARN: "arn:aws-us-gov:sqs:us-gov-west-1:123456789012:",
    BUS: "arn:aws-us-gov:events:us-gov-west-1:123456789012:event-bus/hms-bridge",
    LOG_LEVEL: "INFO",
  };
}
