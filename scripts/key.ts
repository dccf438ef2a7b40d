/** `npm run -s key`: prints the development key of the local state folder. */
import { parseArgs } from 'node:util'
import { readDevelopmentKey } from './start/development-state.ts'

const { values } = parseArgs({ options: { 'state-dir': { type: 'string', default: '.perigee' } } })
const key = readDevelopmentKey(values['state-dir'])
if (key) console.log(key)
else {
  console.error(
    `No key in ${values['state-dir']}. It is made by the first \`npm start\`; another folder: npm run -s key -- --state-dir DIR`,
  )
  process.exitCode = 1
}
