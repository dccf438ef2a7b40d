/**
 * The routes of the request path: what an isolate that has just begun is asked first. They are evaluated as it starts; all the others,
 * with their schemas and what is behind them, when the first of those is asked for (src/edge.ts). A path is here with all its methods and
 * has no parameter, so that one look at it tells; test/unit/eager-graph.test.ts compares with the table of all routes.
 */
import type { Route } from './route.ts'
import { chat } from './routes/chat.ts'
import { chatCompletions } from './routes/chat-completions.ts'
import { completions } from './routes/completions.ts'
import { generate } from './routes/generate.ts'
import { health } from './routes/health.ts'
import { listModels } from './routes/models.ts'

export const eagerRoutes: readonly Route[] = [chatCompletions, completions, listModels, chat, generate, health]
