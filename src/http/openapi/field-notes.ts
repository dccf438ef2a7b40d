/** What each field of a request means, for the OpenAPI document. A test says that none is missing. */
import type { ComponentName } from './schemas.ts'

const SAMPLING = {
  model: 'Name of the model, as `GET /v1/models` lists it.',
  stream: 'Send the answer as server-sent events while it is made.',
  stream_options: '`include_usage: true` adds a last event with the usage; in the others it is null.',
  temperature: 'Spread of the sampling. 0 always takes the likeliest token.',
  top_p: 'Sample from the likeliest tokens that together have this probability.',
  top_k: 'Sample from this many of the likeliest tokens. 0 and -1 mean all.',
  seed: 'The same seed and request give the same answer on the same `system_fingerprint`.',
  stop: 'Text, or up to 16 texts, at which the answer ends. The text itself is not part of it.',
  max_tokens: 'The longest answer, in tokens.',
  n: 'How many answers to give.',
  min_p: "Sample only from tokens that have at least this share of the likeliest one's probability.",
  presence_penalty: 'Lowers the logit of every token that is in the answer already.',
  frequency_penalty: 'Lowers the logit of a token for each time it is in the answer already.',
  repetition_penalty: 'Divides the logits of tokens that are in the prompt or the answer; 1 changes nothing.',
  min_tokens: 'The answer does not end by itself before it has so many tokens.',
  ignore_eos: "The model's own end does not end the answer.",
  stop_token_ids: 'Ids of tokens at which the answer ends.',
  return_token_ids: 'Also give the token ids of the prompt and of the answer.',
}

const VERSION = {
  messages: 'Role and text of each message; `{{name}}` stands for a variable.',
  variables: 'By name: `type` (text, number, boolean, list, choice), `default`, bounds.',
  note: 'Why this version.',
  labels: 'Labels to point to it at once.',
}

const KEY = {
  name: 'What people call it.',
  role: 'A bundle of scopes, see docs/keys.md; not beside `scopes`.',
  scopes: 'What the key may do; not beside `role`.',
  models: 'The models that the key may use. Default and null: all.',
  allowed_origins: 'The pages that may use it, by the header `Origin`. Default and null: any caller.',
  allowed_networks: 'The networks or addresses that may use it, IPv4 or IPv6. Default and null: any.',
  expires_at: 'From then on it is not valid; in seconds since 1970.',
}

const PROVIDER = {
  jwks_uri: 'Where its public keys are, as a JSON Web Key Set.',
  role_claim: 'The claim that tells the role: its name, or a path with dots.',
  roles: 'From values of that claim to roles. Of several the one that may most counts.',
  default_role: 'For whom the claim tells no role. Without it they are refused.',
  tenant_claim: 'The claim that tells the tenant.',
  tenants: 'From values of that claim to ids of tenants. Who has none, or several, is refused.',
}

const MESSAGE_PROMPT = {
  model: SAMPLING.model,
  messages: 'The conversation so far, oldest first: text, images, tool calls and their results, thinking.',
  system: 'What stands before the conversation.',
  tools: 'What the model may call; the caller runs them.',
  tool_choice: 'Whether it may, must or must not, or which.',
  thinking: 'Handed on to the model.',
}

export const FIELD_NOTES: Partial<Record<ComponentName, Record<string, string>>> = {
  MessagesRequest: {
    ...MESSAGE_PROMPT,
    max_tokens: SAMPLING.max_tokens,
    stop_sequences: 'Texts at which the answer ends.',
    stream: SAMPLING.stream,
    temperature: SAMPLING.temperature,
    top_p: SAMPLING.top_p,
    top_k: SAMPLING.top_k,
    metadata: '`user_id`: for whom the caller asks; counted apart.',
    mcp_servers: 'Must be empty or absent.',
    container: 'Must be null or absent.',
  },
  CountTokensRequest: MESSAGE_PROMPT,
  ChatRequest: {
    ...SAMPLING,
    prompt:
      'A stored prompt template: `id`, `version` or `label` (else `production`), `variables`. Its messages stand before those of the request; the answer says in `x-perigee-prompt` which version it was.',
    messages: 'The conversation so far, oldest first.',
    max_completion_tokens: "OpenAI's newer name of `max_tokens`.",
    logprobs: 'Also give the log-probability of each token of the answer.',
    top_logprobs: 'With `logprobs`: also give those of so many of the likeliest tokens at each place.',
    add_generation_prompt: "End the prompt with the head of an assistant's message. Default true.",
    continue_final_message: "Continue the last message, an assistant's, where it ends.",
  },
  Message: {
    role: 'Who speaks.',
    content: 'Text, or a list of typed parts.',
  },
  TextRequest: {
    ...SAMPLING,
    prompt: 'The text to continue, or its token ids.',
    logprobs: 'Also give the log-probabilities of each token and of so many of the likeliest ones at its place.',
    echo: 'Give the prompt, too; with `logprobs` also how likely its tokens are.',
    best_of: 'Only as many as `n`.',
  },
  ChatTurnRequest: {
    message: 'What the user says.',
    conversation_id: 'An earlier answer has it. Without it a new conversation begins.',
    user_id: 'Your own name for the user: a label, never authority.',
    model_config: 'Settings of the model for this turn.',
  },
  FilterRuleRequest: {
    action:
      '`mask`: as many `*` as characters. `redact`: a label in its place, as `[EMAIL]`. `block`: no request, no answer.',
    category: 'Under which `POST /v1/moderations` tells of it. Default: the name of the rule.',
    on: 'Whether it is for requests, answers, or both.',
    match:
      '`auto`: whole words in scripts with spaces, anywhere in Chinese and its like. `word`, `substring`: always so.',
    words: 'Words and phrases, up to 20,000, each up to 64 characters.',
    detect: 'Kinds of personal data and secrets.',
  },
  ModerationRequest: {
    input: 'A text, a list of texts, or a list of text parts that are one text.',
    model: 'Taken and not used.',
  },
  NewLimit: {
    dimension:
      "Whose use is counted together: all of the tenant's, each key's, each user's, each user's at each endpoint, the tenant's of each model, or each `user_id`'s under a server key.",
    subject:
      'The one key, user, endpoint (`POST /chat`), model or `user_id` that is meant; `*`, the default, for each.',
    kind: 'What is counted. `streams` are answers that are being given at the same time.',
    amount: 'How many there may be, in a window or, of streams, at once.',
    window_seconds: 'Length of the window; windows begin at its multiples since 1970 (UTC). Not for streams.',
  },
  LimitChange: {
    amount: 'How many there may be.',
    window_seconds: 'Length of the window, if it is to be another.',
  },
  Heartbeat: {
    deployment: 'The deployment of the configuration that it is.',
    instance: 'Made anew by each process.',
    url: 'Where the edge reaches it, without `/v1`.',
    model: 'The model that it serves.',
    draining: 'It takes no more requests.',
    load: 'How much of it is taken.',
  },
  ServerLoad: {
    slots: 'Requests that can run at once.',
    running: 'Requests that run.',
    waiting: 'Requests that wait for a slot.',
    requests_per_second: 'Answers that ended, since its last heartbeat.',
    cpu: 'Of all cores of its machine, since its last heartbeat.',
    memory_used_bytes: 'Of its machine or container.',
    memory_total_bytes: 'Of its machine or container.',
    gpus: 'One entry each; empty where there is none, or nobody can say.',
  },
  CreateKey: KEY,
  PatchKey: KEY,
  RotateKey: { overlap_seconds: 'How long the old text stays valid beside the new one.' },
  CreateTenant: { name: 'What people call it. No two tenants have the same.' },
  PatchTenant: {
    name: 'What people call it. No two tenants have the same.',
    status: 'The keys of a suspended tenant and the tokens of its users are not valid.',
  },
  GenerateRequest: {
    text: 'The text to continue.',
    max_length: 'The longest continuation, in tokens.',
  },
  NewPrompt: {
    id: 'Name of the template, by which requests ask for it.',
    description: 'What it is for.',
    ...VERSION,
  },
  PromptChange: { description: 'What it is for.' },
  NewPromptVersion: VERSION,
  LabelChange: { version: 'Number of the version.' },
  RenderRequest: {
    version: 'Number of the version.',
    label: 'Else what this label points to, else `production`.',
    variables: 'By name: text, a number, true or false, or a list of texts.',
  },
  PutBudget: { limit: "Tokens, or nano-units of the installation's currency." },
  PutPrice: {
    input: 'Of prompt tokens.',
    cached_input:
      "Of prompt tokens that the model's server had in its cache. Default: as `input`, and no more than that.",
    output: 'Of tokens of the answer.',
  },
  TokenRequest: {
    grant_type: '`password` or `refresh_token`.',
    username: 'The e-mail address.',
    password: 'The password.',
    refresh_token: 'From the last answer of this route.',
  },
  Registration: {
    email: 'Kept in lower case. One address has one account in an installation.',
    password: 'Stored as a scrypt hash.',
    name: 'How to call the person.',
  },
  Logout: {
    everywhere: 'End all sessions of the user.',
  },
  PasswordChange: {
    current: 'The present password.',
    new: 'Another one: from 12 characters to 256.',
  },
  NewUser: {
    email: 'Kept in lower case. One address has one account in an installation.',
    password: 'Stored as a scrypt hash.',
    name: 'How to call the person.',
    role: 'What the user may do.',
  },
  UserChange: {
    name: 'How to call the person; null for nothing.',
    role: 'What the user may do.',
    status: 'Who is disabled cannot sign in.',
    password: 'A new one.',
  },
  NewIdentityProvider: {
    ...PROVIDER,
    issuer: 'The claim `iss` of its tokens, exactly.',
    audience: 'What the claim `aud` of its tokens must contain.',
    tenant_id: 'The tenant of its people where `tenant_claim` is not set; your own if left out.',
  },
  IdentityProviderChange: {
    ...PROVIDER,
    status: 'The tokens of a provider that is disabled are refused.',
  },
  RoutingConfig: {
    deployments: 'Places where models answer, by their names.',
    models: 'What each alias stands for, by the alias.',
  },
  RollbackRequest: {
    version: 'The version to bring back; 0 is what the settings say.',
    comment: 'Why, for the list of versions.',
  },
  ModelAliasRequest: {
    targets: 'Deployments with a priority (lower first), a weight, and conditions.',
    strategy: 'Among targets of one priority; least_loaded unless told.',
    sticky: 'Whose requests are given the same deployment while that is well.',
    canary: 'A deployment that a share of the requests goes to first.',
    affinity: 'Whether requests that begin alike prefer the replica that read that beginning.',
    continue_by: 'In which ways an answer that died may be taken up elsewhere; all unless told.',
    tenants: 'Who sees it; all unless told.',
    created: 'Seconds since 1970, for the list of models.',
  },
  DeploymentRequest: {
    preset: 'A known provider, which says what of the next five and of capabilities is not said here.',
    adapter: 'What the endpoint speaks.',
    url: 'Of openai and inference: the base, without /v1.',
    path: 'Of openai: between the URL and /chat/completions.',
    auth: 'The header that the secret is sent in.',
    quirks: 'Of openai: what is said differently to it.',
    endpoint: "Of sagemaker: the endpoint's name.",
    inference_component: 'Of sagemaker: which of several models on the endpoint.',
    model: 'What the endpoint calls the model.',
    region: 'As the cloud names it.',
    location: 'Where it is, for nearest.',
    secret: 'The name of a secret of the Worker that holds its key.',
    headers: 'Sent with each request. No secrets.',
    capabilities: 'What it can do: tools, json_schema, logprobs and n unless told.',
    continuation: 'How it can take up an answer that died elsewhere, the best first.',
    context_tokens: 'Prompt and answer together.',
    price: 'Micro-units of currency a million tokens, for cheapest.',
    timeouts_ms: "Each the settings' unless told.",
    in_flight_max: 'Calls at once; more wait.',
    queue: 'How many wait, and how long.',
    health: 'How it is asked whether it is well.',
    enabled: 'false takes it out without forgetting it.',
  },
}
