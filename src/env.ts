/** The Worker's bindings and variables as the platform hands them over. Variables are raw text: only src/config.ts reads them. */
import type { Conversation } from './conversation/conversation.ts'
import type { Metrics } from './observe/metrics-object.ts'

export type Env = Readonly<{
  CONVERSATION: DurableObjectNamespace<Conversation>
  METRICS: DurableObjectNamespace<Metrics>

  PERIGEE_INFERENCE_URL?: string
  PERIGEE_INFERENCE_KEY?: string
  PERIGEE_DEFAULT_MODEL?: string
  PERIGEE_KEY_SHA256?: string
}>
