// Types for undici's agent module, which is imported alone because loading all of undici takes three times as long.
declare module "undici/lib/dispatcher/agent.js" {
  import { Agent } from "undici";
  export = Agent;
}
