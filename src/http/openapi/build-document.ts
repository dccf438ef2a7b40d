/** The OpenAPI document, from the route table, the schemas and the error table. Runs at build time: see scripts/build-openapi.ts. */
import * as z from 'zod/mini'
import { ERRORS, type ErrorCode } from '../../errors.ts'
import type { ErrorShape, Route } from '../route.ts'
import { FIELD_NOTES } from './field-notes.ts'
import type { Operation } from './operation.ts'
import { OPERATIONS } from './operations.ts'
import { COMPONENTS, type ComponentName } from './schemas.ts'

type Json = { [field: string]: unknown }

/** Throws when a route has no operation or an operation no route. */
export function buildOpenApiDocument(options: { routes: readonly Route[]; version: string }): Json {
  const paths: { [path: string]: Json } = {}
  const described = new Set<string>()
  for (const route of options.routes) {
    const name = `${route.method} ${route.path}`
    const operation = OPERATIONS[name]
    if (!operation) throw new Error(`${name} is not in src/http/openapi/operations.ts.`)
    described.add(name)
    const path = route.path.replace(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationObject(route, operation) }
  }
  const gone = Object.keys(OPERATIONS).filter((name) => !described.has(name))
  if (gone.length > 0) throw new Error(`No such route: ${gone.join(', ')}.`)
  return {
    openapi: '3.1.1',
    info: {
      title: 'Perigee',
      version: options.version,
      summary: 'An LLM platform that answers from the edge.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ apiKey: [] }],
    tags: [
      { name: 'Completions', description: 'Answers from a model, nothing stored.' },
      { name: 'Messages', description: "The same in Anthropic's shape." },
      { name: 'Conversations', description: 'The history is kept for you.' },
      { name: 'Models', description: 'What there is to ask.' },
      { name: 'Prompts', description: 'Templates that are stored, versioned and filled here.' },
      { name: 'Budgets', description: 'What may be used, what it costs, and what was used.' },
      { name: 'Requests', description: 'Every completion: who answered, in what time, for how much.' },
      { name: 'Routing', description: 'Which models there are, and who answers for them.' },
      { name: 'Administration', description: 'What a tenant is told to be.' },
      { name: 'Sign-in', description: 'Access tokens for people.' },
      { name: 'Users', description: 'Who may sign in, and whose tokens are taken.' },
      { name: 'Operation', description: 'For those who run it.' },
    ],
    paths,
    components: {
      securitySchemes: {
        apiKey: {
          type: 'http',
          scheme: 'bearer',
          description: 'An API key or an access token: `Authorization: Bearer ...`.',
        },
      },
      schemas: componentSchemas(),
    },
  }
}

function operationObject(route: Route, operation: Operation): Json {
  const inPath = [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }))
  const inQuery = Object.entries(operation.query ?? {}).map(([name, description]) => ({
    name,
    in: 'query',
    description,
    schema: { type: 'string' },
  }))
  const parameters = [...inPath, ...inQuery]
  return {
    operationId: operation.id,
    tags: [operation.tag],
    summary: operation.summary,
    description: operation.description,
    ...(route.access === 'open' ? { security: [] } : {}),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(operation.request
      ? {
          requestBody: {
            required: operation.request.isOptional !== true,
            content: {
              [operation.request.type ?? 'application/json']: {
                schema: reference(operation.request.schema),
                example: operation.request.example,
              },
            },
          },
        }
      : {}),
    responses: {
      [operation.status ?? 200]: { description: 'Success.', content: mapValues(operation.answers, answerObject) },
      ...errorResponses(route.errors, [...operation.errors, 'internal_error']),
    },
  }
}

function answerObject(answer: Operation['answers'][string]): Json {
  return {
    ...(answer.schema ? { schema: reference(answer.schema) } : {}),
    ...(answer.example === undefined ? {} : { example: answer.example }),
  }
}

const ERROR_MEDIA: Record<ErrorShape, string> = {
  openai: 'application/json',
  anthropic: 'application/json',
  oauth: 'application/json',
  problem: 'application/problem+json',
}
const ERROR_SCHEMAS: Record<ErrorShape, ComponentName> = {
  openai: 'OpenAiError',
  anthropic: 'AnthropicError',
  oauth: 'OAuthError',
  problem: 'Problem',
}

function errorResponses(shape: ErrorShape, codes: readonly ErrorCode[]): Json {
  const byStatus: { [status: number]: ErrorCode[] } = {}
  for (const code of codes) {
    const { status } = ERRORS[code]
    byStatus[status] = [...(byStatus[status] ?? []), code]
  }
  return mapValues(byStatus, (sameStatus) => ({
    description: sameStatus.map((code) => `\`${code}\`: ${ERRORS[code].title}.`).join(' '),
    content: {
      [ERROR_MEDIA[shape]]: { schema: reference(ERROR_SCHEMAS[shape]) },
    },
  }))
}

function componentSchemas(): Json {
  const registry = z.registry<{ id: string; description: string }>()
  for (const [id, [schema, description]] of Object.entries(COMPONENTS)) registry.add(schema, { id, description })
  const { schemas } = z.toJSONSchema(registry, { io: 'input', uri: (id) => `#/components/schemas/${id}` })
  for (const [name, schema] of Object.entries(schemas)) {
    // OpenAPI says both for the whole document.
    delete schema.$schema
    delete schema.$id
    describeFields(schema, FIELD_NOTES[name as ComponentName] ?? {}) // Sound: the registry holds COMPONENTS.
  }
  return schemas
}

function describeFields(schema: z.core.JSONSchema.BaseSchema, notes: Record<string, string>): void {
  for (const [field, description] of Object.entries(notes)) {
    const property = schema.properties?.[field]
    if (typeof property !== 'object') throw new Error(`A note tells of ${field}, which is no field.`)
    property.description = description
  }
}

function reference(component: ComponentName): Json {
  return { $ref: `#/components/schemas/${component}` }
}

function mapValues<Value>(record: Readonly<Record<string, Value>>, map: (value: Value) => unknown): Json {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]))
}
