/**
 * `npm run bench:requests`: searches in a log of a million requests, in D1 as workerd has it, by the statements of `/admin/requests`. Each
 * search is made with what is common, what is rare and what is not there, for then a whole index may have to be read.
 *
 *     npm run bench:requests                     # some minutes, most of them for filling
 *     npm run bench:requests -- --rows 100000
 *     npm run bench:requests -- --save           # writes test/bench/results/requests.json
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { unstable_splitSqlQuery } from 'wrangler'
import type { RequestQuery } from '../../src/http/ports.ts'
import { INSERT_ROWS, listStatement } from '../../src/request-log/request-sql.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { progress, progressDone } from './measure/progress.ts'
import { median, round } from './measure/statistics.ts'
import { table } from './measure/table.ts'
import { BEGAN_MS, LAST_MS, requestRow, TENANT } from './requests/rows.ts'

const ROOT = join(import.meta.dirname, '../..')
const ROWS_PER_STATEMENT = 2_000
const RUNS = 7
const BOUND_MS = 200

const { values: options } = parseArgs({
  options: { rows: { type: 'string', default: '1000000' }, save: { type: 'boolean', default: false } },
})
const rows = Number(options.rows)

/** `what` is the query as a caller would write it. */
const SEARCHES: Record<string, Omit<RequestQuery, 'limit'>> = {
  'the newest': {},
  'an hour in the middle': { fromMs: (BEGAN_MS + LAST_MS) / 2, toMs: (BEGAN_MS + LAST_MS) / 2 + 3_600_000 },
  'request_id, not there': { requestId: 'req_nobody' },
  'key_id, the busiest': { keyId: 'key_0' },
  'key_id, not there': { keyId: 'key_none' },
  'user_id, rare': { userId: 'user-49999@example.com' },
  'user_id, not there': { userId: 'nobody' },
  'model, common': { model: 'gpt-5-mini' },
  'model, not there': { model: 'none' },
  'status=error': { status: 'error' },
  'status=418, not there': { status: '418' },
  'code=upstream_timeout': { code: 'upstream_timeout' },
  'cache=join, rare': { cache: 'join' },
  'attempts=2': { attempts: 2 },
  'attempts=6, not there': { attempts: 6 },
  'model common, cache=join': { model: 'gpt-5-mini', cache: 'join' },
  'key busiest, cache=join': { keyId: 'key_0', cache: 'join' },
  'key busiest, model not there': { keyId: 'key_0', model: 'none' },
  'key busiest, status=error, attempts=3': { keyId: 'key_0', status: 'error', attempts: 3 },
  'model common, status=error, key not there': { model: 'gpt-5-mini', status: 'error', keyId: 'key_none' },
  'user busiest, key not there': { userId: 'user-0@example.com', keyId: 'key_none' },
}

const folder = mkdtempSync(join(tmpdir(), 'perigee-requests-'))
const miniflare = new Miniflare(
  convertV4MiniflareOptions({
    name: 'requests',
    modules: [{ type: 'ESModule', path: join(ROOT, 'empty.js'), contents: 'export default {}' }],
    d1Databases: ['DB'],
    resourcePersistencePath: folder,
    cf: false,
  }),
)
try {
  const db = await miniflare.getD1Database('DB')
  for (const name of readdirSync(join(ROOT, 'migrations')).sort()) {
    for (const statement of unstable_splitSqlQuery(readFileSync(join(ROOT, 'migrations', name), 'utf8'))) {
      await db.prepare(statement).run()
    }
  }
  const startedAt = performance.now()
  const random = seededRandom(1).next
  for (let first = 0; first < rows; first += ROWS_PER_STATEMENT) {
    const count = Math.min(ROWS_PER_STATEMENT, rows - first)
    const texts = Array.from({ length: count }, (_, at) => requestRow(first + at, rows, random))
    await db
      .prepare(INSERT_ROWS)
      .bind(TENANT, `[${texts.join(',')}]`)
      .run()
    progress(`${first + count} of ${rows} rows`)
  }
  progressDone()
  const fillSeconds = (performance.now() - startedAt) / 1_000

  const results = []
  for (const [search, query] of Object.entries(SEARCHES)) {
    const { sql, bindings } = listStatement(TENANT, { ...query, limit: 100 })
    const asked = db.prepare(sql).bind(...bindings)
    const times: number[] = []
    let found = 0
    for (let run = 0; run < RUNS; run++) {
      const begun = performance.now()
      found = (await asked.all()).results.length
      times.push(performance.now() - begun)
    }
    const plan = await db
      .prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .bind(...bindings)
      .all<{ detail: string }>()
    const last = plan.results.at(-1)?.detail ?? ''
    results.push({ search, found, medianMs: round(median(times)), leastMs: round(Math.min(...times)), plan: last })
  }
  const size = (await db.prepare('SELECT 1').all()).meta.size_after
  console.log(
    table(
      ['search', 'rows', 'median ms', 'least ms', 'plan'],
      results.map(({ search, found, medianMs, leastMs, plan }) => [
        search,
        String(found),
        String(medianMs),
        String(leastMs),
        plan,
      ]),
    ),
  )
  const worstMs = Math.max(...results.map(({ medianMs }) => medianMs))
  console.log(
    `\n${rows} rows, ${Math.round(size / 1e6)} MB, filled in ${Math.round(fillSeconds)} s; slowest median ${worstMs} ms.`,
  )
  if (options.save) {
    const outcome = { rows, megabytes: Math.round(size / 1e6), rowsPerSecond: Math.round(rows / fillSeconds), results }
    writeFileSync(join(import.meta.dirname, 'results/requests.json'), `${JSON.stringify(outcome, null, 2)}\n`)
  }
  process.exitCode = worstMs < BOUND_MS ? 0 : 1
} finally {
  await miniflare.dispose()
  rmSync(folder, { recursive: true, force: true })
}
