/**
 * `npm test`, which is what CI runs: types, lint and format, the bundle, then every suite. Stops at the first failure.
 * `npm run check -- unit worker` runs the named steps alone.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const reports = mkdtempSync(join(tmpdir(), 'perigee-check-'))
const SUITES = ['unit', 'worker', 'inference', 'e2e']
const STEPS: Record<string, string[][]> = {
  types: ['src', 'functions', 'scripts', 'test', 'test/unit', 'test/worker'].map((folder) => ['tsc', '-p', folder]),
  lint: [['biome', 'ci', '--error-on-warnings']],
  build: [['node', 'scripts/build-worker.ts']],
  ...Object.fromEntries(
    SUITES.map((name) => [
      name,
      [
        [
          'vitest',
          'run',
          '--project',
          name,
          '--reporter=default',
          '--reporter=json',
          `--outputFile.json=${reportOf(name)}`,
        ],
      ],
    ]),
  ),
}

function reportOf(suite: string): string {
  return join(reports, `${suite}.json`)
}

/** Counts of a suite as its runner reports them; zeros when it did not get that far. */
function countsOf(suite: string): { passed: number; failed: number; skipped: number } {
  try {
    const report = JSON.parse(readFileSync(reportOf(suite), 'utf8'))
    return { passed: report.numPassedTests, failed: report.numFailedTests, skipped: report.numPendingTests }
  } catch {
    return { passed: 0, failed: 0, skipped: 0 }
  }
}

/** Runs the steps until one fails. */
function run(names: readonly string[]): { took: string[]; failed?: string } {
  const took: string[] = []
  for (const name of names) {
    console.log(`\n=== ${name}`)
    const startedAt = performance.now()
    for (const [program = '', ...args] of STEPS[name] ?? []) {
      const { status, error } = spawnSync(program, args, { stdio: 'inherit' })
      if (status === 0) continue
      return {
        took,
        failed: `${name}: ${[program, ...args].join(' ')}${error ? ` (${error.message}; run it through npm)` : ''}`,
      }
    }
    took.push(`${name} ${((performance.now() - startedAt) / 1_000).toFixed(0)} s`)
  }
  return { took }
}

const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !(name in STEPS))
if (unknown.length > 0) {
  console.error(`Unknown step ${unknown.join(', ')}. Steps: ${Object.keys(STEPS).join(', ')}`)
  process.exit(2)
}

const result = run(asked.length > 0 ? asked : Object.keys(STEPS))
const total = SUITES.map(countsOf).reduce((a, b) => ({
  passed: a.passed + b.passed,
  failed: a.failed + b.failed,
  skipped: a.skipped + b.skipped,
}))
rmSync(reports, { recursive: true })
console.log(`\nTook: ${result.took.join(', ')}`)
if (result.failed) console.error(`Failed at ${result.failed}`)
console.log(`tests: ${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
process.exitCode = result.failed ? 1 : 0
