/**
 * A Worker of a test's own in plain workerd. Unlike wrangler's harness, whose proxy keeps it to itself when a caller hangs up, and unlike
 * the plugin of the suite `worker`, which turns off how one request wakes another.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { build } from 'vite'
import { workerdConfig } from '../bench/edge/workerd-config.ts'

export type PlainWorkerd = {
  url: string
  /** What it printed: errors of the platform's, warnings, console.log. */
  output(): string
  stop(): Promise<void>
}

/** `entry` is the path of a TypeScript module with a default export that has `fetch`. */
export async function plainWorkerd(entry: string, vars: Readonly<Record<string, string>>): Promise<PlainWorkerd> {
  const folder = mkdtempSync(join(tmpdir(), 'perigee-workerd-'))
  await build({
    logLevel: 'silent',
    configFile: false,
    build: {
      outDir: folder,
      target: 'esnext',
      lib: { entry, formats: ['es'], fileName: () => 'worker.js' },
      // One module, as wrangler makes it: what is imported late is in it, too.
      rollupOptions: { external: [/^node:/, /^cloudflare:/], output: { codeSplitting: false } },
    },
  })
  const config = join(folder, 'config.capnp')
  const compatibilityFlags = ['enable_request_signal', 'request_signal_passthrough']
  const options = { module: 'worker.js', compatibilityDate: '2026-11-01', compatibilityFlags, vars }
  writeFileSync(config, workerdConfig({ ...options, durableObjects: {}, storageFolder: folder }))
  const child = spawn(workerdBinary(), ['serve', config, '--control-fd=3'], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  let text = ''
  child.stdout?.on('data', (bytes) => (text += String(bytes)))
  child.stderr?.on('data', (bytes) => (text += String(bytes)))
  const ended = new Promise<void>((done) => child.once('close', () => done()))
  for await (const line of createInterface({ input: child.stdio[3] as Readable })) {
    const port = /"event":"listen".*"port":(\d+)/.exec(line)?.[1]
    if (port === undefined) continue
    return {
      url: `http://127.0.0.1:${port}`,
      output: () => text,
      async stop() {
        child.kill('SIGTERM')
        await ended
        rmSync(folder, { recursive: true, force: true })
      },
    }
  }
  throw new Error(`workerd did not start: ${text}`)
}

/** The package's main module is CommonJS and exports the path of the platform's binary as `default`. */
function workerdBinary(): string {
  const fromWrangler = createRequire(createRequire(import.meta.url).resolve('wrangler/package.json'))
  return fromWrangler('workerd').default
}
