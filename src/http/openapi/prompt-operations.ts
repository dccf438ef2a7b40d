/** What the document says of `/v1/prompts`. Not in the bundle: see schemas.ts. */
import { BODY, KEY, type Operation, PAGE_QUERY } from './operation.ts'

const TEMPLATE = {
  messages: [
    { role: 'system', content: 'Translate into {{language}}.' },
    { role: 'user', content: '{{text}}' },
  ],
  variables: { language: { type: 'choice', options: ['French', 'German'], default: 'French' } },
}
const PROMPT = {
  id: 'translate',
  object: 'prompt',
  description: 'Translates.',
  built_in: false,
  latest_version: 2,
  labels: { production: 1, staging: 2 },
  created_at: 1_764_000_000,
  updated_at: 1_764_000_060,
}
const VERSION = {
  object: 'prompt.version',
  prompt_id: 'translate',
  version: 2,
  ...TEMPLATE,
  note: 'Names the language.',
  created_by: 'key_default',
  created_at: 1_764_000_060,
}
const ONE_PROMPT = { 'application/json': { schema: 'Prompt', example: PROMPT } } as const
const FOUND = [...KEY, 'prompt_not_found'] as const

export const PROMPT_OPERATIONS: Readonly<Record<string, Operation>> = {
  'GET /v1/prompts': {
    id: 'listPrompts',
    tag: 'Prompts',
    summary: 'List the templates',
    description:
      "The tenant's own and the built-in ones, by id. One of your own with a built-in's id stands before it.",
    query: PAGE_QUERY,
    answers: {
      'application/json': { schema: 'PromptList', example: { object: 'list', data: [PROMPT], has_more: false } },
    },
    errors: [...KEY, 'invalid_request'],
  },
  'POST /v1/prompts': {
    id: 'createPrompt',
    tag: 'Prompts',
    summary: 'Create a template',
    description:
      'Its messages become version 1. `{{name}}` stands for a variable, `\\{{` for two braces. A variable that is used and not described is ' +
      'text that must be given. Without `labels` the label `production` points to the version.',
    request: { schema: 'NewPrompt', example: { id: 'translate', description: 'Translates.', ...TEMPLATE } },
    status: 201,
    answers: ONE_PROMPT,
    errors: [...KEY, ...BODY, 'already_exists'],
  },
  'GET /v1/prompts/:id': {
    id: 'retrievePrompt',
    tag: 'Prompts',
    summary: 'Describe one template',
    description: 'Its labels and its latest version.',
    answers: ONE_PROMPT,
    errors: FOUND,
  },
  'PATCH /v1/prompts/:id': {
    id: 'changePrompt',
    tag: 'Prompts',
    summary: 'Change the description',
    description: 'What a version says never changes: add another.',
    request: { schema: 'PromptChange', example: { description: 'Translates into French or German.' } },
    answers: ONE_PROMPT,
    errors: [...FOUND, ...BODY],
  },
  'DELETE /v1/prompts/:id': {
    id: 'deletePrompt',
    tag: 'Prompts',
    summary: 'Delete a template with all its versions',
    description:
      'A built-in template cannot be deleted; deleting one of your own of the same id brings the built-in one back.',
    answers: {
      'application/json': { schema: 'Deleted', example: { id: 'translate', object: 'prompt.deleted', deleted: true } },
    },
    errors: FOUND,
  },
  'POST /v1/prompts/:id/render': {
    id: 'renderPrompt',
    tag: 'Prompts',
    summary: 'Show what a template becomes',
    description: 'The very messages that a chat completion with this `prompt` would send. Asks no model.',
    request: { schema: 'RenderRequest', example: { label: 'staging', variables: { text: 'Good morning' } } },
    answers: {
      'application/json': {
        schema: 'RenderedPrompt',
        example: {
          prompt_id: 'translate',
          version: 2,
          messages: [
            { role: 'system', content: 'Translate into French.' },
            { role: 'user', content: 'Good morning' },
          ],
        },
      },
    },
    errors: [...FOUND, ...BODY],
  },
  'GET /v1/prompts/:id/versions': {
    id: 'listPromptVersions',
    tag: 'Prompts',
    summary: 'List the versions',
    description: 'The newest first.',
    query: PAGE_QUERY,
    answers: {
      'application/json': {
        schema: 'PromptVersionList',
        example: { object: 'list', data: [VERSION], has_more: false },
      },
    },
    errors: [...FOUND, 'invalid_request'],
  },
  'POST /v1/prompts/:id/versions': {
    id: 'createPromptVersion',
    tag: 'Prompts',
    summary: 'Add a version',
    description: 'It gets the next number. `labels` point to it at once; without them no label moves.',
    request: { schema: 'NewPromptVersion', example: { ...TEMPLATE, note: 'Names the language.', labels: ['staging'] } },
    status: 201,
    answers: { 'application/json': { schema: 'PromptVersion', example: VERSION } },
    errors: [...FOUND, ...BODY],
  },
  'GET /v1/prompts/:id/versions/:version': {
    id: 'retrievePromptVersion',
    tag: 'Prompts',
    summary: 'Show one version',
    description: 'Who wrote it, when, and why.',
    answers: { 'application/json': { schema: 'PromptVersion', example: VERSION } },
    errors: [...FOUND, 'invalid_request'],
  },
  'GET /v1/prompts/:id/diff': {
    id: 'diffPromptVersions',
    tag: 'Prompts',
    summary: 'Compare two versions',
    description: 'A unified diff of their messages and variables; empty when nothing differs.',
    query: { from: 'Number of the one version.', to: 'Number of the other.' },
    answers: {
      'application/json': {
        example: {
          object: 'prompt.diff',
          prompt_id: 'translate',
          from: 1,
          to: 2,
          diff: '--- translate@1\n+++ translate@2\n@@ -1,2 +1,2 @@\n [system]\n-Translate.\n+Translate into {{language}}.\n',
        },
      },
    },
    errors: [...FOUND, 'invalid_request'],
  },
  'PUT /v1/prompts/:id/labels/:label': {
    id: 'pointPromptLabel',
    tag: 'Prompts',
    summary: 'Point a label to a version',
    description: 'Deploys the version to whoever asks by this label, and rolls back when it names an earlier one.',
    request: { schema: 'LabelChange', example: { version: 1 } },
    answers: ONE_PROMPT,
    errors: [...FOUND, ...BODY],
  },
  'DELETE /v1/prompts/:id/labels/:label': {
    id: 'removePromptLabel',
    tag: 'Prompts',
    summary: 'Remove a label',
    description: 'Requests by this label then hear `prompt_not_found`.',
    answers: ONE_PROMPT,
    errors: [...FOUND, 'invalid_request'],
  },
}
