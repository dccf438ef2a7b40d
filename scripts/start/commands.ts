/** The two programs that `npm start` runs. */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DevelopmentState } from './development-state.ts'
import type { StartOptions } from './options.ts'
import type { Command } from './supervise.ts'

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..')

export function inferenceCommand(options: StartOptions): Command {
  return {
    args: [
      join(ROOT, 'functions/inference/main.ts'),
      ...['--port', String(options.inferencePort)],
      ...['--model', options.model],
    ],
    env: {},
  }
}

export function edgeCommand(options: StartOptions, state: DevelopmentState): Command {
  return {
    args: [
      join(ROOT, 'node_modules/wrangler/bin/wrangler.js'),
      'dev',
      ...['--config', join(ROOT, 'wrangler.toml')],
      ...['--ip', '127.0.0.1', '--port', String(options.port), '--inspector-port', '0'],
      ...['--env-file', state.envFile],
      ...['--persist-to', state.persistDir],
      ...['--show-interactive-dev-session', 'false'],
    ],
    env: {
      // No call leaves this machine: neither for request.cf nor for usage figures.
      CLOUDFLARE_CF_FETCH_ENABLED: 'false',
      WRANGLER_SEND_METRICS: 'false',
      // wrangler's local trace store costs nearly half of the requests per second and shows nothing that our log does not.
      X_LOCAL_OBSERVABILITY: 'false',
      CI: 'true',
    },
  }
}
