/**
 * SageMaker's runtime on this machine: checks signatures as AWS does, asks a container, and frames what that says in parts that end
 * anywhere, also within a character and within a frame's own bytes on the wire. Misbehaves by the endpoint's name. Where the container is
 * the real inference server, only AWS itself is missing.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { eventStreamFrame } from './event-stream-frame.ts'
import type { Fault } from './faults.ts'
import { type KnownKey, refuseSignature } from './sig-v4.ts'

/** What a container is told of a call, and answers. */
export type ContainerCall = { body: Buffer; headers: Record<string, string>; signal: AbortSignal }
export type Container = (call: ContainerCall) => Promise<Response>

export type SagemakerDouble = { url: string; close(): Promise<void> }

type Options = {
  region: string
  keys: Readonly<Record<string, KnownKey>>
  container: Container
  /** By the endpoint's name. */
  faults?: Readonly<Record<string, Fault>>
  partBytes: number
}

/** Of what is written at once: no frame comes whole. */
const WRITE_BYTES = 61
/** SageMaker's. */
const BODY_BYTES_MAX = 25 * 1_048_576
const PATH = /^\/endpoints\/([A-Za-z0-9-]+)\/invocations-response-stream$/

export async function sagemakerDouble(options: Options): Promise<SagemakerDouble> {
  const server = createServer((request, response) => {
    void answer(options, request, response).catch((error) => response.destroy(error))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // Sound: a server that listens on a port has such an address.
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}

/** The container's /invocations, as SageMaker's agent beside it calls them. */
export function containerAt(baseUrl: string): Container {
  return ({ body, headers, signal }) =>
    fetch(`${baseUrl}/invocations`, { method: 'POST', body: new Uint8Array(body), headers, signal })
}

async function answer(options: Options, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part)
  const body = Buffer.concat(parts)
  const { url: path = '', method = '', headers } = request
  const { region, keys } = options
  const refused = refuseSignature(
    { method, path, headers, body },
    { region, service: 'sagemaker', keys, now: Date.now() },
  )
  if (refused) return refuse(response, 403, refused.type, { message: refused.message })
  const name = PATH.exec(path)?.[1]
  if (name === undefined || method !== 'POST') return refuse(response, 404, 'UnknownOperationException', {})
  if (body.length > BODY_BYTES_MAX) return refuse(response, 413, 'RequestEntityTooLargeException', {})

  const fault = options.faults?.[name]
  if (fault?.kind === 'refuse') return refuse(response, fault.status, fault.type, fault.body, fault.headers)
  if (fault?.kind === 'page') return void response.writeHead(fault.status, fault.headers).end(fault.body)
  if (fault?.kind === 'silent') return

  const left = new AbortController()
  response.on('close', () => left.abort())
  const container = await options.container({
    body,
    signal: left.signal,
    headers: {
      'content-type': String(headers['x-amzn-sagemaker-content-type'] ?? headers['content-type']),
      accept: String(headers['x-amzn-sagemaker-accept'] ?? '*/*'),
      ...passedOn(headers),
    },
  })
  if (!container.ok) return refuse(response, 424, 'ModelError', await modelError(name, container))
  response.writeHead(200, {
    'content-type': 'application/vnd.amazon.eventstream',
    'x-amzn-sagemaker-content-type': container.headers.get('content-type') ?? 'application/octet-stream',
    'x-amzn-invoked-production-variant': 'AllTraffic',
    'x-amzn-requestid': crypto.randomUUID(),
  })
  let said = 0
  for await (const bytes of container.body ?? []) {
    for (let at = 0; at < bytes.length; at += options.partBytes) {
      if (fault !== undefined && said === fault.after) return misbehave(response, fault)
      const frame = eventStreamFrame(
        { message: 'event', type: 'PayloadPart' },
        bytes.subarray(at, at + options.partBytes),
      )
      for (let from = 0; from < frame.length; from += WRITE_BYTES)
        response.write(frame.subarray(from, from + WRITE_BYTES))
      said += 1
    }
  }
  response.end()
}

/** What goes wrong once the stream has begun. */
function misbehave(response: ServerResponse, fault: Exclude<Fault, { kind: 'refuse' | 'page' | 'silent' }>): void {
  const part = eventStreamFrame({ message: 'event', type: 'PayloadPart' }, Buffer.from('data: lost'))
  switch (fault.kind) {
    case 'exception':
      response.end(
        eventStreamFrame({ message: 'exception', type: fault.type }, Buffer.from(JSON.stringify(fault.body))),
      )
      return
    case 'error':
      response.end(eventStreamFrame({ message: 'error', code: fault.code }, Buffer.alloc(0)))
      return
    case 'cut':
      response.write(part.subarray(0, 20), () => response.destroy())
      return
    case 'short':
      response.end(part.subarray(0, 20))
      return
    case 'damaged':
      part.writeUInt8(part.readUInt8(part.length - 6) ^ 1, part.length - 6)
      response.end(part)
      return
    case 'huge':
      part.writeUInt32BE(0x7000_0000, 0)
      response.end(part)
      return
    case 'end':
      response.end()
      return
    case 'stall':
      return
  }
}

/** As SageMaker writes it, with all that a caller must never see. */
async function modelError(endpoint: string, container: Response): Promise<object> {
  const text = await container.text()
  return {
    ErrorCode: container.status < 500 ? 'CLIENT_ERROR_FROM_MODEL' : 'INTERNAL_FAILURE_FROM_MODEL',
    LogStreamArn: `arn:aws:logs:eu-west-1:123456789012:log-group:/aws/sagemaker/Endpoints/${endpoint}`,
    Message: `Received ${container.status < 500 ? 'client' : 'server'} error (${container.status}) from primary with message "${text}". See https://eu-west-1.console.aws.amazon.com/cloudwatch/home in account 123456789012 for more information.`,
    OriginalMessage: text,
    OriginalStatusCode: container.status,
  }
}

function passedOn(headers: IncomingMessage['headers']): Record<string, string> {
  const names = ['inference-id', 'inference-component', 'prefix-aware-id', 'custom-attributes'].map(
    (n) => `x-amzn-sagemaker-${n}`,
  )
  return Object.fromEntries(
    names.flatMap((name) => (headers[name] === undefined ? [] : [[name, String(headers[name])]])),
  )
}

function refuse(
  response: ServerResponse,
  status: number,
  type: string,
  body: object,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'x-amzn-errortype': `${type}:http://internal.amazon.com/coral/com.amazon.coral.service/`,
    'x-amzn-requestid': crypto.randomUUID(),
    ...headers,
  })
  response.end(JSON.stringify(body))
}
