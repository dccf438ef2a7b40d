/** The OpenAPI document as one page for people: no scripts, nothing from elsewhere, readable on a phone, in the dark and on paper. */
import { ERRORS } from '../../errors.ts'
import { DOCS_STYLE } from './docs-style.ts'
import { type FieldSchema, typeText } from './schema-text.ts'

/** Of the document, what the page shows. */
export type DocumentToShow = {
  info: { title: string; version: string; summary: string }
  tags: readonly { name: string; description: string }[]
  paths: Readonly<Record<string, Readonly<Record<string, OperationToShow>>>>
  components: { schemas: Readonly<Record<string, FieldSchema>> }
}

type OperationToShow = {
  operationId: string
  tags: readonly string[]
  summary: string
  description: string
  security?: readonly unknown[]
  parameters?: readonly { name: string; in: string; description?: string; schema: FieldSchema }[]
  requestBody?: { content: Readonly<Record<string, { schema: { $ref: string }; example: unknown }>> }
  responses: Readonly<
    Record<string, { description: string; content?: Readonly<Record<string, { example?: unknown }>> }>
  >
}

const FORM = 'application/x-www-form-urlencoded'

type Entry = { method: string; path: string; operation: OperationToShow }

/** `origin` is where the caller found us: the examples are to be pasted. */
export function docsPage(document: DocumentToShow, origin: string): string {
  const entries: Entry[] = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  )
  const groups = document.tags.map((tag) => ({
    tag,
    members: entries.filter((e) => e.operation.tags.includes(tag.name)),
  }))
  const { title, version, summary } = document.info
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)} API</title>
<style>${DOCS_STYLE}</style>
</head>
<body>
<nav aria-label="Contents">
<a class="brand" href="#top">${escapeHtml(title)}</a>
${groups.map(({ tag, members }) => navGroup(tag.name, members)).join('\n')}
<h2>Reference</h2>
<ul><li><a href="#errors">Errors</a></li><li><a href="/openapi.json">openapi.json</a></li></ul>
</nav>
<main id="top">
<header>
<h1>${escapeHtml(title)} API <small>${escapeHtml(version)}</small></h1>
<p class="lead">${escapeHtml(summary)}</p>
</header>
${start(origin)}
${groups
  .map(
    ({ tag, members }) => `<section>
<h2>${escapeHtml(tag.name)}</h2>
<p>${inline(tag.description)}</p>
${members.map((entry) => operationArticle(entry, document, origin)).join('\n')}
</section>`,
  )
  .join('\n')}
${errorSection()}
</main>
</body>
</html>
`
}

function navGroup(name: string, members: readonly Entry[]): string {
  const items = members.map(
    ({ method, path, operation }) =>
      `<li><a href="#${operation.operationId}"><span class="method ${method.toLowerCase()}">${method}</span> ${escapeHtml(path)}</a></li>`,
  )
  return `<h2>${escapeHtml(name)}</h2>\n<ul>${items.join('')}</ul>`
}

function start(origin: string): string {
  return `<section>
<h2>Start</h2>
<p>Send your key or access token as a bearer token. Every route needs one that does not say ${inline('"no key"')}. Each answer carries
${inline('`x-request-id`')}: name it when something went wrong.</p>
<p>Clients made for OpenAI work unchanged:</p>
<pre><code>${escapeHtml(`from openai import OpenAI
client = OpenAI(base_url="${origin}/v1", api_key="pg_...")`)}</code></pre>
</section>`
}

function operationArticle({ method, path, operation }: Entry, document: DocumentToShow, origin: string): string {
  const open = operation.security?.length === 0
  const [type, request] = Object.entries(operation.requestBody?.content ?? {})[0] ?? []
  const schema = request ? document.components.schemas[request.schema.$ref.split('/').at(-1) ?? ''] : undefined
  return `<article id="${operation.operationId}">
<h3><span class="method ${method.toLowerCase()}">${method}</span> <code>${escapeHtml(path)}</code>${open ? ' <span class="open">no key</span>' : ''}</h3>
<p class="summary">${inline(operation.summary)}</p>
<p>${inline(operation.description)}</p>
${schema ? fieldTable(schema) : ''}
${queryTable(operation)}
<h4>Request</h4>
<pre><code>${escapeHtml(curl({ method, path, open, origin, type, body: request?.example }))}</code></pre>
${answerExamples(operation)}
${errorList(operation)}
</article>`
}

function curl(options: {
  method: string
  path: string
  open: boolean
  origin: string
  type: string | undefined
  body: unknown
}): string {
  const { method, path, open, origin, type, body } = options
  // curl sends POST by itself where there is a body.
  const verb = method === 'GET' || (method === 'POST' && body !== undefined) ? '' : `-X ${method} `
  const lines = [`curl ${verb}${origin}${path}`]
  if (!open) lines.push(`-H "Authorization: Bearer $PERIGEE_KEY"`)
  if (type === FORM) {
    // Sound: the example of a form is a record of texts, and its schema was tried on it.
    for (const [name, value] of Object.entries(body as object)) lines.push(`--data-urlencode '${name}=${value}'`)
  } else if (body !== undefined) {
    lines.push(`-H "Content-Type: application/json"`, `-d '${JSON.stringify(body)}'`)
  }
  return lines.join(' \\\n  ')
}

function queryTable({ parameters = [] }: OperationToShow): string {
  const query = parameters.filter((parameter) => parameter.in === 'query')
  if (query.length === 0) return ''
  const rows = query.map(
    ({ name, description = '', schema }) =>
      `<tr><th scope="row"><code>${escapeHtml(name)}</code></th><td>${escapeHtml(typeText(schema))}</td><td>${inline(description)}</td></tr>`,
  )
  return table('Query', rows)
}

function fieldTable(schema: FieldSchema): string {
  const required = new Set(schema.required ?? [])
  const rows = Object.entries(schema.properties ?? {})
    .sort(([a], [b]) => Number(required.has(b)) - Number(required.has(a)))
    .map(
      ([
        name,
        field,
      ]) => `<tr><th scope="row"><code>${escapeHtml(name)}</code>${required.has(name) ? ' <span class="required">required</span>' : ''}</th>
<td>${escapeHtml(typeText(field))}</td><td>${inline(field.description ?? '')}</td></tr>`,
    )
  return table('Body', rows)
}

function table(heading: string, rows: readonly string[]): string {
  return `<h4>${heading}</h4>
<div class="table"><table><thead><tr><th scope="col">Field</th><th scope="col">Type</th><th scope="col">Meaning</th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table></div>`
}

function answerExamples(operation: OperationToShow): string {
  const content = operation.responses['200']?.content ?? {}
  const examples = Object.entries(content).flatMap(([type, { example }]) => {
    if (example === undefined) return []
    const text = typeof example === 'string' ? example : JSON.stringify(example, null, 2)
    return [`<h4>Answer <small>${escapeHtml(type)}</small></h4>\n<pre><code>${escapeHtml(text)}</code></pre>`]
  })
  return examples.join('\n')
}

function errorList(operation: OperationToShow): string {
  const codes = Object.entries(operation.responses).flatMap(([status, { description }]) =>
    status === '200' ? [] : [...description.matchAll(/`(\w+)`:/g)].map(([, code]) => ({ status, code: code ?? '' })),
  )
  if (codes.length === 0) return ''
  const items = codes.map(({ status, code }) => `<a href="#${code}">${status} ${escapeHtml(code)}</a>`)
  return `<p class="errors"><span>Errors</span> ${items.join(' ')}</p>`
}

function errorSection(): string {
  const rows = Object.entries(ERRORS)
    .filter(([code]) => code !== 'caller_gone')
    .map(
      ([code, { status, title, retryable }]) =>
        `<tr id="${code}"><th scope="row"><code>${code}</code></th><td>${status}</td><td>${escapeHtml(title)}.</td><td>${retryable ? 'yes' : 'no'}</td></tr>`,
    )
  return `<section id="errors">
<h2>Errors</h2>
<p>Routes under ${inline('`/v1`')} answer errors in OpenAI's envelope, all others as ${inline('`application/problem+json`')}; the code is the same in both.
Once a stream has begun, an error is an event and the stream ends without ${inline('`[DONE]`')}.</p>
<div class="table"><table><thead><tr><th scope="col">Code</th><th scope="col">Status</th><th scope="col">Meaning</th><th scope="col">Try again</th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table></div>
</section>`
}

/** Descriptions mark code with backticks and nothing else. */
function inline(text: string): string {
  return escapeHtml(text).replace(/`([^`]+)`/g, '<code>$1</code>')
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character)
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}
