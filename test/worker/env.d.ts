declare namespace Cloudflare {
  interface Env extends ImportedEnv {}
  interface GlobalProps {
    mainModule: typeof import('../../src/worker.ts')
    durableNamespaces:
      | 'Conversation'
      | 'Metrics'
      | 'Config'
      | 'SignInGuard'
      | 'Limits'
      | 'BudgetLedger'
      | 'Health'
      | 'Endpoints'
      | 'RequestLog'
  }
}
type ImportedEnv = import('../../src/env.ts').Env
