import { App } from "aws-cdk-lib";
import { enforceNist } from "./cdk-nag.ts";
import { addBridge } from "./stacks.ts";

const { CDK_DEFAULT_ACCOUNT: account, CDK_DEFAULT_REGION: region } = process.env;

const app = new App();
await addBridge(app, account && region ? { account, region } : undefined);
enforceNist(app);
app.synth();
