import { App } from "aws-cdk-lib";
import { addBridge } from "./bridge.ts";

const { CDK_DEFAULT_ACCOUNT: account, CDK_DEFAULT_REGION: region } = process.env;

const app = new App();
await addBridge(app, account && region ? { account, region } : undefined);
app.synth();
