/** The sheets of an office with some life in it: rates, telework policies, duty stations and a roster. */
export const officeSheets: Readonly<Record<string, string>> = {
  "per_diem.yaml": `# The daily rate goes to payroll, and on the map.
source_event: policy.per_diem.updated
targets:
  payroll:
    connector: PayrollConnector
    map:
      new_rate: dailyRate
      city: locality
  gis:
    connector: GISTableConnector
    map:
      new_rate: perDiemUSD
      city: label
`,
  "telework.yaml": `# Approved telework policies go to the HR service.
source_event: [PolicyApproved, PolicyAmended]
when: data.category = "Telework"
key: data.id
targets:
  hr:
    connector: WorkForceNow
    map:
      teleworkHours: flex_time
      effectiveDate: { to: policy_start, with: "$substring($, 0, 10)" }
      contact: { to: contact }
`,
  "duty_station.yaml": `source_event: station.updated
key: data.station
targets:
  gis:
    connector: GISTableConnector
    map:
      name: label
      region: region
      open: isOpen
`,
  "roster.yaml": `# One packet an employee.
source_event: roster.published
targets:
  hr:
    connector: WorkForceNow
    for_each: data.employees
    key: employeeNo
    map:
      grade: pay_grade
      station: duty_station
`,
};

/** What may leave, in the same office. */
export const officePolicy = `otherwise: block
rules:
  - id: contact-to-hr
    field: contact
    connector: WorkForceNow
    kinds: [email]
    action: mask
`;
