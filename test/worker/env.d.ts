declare namespace Cloudflare {
  interface Env extends ImportedEnv {}
  interface GlobalProps {
    mainModule: typeof import('../../src/worker.ts')
    durableNamespaces: 'Conversation' | 'Metrics'
  }
}
type ImportedEnv = import('../../src/env.ts').Env
