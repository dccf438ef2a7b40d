/** Writes what one busy tenant's objects are asked to a file: `node record.ts FILE '{"seed": 1, ...}'`. Run by ../one-tenant.ts. */
import { writeFileSync } from 'node:fs'
import { oneTenant, type Traffic } from '../../support/one-tenant/traffic.ts'

const [file = '', traffic = ''] = process.argv.slice(2)
// Sound: one-tenant.ts made it.
const observed = await oneTenant(JSON.parse(traffic) as Traffic)
writeFileSync(file, JSON.stringify(observed))
