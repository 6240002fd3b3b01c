import { beforeAll, describe, expect, it } from "vitest";
import { listConnectorFiles } from "../../connectors/protocols/load-connectors.ts";
import { deployable } from "../../infra/connector-config.ts";
import { readSettings } from "../../infra/settings.ts";
import { type Statement, type Synthesized, synthesize, text } from "./templates.ts";

const kmsKey = "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/1a2b3c";
const csv = { to: "s3://agency-drop/hms/rates", columns: ["dailyRate"], kmsKey };
const layout = { lines: { form: "fixed", detail: [{ field: "dailyRate", width: 9, number: {} }] } };
const soap = { endpoint: "https://hr.gov/soap", operation: "UpdateEmployee", parts: { employeeId: "$entity" } };
const flat = { to: "ftps://mainframe.agency.example/inbox", layout };

const names = (templates: Synthesized): string[] =>
  templates.of("AWS::Lambda::Function").map(({ Properties }) => Properties.FunctionName);

/** Returns the permissions of a function's role. */
function grantsOf(templates: Synthesized, name: string): Statement[] {
  const stack = templates.texts
    .map((template) => JSON.parse(template))
    .find((each) => text(each).includes(`"${name}"`));
  const resources = Object.values(stack.Resources) as { Type: string; Properties: Record<string, never> }[];
  const own = resources.find(({ Properties }) => Properties?.FunctionName === name) as never as {
    Properties: { Role: { "Fn::GetAtt": string[] } };
  };
  const [role] = own.Properties.Role["Fn::GetAtt"];
  return resources
    .filter(({ Type, Properties }) => Type === "AWS::IAM::Policy" && text(Properties.Roles).includes(`"${role}"`))
    .flatMap(({ Properties }) => (Properties.PolicyDocument as never as { Statement: Statement[] }).Statement);
}

describe("connector with required settings", () => {
  it("gets deployed only once it is configured", async () => {
    const files = await listConnectorFiles("connectors");
    const deployed = (connectors: object) =>
      deployable(
        files,
        readSettings((key) => (key === "connectors" ? connectors : undefined)),
      ).map(({ connector }) => connector.name);

    expect(deployed({})).toContain("PayrollConnector");
    expect(deployed({})).not.toContain("CsvDropConnector");
    expect(deployed({ CsvDropConnector: csv })).toContain("CsvDropConnector");
    expect(deployed({ "FtpFlatConnector@v1": flat })).toContain("FtpFlatConnector");
    const wsdl = "https://hr.gov/soap?wsdl";
    expect(deployed({ SoapUpdateConnector: { ...soap, wsdl } })).toContain("SoapUpdateConnector");
  });

  it.each([
    ["a local folder", { CsvDropConnector: { ...csv, to: "file:///srv/drop" } }, /to is a local folder/],
    [
      "a local folder to poll",
      { CsvDropConnector: { ...csv, pickUp: { from: "file:///out" } } },
      /pickUp\.from is a local folder/,
    ],
    [
      "a local WSDL file",
      { SoapUpdateConnector: { ...soap, wsdl: "examples/soap/legacy-hr.wsdl" } },
      /wsdl is a local file; on AWS, give an https: URL/,
    ],
    ["an incomplete configuration", { CsvDropConnector: { to: csv.to } }, /connectors\.CsvDropConnector\.columns/],
    [
      "more than fits a function's environment",
      { CsvDropConnector: { ...csv, columns: Array.from({ length: 400 }, (_, i) => `column-${i}`) } },
      /has \d+ bytes as JSON; the limit for a function's environment is 3072/,
    ],
  ])("fails the synthesis if configured with %s", async (_, connectors, fault) => {
    await expect(synthesize("us-east-1", { connectors })).rejects.toThrow(fault);
  });
});

describe("file connectors", () => {
  let templates: Synthesized;
  beforeAll(async () => {
    templates = await synthesize("us-gov-west-1", { connectors: { CsvDropConnector: csv, FtpFlatConnector: flat } });
  });

  it("every configured connector has a function", () => {
    expect(names(templates)).toEqual(
      expect.arrayContaining(["hms-bridge-CsvDropConnector-v1", "hms-bridge-FtpFlatConnector-v1"]),
    );
  });

  it("the CSV function may only put objects into its folder and use the folder's key", () => {
    const s3Grants = grantsOf(templates, "hms-bridge-CsvDropConnector-v1").filter((grant) =>
      /s3:|:key\/1a2b3c/.test(text(grant)),
    );

    const partition = { Ref: "AWS::Partition" };
    expect(s3Grants).toEqual([
      {
        Effect: "Allow",
        Action: "s3:PutObject",
        Resource: { "Fn::Join": ["", ["arn:", partition, ":s3:::agency-drop/hms/rates/*"]] },
      },
      { Effect: "Allow", Action: "kms:GenerateDataKey", Resource: kmsKey },
    ]);
  });

  it("no other function may write to the folder: probe, other connector or mapper", () => {
    const puts = templates.grants().filter((grant) => text(grant).includes("s3:PutObject"));
    const folders = puts.map(({ Resource }) => text(Resource)).filter((resource) => resource.includes("agency-drop"));

    expect(folders).toHaveLength(1);
    for (const name of ["CsvDropConnector-v1-probe", "FtpFlatConnector-v1", "PayrollConnector-v1", "mapper"]) {
      expect(text(grantsOf(templates, `hms-bridge-${name}`))).not.toContain("agency-drop");
    }
  });
});
