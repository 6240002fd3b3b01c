import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { healthOf } from "../bridge/delivery/circuit-breaker.ts";
import type { Engine } from "../bridge/engine.ts";
import { connectorId } from "../bridge/model/connector.ts";
import type { OpsContext } from "../ops/endpoint.ts";
import packageJson from "../package.json" with { type: "json" };
import { functionNameOf, probeNameOf } from "../platform/aws/names.ts";
import { createHandler } from "./create-handler.ts";
import { readMapperEnv } from "./env.ts";
import { createMapperEngine } from "./mapper-engine.ts";
import { opsHandler } from "./ops-handler.ts";
import { probeRequest } from "./probe-request.ts";

/** Serves the operator API. Invoked by its HTTP API. */
export const serve = createHandler(readMapperEnv, (env, log) =>
  createMapperEngine((engine) => opsHandler(opsOf(engine, env.DEPLOYMENT)))(env, log),
);

function opsOf(engine: Engine, deployment: string): OpsContext {
  const lambda = new LambdaClient();
  return {
    engine,
    host: "aws",
    version: packageJson.version,
    // Only the connector's own function may call its target and read its secret.
    async probe(connector) {
      const id = connectorId(connector);
      const FunctionName = functionNameOf(deployment, probeNameOf(id));
      const { FunctionError } = await lambda.send(
        new InvokeCommand({ FunctionName, Payload: JSON.stringify(probeRequest) }),
      );
      if (FunctionError) throw new Error(`the probe of ${id} failed; see its log`);
      return (await engine.store.read("health", [id]))[0]?.value ?? healthOf(engine.clock.now());
    },
  };
}
