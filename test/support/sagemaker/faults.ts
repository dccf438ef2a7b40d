/** Every way in which SageMaker says no or goes silent, as its documents and its users tell of them; by the name of the double's endpoint. */

export type Fault =
  | { kind: 'refuse'; status: number; type: string; body: object; headers?: Record<string, string> }
  /** What stands before SageMaker answers in its place. */
  | { kind: 'page'; status: number; headers: Record<string, string>; body: string }
  | { kind: 'silent' }
  /** After so many parts. */
  | { kind: 'exception'; after: number; type: string; body: object }
  | { kind: 'error'; after: number; code: string }
  | { kind: 'cut' | 'short' | 'damaged' | 'huge' | 'end' | 'stall'; after: number }

const says = (status: number, type: string, message: string, headers: Record<string, string> = {}): Fault => ({
  ...{ kind: 'refuse', status, type, headers },
  body: { Message: message, message },
})
const model = (status: number, text: string): Fault => ({
  ...{ kind: 'refuse', status: 424, type: 'ModelError' },
  body: {
    LogStreamArn: 'arn:aws:logs:eu-west-1:123456789012:log-group:/aws/sagemaker/Endpoints/chat',
    Message: `Received server error (${status}) from primary with message "${text}".`,
    OriginalMessage: text,
    OriginalStatusCode: status,
  },
})
const openai = (code: string, message: string, param: string | null = null) =>
  JSON.stringify({ error: { message, type: 'invalid_request_error', param, code } })

export const TRACEBACK = 'Traceback (most recent call last):\n  File "/opt/ml/code/serve.py", line 7'
const NO_CAPACITY =
  'Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress (if configured) or try to increase the capacity by invoking UpdateInferenceComponentRuntimeConfig API.'

export const FAULTS = {
  'no-endpoint': says(400, 'ValidationError', 'Endpoint no-endpoint of account 123456789012 not found.'),
  'no-capacity': says(400, 'ValidationError', NO_CAPACITY),
  'too-large': says(
    400,
    'ValidationError',
    "1 validation error detected: the request's body exceeds the maximum size.",
  ),
  'too-large-413': says(413, 'RequestEntityTooLargeException', 'Too large.'),
  'not-ready': says(429, 'ModelNotReadyException', 'The model is loading.'),
  throttled: says(400, 'ThrottlingException', 'Rate exceeded', { 'retry-after': '7' }),
  'throttled-429': says(429, 'TooManyRequestsException', 'Rate exceeded'),
  internal: says(500, 'InternalFailure', 'Internal failure of account 123456789012'),
  dependency: says(530, 'InternalDependencyException', 'A dependency failed.'),
  unavailable: says(503, 'ServiceUnavailable', 'The service is unavailable.'),
  denied: says(
    403,
    'AccessDeniedException',
    'User: arn:aws:iam::123456789012:user/x is not authorized to perform: sagemaker:InvokeEndpoint',
  ),
  'model-400': model(400, openai('invalid_request', 'temperature: must be at most 2', 'temperature')),
  'model-400-text': model(400, `Bad request. ${TRACEBACK}`),
  'model-too-long': model(
    400,
    openai('context_length_exceeded', "This model's maximum context length is 512 tokens.", 'messages'),
  ),
  'model-too-long-cut': model(400, '{"error":{"message":"This model\'s maximum context length is 512 tok'),
  'model-401': model(401, openai('invalid_api_key', 'No key.')),
  'model-500': model(500, TRACEBACK),
  'model-503': model(503, openai('queue_full', 'Full.')),
  'model-429': model(429, openai('rate_limited', 'Slow down.')),
  'model-silent': model(0, 'Your invocation timed out while waiting for a response from container primary.'),
  page: { kind: 'page', status: 502, headers: { 'content-type': 'text/html' }, body: '<html>Bad Gateway</html>' },
  'no-frames': {
    kind: 'page',
    status: 200,
    headers: { 'content-type': 'text/event-stream' },
    body: 'data: [DONE]\n\n',
  },
  elsewhere: { kind: 'page', status: 307, headers: { location: 'http://127.0.0.1:1/' }, body: '' },
  silent: { kind: 'silent' },
  'stream-error': {
    ...{ kind: 'exception', after: 30, type: 'ModelStreamError' },
    body: { Message: TRACEBACK, ErrorCode: 'StreamBroken' },
  },
  'stream-error-at-once': {
    ...{ kind: 'exception', after: 0, type: 'ModelStreamError' },
    body: { Message: TRACEBACK, ErrorCode: 'ModelInvocationTimeExceeded' },
  },
  'stream-unknown-at-once': { kind: 'exception', after: 0, type: 'NewException', body: { Message: TRACEBACK } },
  'damaged-at-once': { kind: 'damaged', after: 0 },
  'stream-failure': { kind: 'exception', after: 30, type: 'InternalStreamFailure', body: { Message: TRACEBACK } },
  'stream-unknown-exception': { kind: 'exception', after: 30, type: 'NewException', body: { Message: TRACEBACK } },
  'stream-unknown-error': { kind: 'error', after: 30, code: 'Unknown' },
  cut: { kind: 'cut', after: 30 },
  short: { kind: 'short', after: 30 },
  damaged: { kind: 'damaged', after: 30 },
  huge: { kind: 'huge', after: 30 },
  ended: { kind: 'end', after: 30 },
  stall: { kind: 'stall', after: 30 },
} satisfies Record<string, Fault>

export type FaultName = keyof typeof FAULTS
