import { App } from "aws-cdk-lib";
import { addBridge } from "./bridge.ts";
import { holdToNist } from "./nag.ts";

const { CDK_DEFAULT_ACCOUNT: account, CDK_DEFAULT_REGION: region } = process.env;

const app = new App();
await addBridge(app, account && region ? { account, region } : undefined);
holdToNist(app);
app.synth();
