/** The Worker's entry: what the platform calls, and nothing else. */
import { edge } from './edge.ts'

// biome-ignore lint/performance/noBarrelFile: the platform finds the classes of Durable Objects among the entry's exports.
export { SignInGuard } from './auth/sign-in-guard.ts'
export { BudgetLedger } from './budgets/budget-object.ts'
export { Conversation } from './conversation/conversation.ts'
export { Config } from './directory/config-object.ts'
export { Endpoints } from './health/endpoints-object.ts'
export { Health } from './health/health-object.ts'
export { Limits } from './limits/limit-object.ts'
export { Metrics } from './observe/metrics-object.ts'
export { RequestLog } from './request-log/request-log-object.ts'

export default edge()
