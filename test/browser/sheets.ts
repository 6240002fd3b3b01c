/** Sheets of a realistic office: rates, telework policies, duty stations and a roster. */
export const officeSheets: Readonly<Record<string, string>> = {
  "per_diem.yaml": `# Sends the daily rate to payroll and to the map.
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
  "telework.yaml": `# Sends approved telework policies to the HR service.
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
  "roster.yaml": `# Creates one packet per employee.
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

/** Governance policy of the same office. */
export const officePolicy = `otherwise: block
rules:
  - id: contact-to-hr
    field: contact
    connector: WorkForceNow
    kinds: [email]
    action: mask
`;
